use std::collections::{BTreeMap, HashMap};

use super::{BadRow, NAME_BYTES_MAX, WORD_BYTES_MAX};

/// What a CSV file must look like.
pub(super) struct Format {
    /// What the file is, for errors.
    pub(super) what: &'static str,
    /// Heads without which it is something else.
    pub(super) required: &'static [&'static str],
    /// The other heads it may have; `None`: any.
    pub(super) optional: Option<&'static [&'static str]>,
}

/// One line, its cells found by the names of their heads.
pub(super) struct Row<'a> {
    cells: HashMap<&'a str, &'a str>,
}

impl<'a> Row<'a> {
    /// The text of a cell; a blank one, or one whose column is missing, is unknown.
    pub(super) fn optional(&self, name: &str) -> Option<&'a str> {
        self.cells.get(name).copied().filter(|text| !text.is_empty())
    }

    /// The text of a cell that must not be blank.
    pub(super) fn required(&self, name: &str) -> Result<&'a str, String> {
        self.optional(name).ok_or_else(|| format!("{name} is empty"))
    }
}

/// Reads every line, with its number, counted from 1 with the heads; heads may be in any order and letter case.
///
/// # Errors
/// Every line that is not as it should be, with the reason.
pub(super) fn read<T>(
    text: &str,
    format: &Format,
    read_row: impl Fn(&Row<'_>) -> Result<T, String>,
) -> Result<Vec<(u64, T)>, Vec<BadRow>> {
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let heads = match reader.headers() {
        Ok(heads) => heads.iter().map(str::to_lowercase).collect::<Vec<_>>(),
        Err(error) => return Err(vec![BadRow { line: 1, reason: error.to_string() }]),
    };
    if let Err(reason) = check_heads(&heads, format) {
        return Err(vec![BadRow { line: 1, reason }]);
    }
    let (mut rows, mut bad) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let (line, row) = match record {
            Ok(record) => {
                let line = record.position().map_or(0, |start| line_of(text, start));
                (line, cells(&heads, &record).and_then(|cells| read_row(&Row { cells })))
            }
            Err(error) => (error.position().map_or(0, |start| line_of(text, start)), Err(error.to_string())),
        };
        match row {
            Ok(row) => rows.push((line, row)),
            Err(reason) => bad.push(BadRow { line, reason }),
        }
    }
    if bad.is_empty() { Ok(rows) } else { Err(bad) }
}

/// Each row once, by what it is recognised by.
///
/// # Errors
/// Rows that say something else than an earlier one of the same key.
pub(super) fn once<T: PartialEq, K: Ord>(
    rows: Vec<(u64, T)>,
    key: impl Fn(&T) -> K,
    key_names: &str,
) -> Result<Vec<T>, Vec<BadRow>> {
    let mut known: BTreeMap<K, (u64, usize)> = BTreeMap::new();
    let (mut kept, mut bad) = (Vec::new(), Vec::new());
    for (line, row) in rows {
        match known.get(&key(&row)) {
            None => {
                known.insert(key(&row), (line, kept.len()));
                kept.push(row);
            }
            Some((_, index)) if kept[*index] == row => {}
            Some((first, _)) => {
                let reason = format!("line {first} has the same {key_names} and says something else");
                bad.push(BadRow { line, reason });
            }
        }
    }
    if bad.is_empty() { Ok(kept) } else { Err(bad) }
}

fn check_heads(heads: &[String], format: &Format) -> Result<(), String> {
    let what = format.what;
    let missing: Vec<&str> =
        format.required.iter().copied().filter(|head| !heads.iter().any(|known| known == head)).collect();
    if !missing.is_empty() {
        return Err(format!("not a {what}: no column {}", missing.join(", ")));
    }
    let known: Vec<&str> =
        format.required.iter().chain(format.optional.unwrap_or_default()).copied().collect();
    for head in &known {
        if heads.iter().filter(|other| other == head).count() > 1 {
            return Err(format!("two columns are named {head}"));
        }
    }
    match heads.iter().find(|head| !known.contains(&head.as_str())) {
        // A misspelt optional column must not pass for a missing one.
        Some(unknown) if format.optional.is_some() => {
            Err(format!("unknown column {unknown:?}: a {what} has {}", known.join(", ")))
        }
        _ => Ok(()),
    }
}

