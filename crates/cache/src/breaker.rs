//! A circuit breaker over the whole fleet: after some failures in a row nobody asks for a while, then one probe goes
//! through; its success closes the breaker, its failure opens it again, for longer. Redis's clock decides.

use std::time::Duration;

use redis::{RedisResult, Value};

use crate::cache::Cache;
use crate::error::CacheError;

/// Failures, none a minute after the one before, until it opens.
const FAILURES: u32 = 5;
/// How long it is open first; each time in a row twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(15);
/// How long it is open at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// How long a probe may take before another one is let through: its process may have died.
const PROBE: Duration = Duration::from_secs(15);

const DOING: &str = "a circuit breaker";

/// Why something must not be asked now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Nobody asks for so long.
    pub wait: Duration,
    /// The failure that opened it.
    pub error: String,
}

impl Cache {
    /// Whether `name` may be asked now: `None` if so. After its pause one asker is the probe; the others wait for it.
    ///
    /// # Errors
    /// Redis is away: nobody knows.
    pub async fn breaker(&self, name: &str) -> Result<Option<Open>, CacheError> {
        let mut eval = redis::cmd("EVAL");
        eval.arg(include_str!("breaker_ask.lua")).arg(1).arg(key(name)).arg(PROBE.as_millis());
        let (wait, error): (u64, String) = self
            .with_link(DOING, async |link| {
                let answer: RedisResult<(u64, String)> = link.one(&eval).await;
                answer.map_err(|error| CacheError::redis(DOING, error))
            })
            .await?;
        Ok((wait > 0).then(|| Open { wait: Duration::from_millis(wait), error }))
    }

    /// Lets another asker be the probe: this one did not ask after all. Harmless for one that was none.
    ///
    /// # Errors
    /// Redis is away: the probe's time runs out by itself.
    pub async fn give_probe_back(&self, name: &str) -> Result<(), CacheError> {
        self.forget_answer(redis::cmd("HDEL").arg(key(name)).arg("probe")).await
    }

    /// Notes that `name` failed.
    ///
    /// # Errors
    /// Redis is away: it is not noted.
    pub async fn breaker_failed(&self, name: &str, error: &str) -> Result<(), CacheError> {
        let mut eval = redis::cmd("EVAL");
        eval.arg(include_str!("breaker_failed.lua")).arg(1).arg(key(name)).arg(error).arg(FAILURES);
        eval.arg(FIRST_PAUSE.as_millis()).arg(LONGEST_PAUSE.as_millis());
        self.forget_answer(&eval).await
    }

    /// Notes that `name` answered, and closes its breaker.
    ///
    /// # Errors
    /// Redis is away: it is not noted.
    pub async fn breaker_succeeded(&self, name: &str) -> Result<(), CacheError> {
        self.forget_answer(redis::cmd("DEL").arg(key(name))).await
    }

    async fn forget_answer(&self, command: &redis::Cmd) -> Result<(), CacheError> {
        self.with_link(DOING, async |link| {
            let done: RedisResult<Value> = link.one(command).await;
            done.map(drop).map_err(|error| CacheError::redis(DOING, error))
        })
        .await
    }
}

fn key(name: &str) -> String {
    format!("syncfleet:breaker:{name}")
}
