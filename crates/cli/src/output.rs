//! The only place that writes to the terminal.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, CellAlignment, Color, Table, TableComponent};
use serde_json::Value;

/// How wide a table may be that goes into a file or a pipe.
const WIDTH_ELSEWHERE: usize = 200;

/// Text with the colour it has on a terminal; elsewhere it is plain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    text: String,
    tone: Tone,
}

/// What a colour means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// No colour.
    Plain,
    /// Green: as it should be.
    Good,
    /// Yellow: look at it some time.
    Warning,
    /// Red: something to do.
    Bad,
    /// Grey: nothing to see.
    Dim,
}

impl Span {
    pub(crate) fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }

    /// The text in its colour, and nothing in it that moves the cursor.
    fn painted(&self, colours: bool) -> String {
        let text = harmless(&self.text);
        let code = match self.tone {
            Tone::Good => "32",
            Tone::Warning => "33",
            Tone::Bad => "31",
            Tone::Dim => "2",
            Tone::Plain => return text.into_owned(),
        };
        if colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.into_owned() }
    }

    fn cell(self, colours: bool) -> Cell {
        let cell = Cell::new(self.text.replace(char::is_control, "\u{fffd}"));
        match self.tone {
            _ if !colours => cell,
            Tone::Plain => cell,
            Tone::Good => cell.fg(Color::DarkGreen),
            Tone::Warning => cell.fg(Color::DarkYellow),
            Tone::Bad => cell.fg(Color::DarkRed),
            Tone::Dim => cell.add_attribute(Attribute::Dim),
        }
    }
}

impl From<String> for Span {
    fn from(text: String) -> Self {
        Self::new(text, Tone::Plain)
    }
}

impl From<&str> for Span {
    fn from(text: &str) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// The word for how a sync ended, in its colour. Whatever is none (`-`, `never`) is grey.
pub(crate) fn status(text: &str) -> Span {
    let tone = match text {
        "success" | "ok" => Tone::Good,
        "partial_success" | "warning" | "superseded" | "expired" | "revoked" => Tone::Warning,
        "failed" | "dead" | "serious" => Tone::Bad,
        _ => Tone::Dim,
    };
    Span::new(text, tone)
}

/// Whether standard output may have colours: on a terminal that knows them, unless `NO_COLOR` says otherwise.
fn has_colours() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}

/// Prints a line to standard output; `false` when nobody reads it any more (a closed pipe).
pub(crate) fn say(line: &str) -> bool {
    write(&harmless(line))
}

/// Prints the spans as one line, as [`say`] does.
pub(crate) fn say_spans(spans: &[Span]) -> bool {
    let colours = has_colours();
    write(&spans.iter().map(|span| span.painted(colours)).collect::<String>())
}

fn write(line: &str) -> bool {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}

/// Prints a line to standard error.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "{}", harmless(line));
}

/// A control character of a name or an error must not move the cursor.
fn harmless(text: &str) -> Cow<'_, str> {
    let moves = |character: char| character.is_control() && character != '\n';
    if text.contains(moves) { text.replace(moves, "\u{fffd}").into() } else { text.into() }
}

/// Prints one JSON document.
pub(crate) fn document(value: &Value) -> bool {
    say(&serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string()))
}

/// Whether progress may be drawn.
pub(crate) fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Prints rows under their heads; columns whose index is in `numbers` are aligned to the right.
pub(crate) fn table<S: Into<Span>>(heads: &[&str], numbers: &[usize], rows: Vec<Vec<S>>) -> bool {
    write(&drawn(heads, numbers, rows, has_colours()))
}

fn drawn<S: Into<Span>>(heads: &[&str], numbers: &[usize], rows: Vec<Vec<S>>, colours: bool) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_style(TableComponent::HeaderLines, '─').set_header(heads.to_vec());
    if colours {
        table.enforce_styling();
    }
    for row in rows {
        table.add_row(row.into_iter().map(|cell| cell.into().cell(colours)).collect::<Vec<_>>());
    }
    for &column in numbers {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

/// Begins the next picture of a watch under this line: in place of the one before on a terminal, below it elsewhere.
pub(crate) fn redraw(line: &str) {
    if io::stdout().is_terminal() {
        // The cursor to the first line, and everything from there cleared.
        let _ = write!(io::stdout(), "\u{1b}[H\u{1b}[J");
    }
    say(line);
}

/// Asks a question on standard error, without an end of line.
pub(crate) fn ask(question: &str) {
    let mut err = io::stderr();
    let _ = write!(err, "{}", harmless(question)).and_then(|()| err.flush());
}

/// Characters in a line of the terminal; plenty where there is none.
pub(crate) fn width() -> usize {
    Table::new().width().map_or(WIDTH_ELSEWHERE, usize::from)
}

/// A JSON value as a cell: text plain, `null` as `-`.
pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_its_colour_on_a_terminal_only() {
        for (text, painted) in [
            ("success", "\u{1b}[32msuccess\u{1b}[0m"),
            ("partial_success", "\u{1b}[33mpartial_success\u{1b}[0m"),
            ("failed", "\u{1b}[31mfailed\u{1b}[0m"),
            ("never", "\u{1b}[2mnever\u{1b}[0m"),
        ] {
            assert_eq!(status(text).painted(true), painted);
            assert_eq!(status(text).painted(false), text);
        }
    }

    #[test]
    fn what_a_name_brings_along_colours_nothing() {
        let hostile = Span::from("\u{1b}[31mred\u{7}");
        assert_eq!(hostile.painted(true), "\u{fffd}[31mred\u{fffd}");
        let table = drawn(&["name"], &[], vec![vec![hostile]], true);
        assert!(table.contains("\u{fffd}[31mred\u{fffd}") && !table.contains('\u{1b}'), "{table:?}");
    }

    #[test]
    fn a_coloured_table_is_aligned_as_the_plain_one_is() {
        let rows = || vec![vec!["Raghu".into(), status("failed")], vec!["A".into(), status("-")]];
        let (plain, coloured) =
            (drawn(&["a", "b"], &[1], rows(), false), drawn(&["a", "b"], &[1], rows(), true));
        assert!(!plain.contains('\u{1b}') && coloured.contains("\u{1b}["), "{coloured:?}");
        let mut bare = String::new();
        let mut is_code = false;
        for character in coloured.chars() {
            match character {
                '\u{1b}' => is_code = true,
                'm' if is_code => is_code = false,
                _ if is_code => {}
                other => bare.push(other),
            }
        }
        assert_eq!(bare, plain);
    }
}
