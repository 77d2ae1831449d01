use std::io::{self, BufRead as _, IsTerminal as _};
use std::thread;

use serde_json::json;
use service::exit;
use tokio::sync::oneshot;

use super::open;
use super::selection::Selection;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output;
use crate::servers::Servers;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Deletes letters, after asking.
pub(super) async fn run(arguments: &Arguments, servers: &Servers, json: bool) -> Result<i32, Failure> {
    if !arguments.yes && !io::stdin().is_terminal() {
        return Err(Failure::usage(
            "dead letters are deleted for good, and there is no terminal to ask at: say --yes",
        ));
    }
    let interrupt = Interrupt::listen();
    let mut dead = interrupt.or("nothing was deleted", open(servers)).await?;
    let wanted = arguments.selection.of(&dead);
    if !arguments.yes && !wanted.is_empty() {
        let is_confirmed = tokio::select! {
            is_confirmed = confirmed(wanted.len()) => Some(is_confirmed),
            () = interrupt.typed() => None,
        };
        if is_confirmed != Some(true) {
            dead.close().await?;
            return Err(match is_confirmed {
                Some(_) => Failure::operation("nothing was deleted"),
                None => Failure::interrupted("nothing was deleted"),
            });
        }
    }
    let purged = dead.purge(&wanted).await;
    let closed = dead.close().await;
    let purged = purged?;
    if json {
        output::document(&json!({"purged": purged}));
    } else {
        output::say(&format!("{} deleted", purged.len()));
    }
    closed?;
    arguments.selection.check(&wanted)?;
    Ok(exit::DONE)
}

/// Asks on the terminal. The letters are held meanwhile, so those counted are those deleted.
async fn confirmed(count: usize) -> bool {
    let letters = if count == 1 { "letter" } else { "letters" };
    output::ask(&format!("Delete {count} dead {letters}? [y/N] "));
    let (answer, answered) = oneshot::channel();
    // A thread of its own: nobody waits for it when the command is interrupted.
    thread::spawn(move || {
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line);
        let _ = answer.send(read.is_ok() && matches!(line.trim(), "y" | "Y" | "yes"));
    });
    answered.await.unwrap_or(false)
}
