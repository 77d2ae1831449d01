//! Answers that are laid down before the questions come.

use std::collections::{BTreeMap, VecDeque};

use super::Answer;

/// Answers by path: some for the next requests, one for all others.
#[derive(Debug, Default)]
pub(super) struct Script {
    next: BTreeMap<String, VecDeque<Answer>>,
    always: BTreeMap<String, Answer>,
}

impl Script {
    /// Behind those of an earlier call that still wait.
    pub(super) fn next(&mut self, path: &str, answers: Vec<Answer>) {
        self.next.entry(path.into()).or_default().extend(answers);
    }

    pub(super) fn always(&mut self, path: &str, answer: Option<Answer>) {
        match answer {
            Some(answer) => self.always.insert(path.into(), answer),
            None => self.always.remove(path),
        };
    }

    /// The answer for a request to this path, if one is laid down; one of the next ones comes first.
    pub(super) fn take(&mut self, path: &str) -> Option<Answer> {
        let next = self.next.get_mut(path).and_then(VecDeque::pop_front);
        next.or_else(|| self.always.get(path).cloned())
    }
}
