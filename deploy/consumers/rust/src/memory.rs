//! What was taken already, kept in a file.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Messages that are remembered to know a duplicate by.
const KEPT: usize = if cfg!(test) { 100 } else { 100_000 };

/// One message: a line of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Taken {
    /// Its id, with the status of a sync: a dead letter that is replayed keeps its id, and after `failed` comes how it ended
    /// then.
    pub message: (String, String),
    /// Organization and name.
    pub account: (String, String),
    /// Of a `sync_completed`, if it has one. An external order counts once, however late it comes.
    pub sequence: Option<i64>,
}

/// Appends a line for each message. What the machine had not written to its disk when it lost power is forgotten.
pub struct Memory {
    path: PathBuf,
    file: File,
    lines: usize,
    order: VecDeque<Taken>,
    seen: HashSet<(String, String)>,
    latest: HashMap<(String, String), i64>,
}

impl Memory {
    /// Reads the file, if there is one, and writes it anew without what is too old and without a torn last line.
    pub fn open(path: &Path) -> io::Result<Self> {
        let text = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let mut memory = Self {
            path: path.to_owned(),
            file,
            lines: 0,
            order: VecDeque::new(),
            seen: HashSet::new(),
            latest: HashMap::new(),
        };
        for line in text.split(|byte| *byte == b'\n') {
            if let Ok(taken) = serde_json::from_slice(line) {
                memory.note(taken);
            }
        }
        memory.rewrite()?;
        Ok(memory)
    }

    /// Why a message is no news.
    pub fn no_news(&self, message: &Taken) -> Option<&'static str> {
        if self.seen.contains(&message.message) {
            return Some("duplicate");
        }
        let is_older = message.sequence < self.latest.get(&message.account).copied();
        (message.sequence.is_some() && is_older).then_some("older than what was seen")
    }

    /// Writes it down.
    pub fn remember(&mut self, message: Taken) -> io::Result<()> {
        writeln!(self.file, "{}", serde_json::to_string(&message)?)?;
        self.lines += 1;
        self.note(message);
        if self.lines > 2 * KEPT + self.latest.len() { self.rewrite() } else { Ok(()) }
    }

    fn note(&mut self, message: Taken) {
        if let Some(sequence) = message.sequence {
            let latest = self.latest.entry(message.account.clone()).or_insert(sequence);
            *latest = sequence.max(*latest);
        }
        if message.message.0.is_empty() {
            return;
        }
        self.seen.insert(message.message.clone());
        self.order.push_back(message);
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest.message);
        }
    }

    /// A line for the latest of each account, then the messages; the old file stays until the new one is whole.
    fn rewrite(&mut self) -> io::Result<()> {
        let latest = self.latest.iter().map(|(account, sequence)| Taken {
            message: Default::default(),
            account: account.clone(),
            sequence: Some(*sequence),
        });
        let mut text = String::new();
        self.lines = 0;
        for taken in latest.chain(self.order.iter().cloned()) {
            text += &serde_json::to_string(&taken)?;
            text.push('\n');
            self.lines += 1;
        }
        let new = self.path.with_extension("new");
        fs::write(&new, text)?;
        fs::rename(&new, &self.path)?;
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(id: &str, status: &str, sequence: Option<i64>) -> Taken {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        Taken { message: pair(id, status), account: pair("default", "Raghu"), sequence }
    }

    #[test]
    fn what_was_taken_is_known_after_a_restart_and_a_torn_line_is_not() {
        let folder = std::env::temp_dir().join(format!("consumer-memory-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("memory");
        let mut memory = Memory::open(&path).unwrap();
        memory.remember(taken("1", "failed", None)).unwrap();
        memory.remember(taken("2", "success", Some(7))).unwrap();
        fs::write(&path, [fs::read(&path).unwrap(), b"{\"message\":[\"3\",".to_vec()].concat()).unwrap();
        for _ in 0..2 {
            let memory = Memory::open(&path).unwrap();
            for (message, reason) in [
                (taken("1", "failed", None), Some("duplicate")),
                (taken("2", "success", Some(7)), Some("duplicate")),
                (taken("2", "success", Some(8)), Some("duplicate")),
                (taken("3", "success", Some(6)), Some("older than what was seen")),
                (taken("3", "success", Some(7)), None),
                (taken("3", "", None), None),
                (taken("1", "success", Some(9)), None),
            ] {
                assert_eq!(memory.no_news(&message), reason, "{message:?}");
            }
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn it_keeps_so_many_messages_and_the_latest_of_every_account() {
        let folder = std::env::temp_dir().join(format!("consumer-bounded-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut memory = Memory::open(&folder.join("memory")).unwrap();
        memory.remember(taken("first", "success", Some(7))).unwrap();
        (0..=2 * KEPT).for_each(|id| memory.remember(taken(&id.to_string(), "", None)).unwrap());
        assert!(memory.lines <= KEPT + 1 && memory.order.len() == KEPT && memory.seen.len() == KEPT);
        assert_eq!(memory.no_news(&taken("first", "success", Some(8))), None, "it is long ago");
        assert!(memory.no_news(&taken("other", "success", Some(6))).is_some());
        assert_eq!(Memory::open(&folder.join("memory")).unwrap().latest.len(), 1);
        fs::remove_dir_all(folder).unwrap();
    }
}
