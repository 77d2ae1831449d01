//! A sync key by key: in a Cluster, where the keys of an account share no slot, and for an account too
//! large for one transaction.
//!
//! 1. `GET` the snapshot record: newer than ours → stale.
//! 2. Same digest → `EXPIRE` of all keys, then 5. An `EXPIRE` that answers 0 names a key that is gone:
//!    continue with 3.
//! 3. *Claim*: clear the record's digest, so that a sync that dies halfway is followed by one that writes
//!    everything, and add our derived keys to its list, so that none is ever forgotten. Begin again when
//!    the record is no longer the one of 1.
//! 4. `SETEX` of all keys, `DEL` of what no longer applies.
//! 5. *Place*: last the record, which gives readers the new version.
//!
//! One sync of an account at a time is the rule, kept by the lease that gives out the versions. When a
//! run that lost its lease still writes, claim and place notice: an older version never replaces a newer
//! one, and a possible mix is written again by the next sync.

use redis::{Cmd, RedisError, RedisResult, ToRedisArgs, Value};

use crate::CacheError;
use crate::error::said;
use crate::layout::Layout;
use crate::link::Link;
use crate::mark::Mark;
use crate::text::Text;

/// Keys that no sync refreshed for a day are gone: readers had better find nothing than something old.
pub(crate) const TTL_SECONDS: u64 = 86_400;

/// How often a sync begins again because of another. Two at a time are already an exception.
pub(crate) const ATTEMPTS_MAX: usize = 5;

/// What errors say was being done.
pub(crate) const DOING: &str = "storing a snapshot";

const CLAIM: &str = include_str!("claim.lua");
const PLACE: &str = include_str!("place.lua");

/// What is to be written, and the record of it.
pub(crate) struct Plan {
    pub(crate) layout: Layout,
    pub(crate) mark: Mark,
    /// Every key is written, whatever the stored record says.
    pub(crate) is_forced: bool,
}

impl Plan {
    pub(crate) fn refuse_if_older_than(&self, stored: Option<&Mark>) -> Result<(), CacheError> {
        match stored {
            Some(stored) if stored.version > self.mark.version => {
                Err(CacheError::Stale { stored: stored.version, offered: self.mark.version })
            }
            _ => Ok(()),
        }
    }
}

/// The record while keys are being changed for the sync `version`: still the stored version, vouching for nothing.
pub(crate) fn claimed(stored: &Mark, version: i64, derived: &[String]) -> Mark {
    let mut keys = [&stored.keys[..], derived].concat();
    keys.sort_unstable();
    keys.dedup();
    Mark { digest: String::new(), writing: Some(version), keys, ..stored.clone() }
}

/// Writes the plan; answers whether nothing had changed.
pub(crate) async fn write(link: &mut Link, plan: &Plan) -> Result<bool, CacheError> {
    let failed = |error: RedisError| CacheError::redis(DOING, error);
    let mark_key = &plan.layout.mark_key;
    for _ in 0..ATTEMPTS_MAX {
        let text = read(link, mark_key).await.map_err(failed)?;
        let stored = if text.is_empty() { None } else { Mark::parse(&text) };
        plan.refuse_if_older_than(stored.as_ref())?;
        let same = stored.as_ref().is_some_and(|mark| mark.digest == plan.layout.digest);
        if !plan.is_forced && same && refresh(link, &plan.layout).await.map_err(failed)? {
            place(link, mark_key, &plan.mark, &text).await?;
            return Ok(true);
        }
        let Some(stored) = stored else {
            rewrite(link, &plan.layout, &[]).await.map_err(failed)?;
            place(link, mark_key, &plan.mark, &text).await?;
            return Ok(false);
        };
        let claimed = claimed(&stored, plan.mark.version, &plan.layout.derived).json();
        if claim(link, mark_key, &text, &claimed).await.map_err(failed)? {
            rewrite(link, &plan.layout, &stored.keys).await.map_err(failed)?;
            place(link, mark_key, &plan.mark, claimed.as_bytes()).await?;
            return Ok(false);
        }
    }
    Err(contended())
}

/// Another sync came in between every time.
pub(crate) fn contended() -> CacheError {
    let source = said("other syncs of the account kept coming in between");
    CacheError::Unavailable { doing: DOING, source }
}

/// The record's text, empty where there is none.
pub(crate) async fn read(link: &mut Link, key: &str) -> RedisResult<Vec<u8>> {
    let text: Option<Vec<u8>> = link.one(&command("GET", key)).await?;
    Ok(text.unwrap_or_default())
}

/// Whether all keys were there.
async fn refresh(link: &mut Link, layout: &Layout) -> RedisResult<bool> {
    let expire = |(key, _): &(String, Text)| {
        let mut expire = command("EXPIRE", key);
        expire.arg(TTL_SECONDS);
        expire
    };
    let answers = link.many(Box::new(layout.entries.iter().map(expire))).await?;
    Ok(answers.iter().all(|answer| *answer == Value::Int(1)))
}

async fn rewrite(link: &mut Link, layout: &Layout, earlier: &[String]) -> RedisResult<()> {
    link.many(Box::new(layout.entries.iter().map(|(key, value)| set(key, value)))).await?;
    let leftovers = layout.leftovers(earlier);
    link.many(Box::new(leftovers.iter().map(|key| command("DEL", key)))).await?;
    Ok(())
}

/// Whether the record was still `expected`.
pub(crate) async fn claim(
    link: &mut Link,
    mark_key: &str,
    expected: &[u8],
    claimed: &str,
) -> RedisResult<bool> {
    let mut eval = script(CLAIM, mark_key, expected);
    eval.arg(TTL_SECONDS).arg(claimed);
    link.one(&eval).await
}

/// Puts the new record in the place of the `expected` one.
pub(crate) async fn place(
    link: &mut Link,
    mark_key: &str,
    mark: &Mark,
    expected: &[u8],
) -> Result<(), CacheError> {
    let mut eval = script(PLACE, mark_key, expected);
    eval.arg(TTL_SECONDS).arg(mark.json()).arg(mark.version);
    let newer: RedisResult<Option<i64>> = link.one(&eval).await;
    match newer.map_err(|error| CacheError::redis(DOING, error))? {
        None => Ok(()),
        Some(stored) => Err(CacheError::Stale { stored, offered: mark.version }),
    }
}

fn script(text: &str, mark_key: &str, expected: &[u8]) -> Cmd {
    let mut eval = redis::cmd("EVAL");
    eval.arg(text).arg(1).arg(mark_key).arg(expected);
    eval
}

/// Sets a key for as long as keys live.
pub(crate) fn set(key: &str, value: impl ToRedisArgs) -> Cmd {
    let mut set = command("SETEX", key);
    set.arg(TTL_SECONDS).arg(value);
    set
}

/// A command for one key.
pub(crate) fn command(name: &str, key: &str) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(key);
    command
}
