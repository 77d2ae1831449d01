use chrono::Utc;
use queue::DeadLetter;
use service::exit;

use super::{cut, group, look, row, short};
use crate::ago::ago_if_any;
use crate::failure::Failure;
use crate::output;
use crate::servers::Servers;

/// The least an error is cut to.
const ERROR_WIDTH_MIN: usize = 24;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// One row for each reason and error, with how many letters have it
    #[arg(long)]
    group: bool,
}

/// Lists the dead letters in the order of their queue.
pub(super) async fn run(arguments: &Arguments, servers: &Servers, json: bool) -> Result<i32, Failure> {
    let letters = look(servers).await?;
    if arguments.group {
        group::print(&letters, json);
    } else if json {
        output::document(&letters.iter().map(row).collect());
    } else if letters.is_empty() {
        output::say("no dead letters");
    } else {
        print(&letters);
    }
    Ok(exit::DONE)
}

fn print(letters: &[DeadLetter]) {
    let now = Utc::now();
    let mut rows: Vec<Vec<String>> = (letters.iter())
        .map(|letter| {
            let row = row(letter);
            let cell = |name: &str| output::cell(&row[name]);
            vec![
                cell("id"),
                letter.task.as_deref().map_or_else(|| "-".to_owned(), |task| short(task).to_owned()),
                cell("account"),
                cell("reason"),
                cell("error"),
                cell("attempts"),
                ago_if_any(letter.last_failed_at, now),
            ]
        })
        .collect();
    let heads = ["id", "task", "account", "reason", "error", "attempts", "last failed"];
    cut_errors(&heads, 4, &mut rows);
    output::table(&heads, &[5], rows);
}

/// Cuts one column so that a row fits into a line of the terminal.
pub(super) fn cut_errors(heads: &[&str], column: usize, rows: &mut [Vec<String>]) {
    let width = |text: &str| text.chars().count();
    let others = (heads.iter().enumerate())
        .filter(|(index, _)| *index != column)
        .map(|(index, head)| rows.iter().map(|row| width(&row[index])).max().unwrap_or(0).max(width(head)))
        .sum::<usize>();
    // Each cell has a blank on either side.
    let left = output::width().saturating_sub(others + 2 * heads.len());
    for row in rows {
        row[column] = cut(&row[column], left.max(ERROR_WIDTH_MIN));
    }
}
