use std::collections::HashSet;

use queue::{DeadLetter, DeadLetters};

use crate::failure::Failure;

/// Which letters a command is about.
#[derive(Debug, clap::Args)]
pub(crate) struct Selection {
    /// Those of these ids, as `dead list` has them
    #[arg(value_name = "ID", required_unless_present_any = ["all", "error"])]
    ids: Vec<String>,
    /// All that there are now
    #[arg(long, conflicts_with_all = ["ids", "error"])]
    all: bool,
    /// Those whose error contains this text
    #[arg(long, value_name = "TEXT", conflicts_with = "ids")]
    error: Option<String>,
}

impl Selection {
    /// The ids of the letters that are meant and there.
    pub(super) fn of(&self, dead: &DeadLetters) -> HashSet<String> {
        let ids: HashSet<&str> = self.ids.iter().map(String::as_str).collect();
        let wanted = |letter: &&DeadLetter| match &self.error {
            Some(text) => letter.error.as_deref().is_some_and(|error| error.contains(text)),
            None => self.all || ids.contains(letter.id.as_str()),
        };
        dead.letters().iter().filter(wanted).map(|letter| letter.id.clone()).collect()
    }

    /// An error that names the ids which no letter has.
    pub(super) fn check(&self, found: &HashSet<String>) -> Result<(), Failure> {
        let unknown: Vec<&str> =
            self.ids.iter().map(String::as_str).filter(|id| !found.contains(*id)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        Err(Failure::operation(format!("no dead letter has the id {}", unknown.join(", "))))
    }
}
