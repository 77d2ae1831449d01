//! The table as Markdown, and its ratios read back from it.

use super::row::{Row, shown};

const HEADS: [&str; 10] =
    ["part", "unit", "syncfleet", "min", "max", "against", "it", "ratio", "target", "met"];

/// A ratio of an earlier table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ratio {
    pub(crate) part: String,
    pub(crate) against: String,
    pub(crate) ratio: f64,
}

/// The rows in Markdown, with its head.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut lines = head();
    lines.extend(rows.iter().map(line));
    lines.join("\n") + "\n"
}

/// The two lines above all rows.
pub(crate) fn head() -> Vec<String> {
    let rule =
        HEADS.map(|head| if matches!(head, "part" | "unit" | "against" | "met") { "---" } else { "---:" });
    vec![cells(&HEADS.map(str::to_owned)), format!("|{}|", rule.join("|"))]
}

/// One row in Markdown.
pub(crate) fn line(row: &Row) -> String {
    let met = row.is_met().map_or("", |met| if met { "yes" } else { "**no**" });
    cells(&[
        row.part.clone(),
        row.unit.to_owned(),
        shown(row.ours.median()),
        shown(row.ours.min()),
        shown(row.ours.max()),
        row.against.clone(),
        shown(row.theirs),
        shown(row.ratio),
        row.target.map_or(String::new(), |target| format!("≥ {}", shown(target))),
        met.to_owned(),
    ])
}

/// The ratios of every table in a text that has such columns, whatever their order and whatever else is there. Cells that
/// are no number are no ratio.
pub(crate) fn ratios(text: &str) -> Vec<Ratio> {
    let mut columns = None;
    let mut found = Vec::new();
    for line in text.lines() {
        let Some(cells) = split(line) else {
            columns = None;
            continue;
        };
        let Some((part, against, ratio)) = columns else {
            let at = |head: &str| cells.iter().position(|cell| cell.eq_ignore_ascii_case(head));
            columns = at("part")
                .zip(at("against"))
                .zip(at("ratio"))
                .map(|((part, against), ratio)| (part, against, ratio));
            continue;
        };
        let cell = |at: usize| cells.get(at).copied().unwrap_or_default();
        // A mark such as bold may be around it.
        let number = cell(ratio).trim_matches(|mark: char| !mark.is_ascii_digit());
        if let Ok(ratio) = number.parse() {
            found.push(Ratio { part: cell(part).to_owned(), against: cell(against).to_owned(), ratio });
        }
    }
    found
}

/// The cells of a line of a table.
fn split(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim().strip_prefix('|')?;
    let inner = inner.strip_suffix('|').unwrap_or(inner);
    Some(inner.split('|').map(str::trim).collect())
}

fn cells(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::row::Better;

    fn row(part: &str, ours: f64) -> Row {
        Row::versus(part, "a second", Better::More, &[ours], ("Celery", &[100.0]), Some(5.0))
    }

    fn ratio(part: &str, against: &str, ratio: f64) -> Ratio {
        Ratio { part: part.into(), against: against.into(), ratio }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let rows = [row("sync-force", 812.0), row("noop", 25.0), Row::within("kill", "s", vec![1.0], 2.0)];
        let text = format!("# A page\n\n{}\nand more\n", markdown(&rows));
        let wanted = [
            ratio("sync-force", "Celery", 8.12),
            ratio("noop", "Celery", 0.25),
            ratio("kill", "the limit", 2.0),
        ];
        assert_eq!(ratios(&text), wanted);
    }

    #[test]
    fn other_tables_other_orders_and_marks_do_no_harm() {
        let text = "| core | model |\n|---|---|\n| 2 | x |\n\n|ratio|note|Part|against\n|:-:|---|---|---|\n\
                    | **3.5** | a | noop | apalis |\n| n/a | b | kill | the limit |\n| 2 |\n";
        assert_eq!(ratios(text), [ratio("noop", "apalis", 3.5), ratio("", "", 2.0)]);
        assert_eq!(ratios(""), []);
    }

    #[test]
    fn a_missed_target_is_seen_in_the_table() {
        assert!(line(&row("sync-force", 400.0)).ends_with("| 4.00 | ≥ 5.00 | **no** |"));
        assert!(line(&row("sync-force", 600.0)).ends_with("| yes |"));
    }
}
