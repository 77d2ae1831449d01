//! How many requests a brokerage allows, kept over the whole fleet.
//!
//! Each limit is a sliding window with a log of its grants in Redis, and one script looks at all of them and at a wait
//! that the brokerage asked for (`allowance.lua`). Redis's clock decides. Away from Redis a process takes its own
//! share: the limit over as many processes as asked of late, evenly spaced.

use std::time::Duration;

use redis::RedisResult;
use tokio::time::{Instant, timeout};

use crate::cache::Cache;
use crate::error::CacheError;

/// How long the script may take: a request that waits for it holds an account.
const LIMIT: Duration = Duration::from_secs(1);
/// After a failure Redis is not asked for this long, so that its absence costs once and not per request.
const AWAY: Duration = Duration::from_secs(5);

/// So many requests in any stretch of this length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// What is limited, such as `key:1s`; part of a Redis key.
    pub name: String,
    /// At most so many.
    pub requests: u32,
    /// In any stretch of this length.
    pub length: Duration,
    /// Everybody of the group spends it; else one account does.
    pub is_shared: bool,
}

/// Limits that are spent together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// Whose limits they are: all that share it share a slot of a Cluster, and what is held back. Never a secret.
    pub group: String,
    /// What is counted, such as whole looks or single requests: each apart.
    pub stage: String,
    /// Each of them must allow a request.
    pub windows: Vec<Window>,
}

/// A wish that queues.
#[derive(Debug, Clone, Copy)]
pub struct Errand<'a> {
    /// By which it is known when it asks again, such as a job's id.
    pub name: &'a str,
    /// A turn that is further away is not taken; `None`: any is.
    pub longest: Option<Duration>,
}

/// The answer to a wish for requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// How long to wait and ask again; zero: granted.
    pub wait: Duration,
    /// Redis was away: the answer is of this process's own share.
    pub is_own_share: bool,
}

/// What one process remembers of an allowance, for when Redis is away.
#[derive(Debug)]
pub(crate) struct OwnShare {
    /// Processes that share the limits, as Redis last said.
    sharing: u32,
    /// When the next request may go.
    next: Instant,
    /// Redis is not asked before.
    away_until: Option<Instant>,
}

impl Cache {
    /// Takes `requests` out of an allowance, or says how long to wait.
    ///
    /// With an errand the wish queues: it is told a turn of its own, and nobody else who queues passes it by; asked again after
    /// its turn it waits for nothing but the windows. Without one, whoever comes first is served first. Never fails: without
    /// Redis the process's own share decides, and nobody queues.
    pub async fn take(
        &self,
        allowance: &Allowance,
        requests: u32,
        errand: Option<Errand<'_>>,
        who: &str,
    ) -> Grant {
        let now = Instant::now();
        if !self.with_share(allowance, now, |share| share.is_away(now)) {
            match timeout(LIMIT, self.take_shared(allowance, requests, errand, who)).await {
                Ok(Ok((wait, sharing))) => {
                    self.with_share(allowance, now, |share| share.heard(sharing));
                    return Grant { wait, is_own_share: false };
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, cause = std::error::Error::source(&error),
                        "rate limits are not shared while Redis is away: this process takes its own share");
                }
                Err(_) => tracing::warn!(
                    "rate limits are not shared while Redis does not answer: this process takes its own share"
                ),
            }
            self.with_share(allowance, now, |share| share.away_until = Some(now + AWAY));
        }
        let now = Instant::now();
        let wait = self.with_share(allowance, now, |share| share.take(&allowance.windows, requests, now));
        Grant { wait, is_own_share: true }
    }

    /// Lets nobody in the fleet take from an allowance for so long: the brokerage asked for it. Away from Redis this
    /// process alone obeys.
    pub async fn hold_back(&self, allowance: &Allowance, pause: Duration) {
        let now = Instant::now();
        self.with_share(allowance, now, |share| share.next = share.next.max(now + pause));
        if let Ok(Err(error)) = timeout(LIMIT, self.hold_back_shared(allowance, pause)).await {
            tracing::warn!(%error, "the fleet was not told to leave the brokerage alone for {pause:?}");
        }
    }

    async fn take_shared(
        &self,
        allowance: &Allowance,
        requests: u32,
        errand: Option<Errand<'_>>,
        who: &str,
    ) -> Result<(Duration, u32), CacheError> {
        const DOING: &str = "a rate limit";
        let mut eval = redis::cmd("EVAL");
        eval.arg(include_str!("allowance.lua")).arg(allowance.windows.len() + 4);
        for window in &allowance.windows {
            eval.arg(allowance.key(&window.name));
        }
        eval.arg(allowance.held());
        for name in ["turns", "queue", "asking"] {
            eval.arg(allowance.key(name));
        }
        // A year is any turn, and a number that a script can hold.
        let longest = errand.and_then(|errand| errand.longest).map_or(31_536_000_000, millis);
        let name = errand.map_or("", |errand| errand.name);
        eval.arg(requests.max(1)).arg(who).arg(name).arg(longest);
        for window in &allowance.windows {
            eval.arg(window.requests.max(1)).arg(millis(window.length)).arg(u8::from(window.is_shared));
        }
        let answer: (u64, u32) = self
            .with_link(DOING, async |link| {
                let answer: RedisResult<(u64, u32)> = link.one(&eval).await;
                answer.map_err(|error| CacheError::redis(DOING, error))
            })
            .await?;
        Ok((Duration::from_millis(answer.0), answer.1))
    }

    async fn hold_back_shared(&self, allowance: &Allowance, pause: Duration) -> Result<(), CacheError> {
        const DOING: &str = "a rate limit";
        let mut eval = redis::cmd("EVAL");
        eval.arg(include_str!("hold_back.lua")).arg(1).arg(allowance.held()).arg(millis(pause));
        self.with_link(DOING, async |link| {
            let done: RedisResult<()> = link.one(&eval).await;
            done.map_err(|error| CacheError::redis(DOING, error))
        })
        .await
    }

    fn with_share<T>(&self, allowance: &Allowance, now: Instant, look: impl FnOnce(&mut OwnShare) -> T) -> T {
        self.with_shares(|shares| {
            // Of a key that Redis was never asked for: as many processes as share any other.
            let sharing = shares.values().map(|share| share.sharing).max().unwrap_or(1);
            let name = format!("{} {}", allowance.group, allowance.stage);
            look(shares.entry(name).or_insert_with(|| OwnShare { sharing, ..OwnShare::new(now) }))
        })
    }
}