/// The reader counts a record from where the one before it ended, blank lines included.
fn line_of(text: &str, start: &csv::Position) -> u64 {
    let rest = usize::try_from(start.byte()).ok().and_then(|byte| text.as_bytes().get(byte..));
    let blank = rest.unwrap_or_default().iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    blank.fold(start.line(), |line, byte| line + u64::from(*byte == b'\n'))
}

fn cells<'a>(
    heads: &'a [String],
    record: &'a csv::StringRecord,
) -> Result<HashMap<&'a str, &'a str>, String> {
    if record.len() != heads.len() {
        return Err(format!("{} columns instead of {}", record.len(), heads.len()));
    }
    if record.iter().any(|cell| cell.contains('\0')) {
        return Err("a cell must not contain NUL".to_owned());
    }
    for (head, cell) in heads.iter().zip(record) {
        let limit = match head.as_str() {
            "account" | "organization_id" | "description" => NAME_BYTES_MAX,
            _ => WORD_BYTES_MAX,
        };
        if cell.len() > limit {
            return Err(format!("{head} has {} bytes, the limit is {limit}", cell.len()));
        }
    }
    Ok(heads.iter().map(String::as_str).zip(record).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: Format = Format { what: "list", required: &["name"], optional: Some(&["size"]) };

    type Rows = Result<Vec<(u64, (String, Option<String>))>, Vec<BadRow>>;

    fn rows(text: &str) -> Rows {
        read(text, &FORMAT, |row| {
            Ok((row.required("name")?.to_owned(), row.optional("size").map(str::to_owned)))
        })
    }

    fn reasons(text: &str) -> Vec<(u64, String)> {
        rows(text).unwrap_err().into_iter().map(|bad| (bad.line, bad.reason)).collect()
    }

    #[test]
    fn columns_are_found_by_name_in_any_order_and_blank_cells_are_unknown() {
        let read = rows("SIZE, name\n 3 ,\"a,\nb\"\n\n,c\n").unwrap();
        let expected = [(2, ("a,\nb".to_owned(), Some("3".to_owned()))), (5, ("c".to_owned(), None))];
        assert_eq!(read, expected);
        assert_eq!(rows("name\na\n").unwrap(), [(2, ("a".to_owned(), None))]);
        assert!(rows("name\n").unwrap().is_empty());
    }

    #[test]
    fn heads_that_are_missing_unknown_or_twice_are_refused_at_the_first_line() {
        for (text, reason) in [
            ("", "not a list: no column name"),
            ("size\n1\n", "not a list: no column name"),
            ("name,sise\na,1\n", "unknown column \"sise\": a list has name, size"),
            ("name,name\na,b\n", "two columns are named name"),
        ] {
            assert_eq!(reasons(text), [(1, reason.to_owned())], "{text}");
        }
    }

    #[test]
    fn every_bad_line_is_named() {
        let text = "name,size\na,1\n,2\nb\n\nc\0,3\n\n\nd,4,5\n";
        let found = reasons(text);
        let lines = |found: &[(u64, String)]| found.iter().map(|(line, _)| *line).collect::<Vec<_>>();
        assert_eq!(lines(&found), [3, 4, 6, 9]);
        assert_eq!(lines(&reasons(&text.replace('\n', "\r\n"))), [3, 4, 6, 9]);
        assert_eq!(found[0].1, "name is empty");
        assert_eq!(found[1].1, "1 columns instead of 2");
    }

    #[test]
    fn equal_rows_are_one_and_others_of_the_same_key_are_bad() {
        let first = |row: &(&'static str, u8)| row.0;
        let kept = once(vec![(2, ("a", 1)), (3, ("b", 1)), (4, ("a", 1))], first, "letter").unwrap();
        assert_eq!(kept, [("a", 1), ("b", 1)]);
        let bad = once(vec![(2, ("a", 1)), (3, ("a", 2))], first, "letter").unwrap_err();
        let reason = "line 2 has the same letter and says something else".to_owned();
        assert_eq!(bad, [BadRow { line: 3, reason }]);
    }
}
