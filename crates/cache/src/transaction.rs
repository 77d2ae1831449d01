//! A sync as one transaction on single Redis: readers see the sync before or this one, never a mix.
//!
//! 1. `WATCH` and `GET` the snapshot record: newer than ours → stale.
//! 2. Same digest → `MULTI`, `EXPIRE` of all keys, `SETEX` of the record, `EXEC`. An `EXPIRE` that
//!    answers 0 names a key that is gone: continue with 3.
//! 3. `MULTI`, `SETEX` of all keys, `DEL` of what no longer applies, `SETEX` of the record, `EXEC`.
//!
//! When another sync sets the record between 1 and `EXEC`, nothing happens and it begins again at 1.

use std::iter;

use deadpool_redis::Connection;
use redis::{Pipeline, RedisError, RedisResult, Value};

use crate::CacheError;
use crate::layout::Layout;
use crate::link::pipelined;
use crate::mark::Mark;
use crate::stepwise::{self, ATTEMPTS_MAX, DOING, Plan, TTL_SECONDS, set};

/// The largest account written in one transaction. Redis holds all of it in memory until `EXEC` and
/// answers nobody else while it executes: some milliseconds at this size.
pub(crate) const BYTES_MAX: usize = 8 * 1024 * 1024;

/// Writes the plan; answers whether nothing had changed.
pub(crate) async fn write(connection: &mut Connection, plan: &Plan) -> Result<bool, CacheError> {
    let failed = |error: RedisError| CacheError::redis(DOING, error);
    let mut incomplete = plan.is_forced;
    for _ in 0..ATTEMPTS_MAX {
        let stored = watch(connection, &plan.layout.mark_key).await.map_err(failed)?;
        plan.refuse_if_older_than(stored.as_ref())?;
        let same = stored.as_ref().is_some_and(|mark| mark.digest == plan.layout.digest);
        if same && !incomplete {
            match refresh(connection, plan).await.map_err(failed)? {
                Some(true) => return Ok(true),
                Some(false) => incomplete = true,
                None => {}
            }
            continue;
        }
        let earlier = stored.map(|mark| mark.keys).unwrap_or_default();
        if rewrite(connection, plan, &earlier).await.map_err(failed)? {
            return Ok(false);
        }
    }
    Err(stepwise::contended())
}

async fn watch(connection: &mut Connection, key: &str) -> RedisResult<Option<Mark>> {
    let (text,): (Option<Vec<u8>>,) =
        Pipeline::new().cmd("WATCH").arg(key).ignore().cmd("GET").arg(key).query_async(connection).await?;
    Ok(text.and_then(|text| Mark::parse(&text)))
}

/// Whether all keys were there, or `None` when the transaction did not take place.
async fn refresh(connection: &mut Connection, plan: &Plan) -> RedisResult<Option<bool>> {
    let mut pipeline = Pipeline::new();
    pipeline.atomic();
    for (key, _) in &plan.layout.entries {
        pipeline.cmd("EXPIRE").arg(key).arg(TTL_SECONDS);
    }
    pipeline.add_command(set(&plan.layout.mark_key, plan.mark.json())).ignore();
    let answers: Option<Vec<i64>> = pipeline.query_async(connection).await?;
    Ok(answers.map(|answers| answers.iter().all(|answer| *answer == 1)))
}

/// Whether the transaction took place. Its commands go out in batches; Redis executes none of them before `EXEC`, and none at all
/// when the connection ends before.
async fn rewrite(connection: &mut Connection, plan: &Plan, earlier: &[String]) -> RedisResult<bool> {
    let Layout { entries, mark_key, .. } = &plan.layout;
    let leftovers = plan.layout.leftovers(earlier);
    let delete = (!leftovers.is_empty()).then(|| {
        let mut delete = redis::cmd("DEL");
        delete.arg(leftovers);
        delete
    });
    let commands = iter::once(redis::cmd("MULTI"))
        .chain(entries.iter().map(|(key, value)| set(key, value)))
        .chain(delete)
        .chain([set(mark_key, plan.mark.json()), redis::cmd("EXEC")]);
    let answers = pipelined(connection, Box::new(commands)).await?;
    Ok(answers.last().is_some_and(|executed| *executed != Value::Nil))
}