impl Allowance {
    fn key(&self, name: &str) -> String {
        format!("syncfleet:rate:{{{}}}:{}:{name}", self.group, self.stage)
    }

    fn held(&self) -> String {
        format!("syncfleet:rate:{{{}}}:held", self.group)
    }
}

impl OwnShare {
    fn new(now: Instant) -> Self {
        Self { sharing: 1, next: now, away_until: None }
    }

    fn is_away(&self, now: Instant) -> bool {
        self.away_until.is_some_and(|until| now < until)
    }

    fn heard(&mut self, sharing: u32) {
        self.sharing = sharing.max(1);
        self.away_until = None;
    }

    /// Zero if the requests may go now; they are then spent.
    fn take(&mut self, windows: &[Window], requests: u32, now: Instant) -> Duration {
        let wait = self.next.saturating_duration_since(now);
        if wait.is_zero() {
            // An account's own windows are far wider than what one of many accounts spends.
            let shared = windows.iter().filter(|window| window.is_shared);
            let pace = shared.map(|window| window.length / window.requests.max(1)).max();
            self.next = now + pace.unwrap_or_default() * requests * self.sharing;
        }
        wait
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_share_is_the_limit_over_all_that_share_it_evenly_spaced() {
        let window = |requests, seconds, is_shared| Window {
            name: "w".to_owned(),
            requests,
            length: Duration::from_secs(seconds),
            is_shared,
        };
        let windows = [window(10, 1, true), window(300, 60, true), window(1, 600, false)];
        let start = Instant::now();
        let mut share = OwnShare::new(start);
        share.heard(3);
        assert_eq!(share.take(&windows, 2, start), Duration::ZERO);
        // The tighter window allows five a second, so two requests of one in three are 1.2 s.
        assert_eq!(share.take(&windows, 2, start), Duration::from_millis(1200));
        assert_eq!(share.take(&windows, 1, start + Duration::from_millis(1200)), Duration::ZERO);
    }

    #[test]
    fn redis_is_left_alone_for_a_while_after_a_failure() {
        let start = Instant::now();
        let mut share = OwnShare::new(start);
        share.away_until = Some(start + AWAY);
        assert!(share.is_away(start) && !share.is_away(start + AWAY));
    }
}
