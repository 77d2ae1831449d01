//! The only place that writes to the terminal.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table, TableComponent};
use serde_json::Value;

/// How wide a table may be that goes into a file or a pipe.
const WIDTH_ELSEWHERE: usize = 200;

/// Prints a line to standard output; `false` when nobody reads it any more (a closed pipe).
pub(crate) fn say(line: &str) -> bool {
    let line = harmless(line);
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
pub(crate) fn document(value: &Value) {
    say(&serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string()));
}

/// Whether progress may be drawn.
pub(crate) fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Prints rows under their heads; columns whose index is in `numbers` are aligned to the right.
pub(crate) fn table(heads: &[&str], numbers: &[usize], rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_style(TableComponent::HeaderLines, '─').set_header(heads.to_vec());
    for row in rows {
        table.add_row(
            row.into_iter().map(|cell| cell.replace(char::is_control, "\u{fffd}")).collect::<Vec<_>>(),
        );
    }
    for &column in numbers {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    say(&table.to_string());
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
