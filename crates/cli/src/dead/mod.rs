//! Dead letters: jobs that failed to the end, and messages that can never run.

mod group;
mod list;
mod purge;
mod replay;
mod selection;
mod show;

use pipeline::ACCOUNT_SYNC;
use queue::{DeadLetter, DeadLetters};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::instant::rfc3339;
use crate::output;
use crate::servers::Servers;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Every dead letter: what it was, why it ended here and when
    List(list::Arguments),
    /// One dead letter with all its headers and its body
    Show(show::Arguments),
    /// Make dead letters jobs again, in the queues they came from, as if they had just been enqueued
    ///
    /// A letter goes when its job is confirmed, so nothing vanishes. The job keeps its id; if it succeeds, that replaces the
    /// failure it ended with before.
    Replay(selection::Selection),
    /// Delete dead letters for good
    Purge(purge::Arguments),
}

pub(crate) async fn run(command: Command, servers: &Servers, json: bool) -> Result<i32, Failure> {
    match command {
        Command::List(arguments) => list::run(&arguments, servers, json).await,
        Command::Show(arguments) => show::run(&arguments, servers, json).await,
        Command::Replay(selection) => replay::run(&selection, servers, json).await,
        Command::Purge(arguments) => purge::run(&arguments, servers, json).await,
    }
}

async fn open(servers: &Servers) -> Result<DeadLetters, Failure> {
    Ok(DeadLetters::open(&servers.rabbit_urls()?, &servers.client).await?)
}

/// The letters as they are now. Giving them back is RabbitMQ's matter if it cannot be asked to.
async fn look(servers: &Servers) -> Result<Vec<DeadLetter>, Failure> {
    let dead = open(servers).await?;
    let letters = dead.letters().to_vec();
    if let Err(error) = dead.close().await {
        output::complain(&format!("RabbitMQ takes the letters back by itself: {}", pipeline::chain(&error)));
    }
    Ok(letters)
}

fn row(letter: &DeadLetter) -> Value {
    json!({
        "id": letter.id,
        "task": letter.task,
        "organization_id": argument(letter, 0, "organization_id"),
        "account": argument(letter, 1, "pseudo_account"),
        "reason": letter.reason,
        "error": letter.error,
        "attempts": letter.attempts,
        "first_failed_at": letter.first_failed_at.map(rfc3339),
        "last_failed_at": letter.last_failed_at.map(rfc3339),
    })
}

/// An argument of a sync, if it is text.
fn argument<'a>(letter: &'a DeadLetter, position: usize, name: &str) -> Option<&'a str> {
    let by_position =
        letter.args.get(position).filter(|_| letter.task.as_deref().is_none_or(|task| task == ACCOUNT_SYNC));
    by_position.or_else(|| letter.kwargs.get(name))?.as_str()
}

/// The last word of a task's name.
fn short(task: &str) -> &str {
    task.rsplit('.').next().unwrap_or(task)
}

/// One line of text, cut to so many characters.
fn cut(text: &str, width: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= width {
        return line;
    }
    line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_and_is_cut_at_a_character() {
        assert_eq!(cut("a\n  b\tc", 10), "a b c");
        assert_eq!(cut("äöüß", 3), "äö…");
        assert_eq!(cut("äöü", 3), "äöü");
    }
}
