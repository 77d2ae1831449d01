use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

/// As many, and for as long, as a Celery worker remembers.
const IDS_MAX: usize = 50_000;
const KEPT: Duration = Duration::from_secs(3 * 3600);

/// Ids of tasks that must not run. Bounded: the oldest are forgotten.
#[derive(Debug, Default)]
pub(crate) struct Revoked {
    ids: HashSet<String>,
    /// The same in the order in which they came.
    order: VecDeque<(Instant, String)>,
}

impl Revoked {
    /// Remembers an id; one that is known already keeps its time.
    pub(crate) fn add(&mut self, id: &str, now: Instant) {
        self.forget(now);
        if self.ids.insert(id.to_owned()) {
            self.order.push_back((now, id.to_owned()));
            if self.order.len() > IDS_MAX {
                self.drop_oldest();
            }
        }
    }

    /// Whether the id must not run.
    pub(crate) fn contains(&mut self, id: &str, now: Instant) -> bool {
        self.forget(now);
        self.ids.contains(id)
    }

    /// All, the oldest first.
    pub(crate) fn list(&mut self, now: Instant) -> Vec<String> {
        self.forget(now);
        self.order.iter().map(|(_, id)| id.clone()).collect()
    }

    fn forget(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(since, _)| now.duration_since(*since) > KEPT) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, id)) = self.order.pop_front() {
            self.ids.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_remembered_for_three_hours() {
        let (mut revoked, now) = (Revoked::default(), Instant::now());
        revoked.add("a", now);
        assert!(revoked.contains("a", now + KEPT) && !revoked.contains("b", now));
        assert!(!revoked.contains("a", now + KEPT + Duration::from_secs(1)));
        assert!(revoked.list(now + KEPT + Duration::from_secs(1)).is_empty());
    }

    #[test]
    fn the_oldest_are_forgotten_beyond_the_bound() {
        let (mut revoked, now) = (Revoked::default(), Instant::now());
        for number in 0..=IDS_MAX {
            revoked.add(&number.to_string(), now);
        }
        assert!(!revoked.contains("0", now) && revoked.contains("1", now));
        assert_eq!(revoked.list(now).len(), IDS_MAX);
    }
}
