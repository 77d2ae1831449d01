//! A sync that goes on from the one before: the record is read, and if it is the one that the caller knows, its keys are
//! changed where something is new. On single Redis that is one step; in a Cluster key by key, under the rules of
//! [`stepwise`](crate::stepwise).

use redis::{Cmd, RedisError, RedisResult, Value};

use crate::CacheError;
use crate::addition::Addition;
use crate::link::Link;
use crate::mark::Mark;
use crate::stepwise::{self, DOING, TTL_SECONDS};

const GO_ON: &str = include_str!("go_on.lua");
const EXTEND: &str = include_str!("extend.lua");

/// Answers what is stored then; `None` when the keys are not those of the sync `since`, or nothing can be added to them:
/// they must be written anew.
pub(crate) async fn write(
    link: &mut Link,
    mark_key: &str,
    since: i64,
    add: impl FnOnce(&Mark) -> Option<Addition>,
) -> Result<Option<Mark>, CacheError> {
    let failed = |error: RedisError| CacheError::redis(DOING, error);
    let text = stepwise::read(link, mark_key).await.map_err(failed)?;
    let stored = if text.is_empty() { None } else { Mark::parse(&text) };
    let Some(stored) = stored.filter(|mark| mark.version == since) else { return Ok(None) };
    let Some(addition) = add(&stored) else { return Ok(None) };
    let is_done = match link {
        Link::Single(_) => at_once(link, mark_key, &text, &addition).await.map_err(failed)?,
        Link::Cluster { .. } => key_by_key(link, mark_key, &text, &stored, &addition).await?,
    };
    Ok(is_done.then_some(addition.mark))
}

async fn at_once(link: &mut Link, mark_key: &str, stored: &[u8], addition: &Addition) -> RedisResult<bool> {
    let Addition { lists, kept, set, gone, mark } = addition;
    let mut eval = redis::cmd("EVAL");
    eval.arg(GO_ON).arg(1 + lists.len() + kept.len() + set.len() + gone.len()).arg(mark_key);
    eval.arg(lists.iter().map(|(key, ..)| key).collect::<Vec<_>>()).arg(kept);
    eval.arg(set.iter().map(|(key, _)| key).collect::<Vec<_>>()).arg(gone);
    eval.arg(stored).arg(TTL_SECONDS).arg(lists.len()).arg(kept.len()).arg(set.len()).arg(mark.json());
    for (_, bytes, tail) in lists {
        eval.arg(bytes).arg(tail);
    }
    for (_, value) in set {
        eval.arg(value);
    }
    link.one(&eval).await
}

async fn key_by_key(
    link: &mut Link,
    mark_key: &str,
    text: &[u8],
    stored: &Mark,
    addition: &Addition,
) -> Result<bool, CacheError> {
    let failed = |error: RedisError| CacheError::redis(DOING, error);
    let Addition { lists, kept, set, gone, mark } = addition;
    let claimed = stepwise::claimed(stored, mark.version, &mark.keys).json();
    let before = if addition.is_nothing() { text } else { claimed.as_bytes() };
    if !addition.is_nothing() && !stepwise::claim(link, mark_key, text, &claimed).await.map_err(failed)? {
        return Ok(false);
    }
    let extend = lists.iter().map(|(key, bytes, tail)| {
        let mut eval = redis::cmd("EVAL");
        eval.arg(EXTEND).arg(1).arg(key).arg(bytes).arg(tail).arg(TTL_SECONDS);
        eval
    });
    let expire = kept.iter().map(|key| expire(key));
    let answers = link.many(Box::new(extend.chain(expire))).await.map_err(failed)?;
    if answers.iter().any(|answer| *answer != Value::Int(1)) {
        return Ok(false);
    }
    let set = set.iter().map(|(key, value)| stepwise::set(key, value));
    let delete = gone.iter().map(|key| stepwise::command("DEL", key));
    link.many(Box::new(set.chain(delete))).await.map_err(failed)?;
    stepwise::place(link, mark_key, mark, before).await?;
    Ok(true)
}

fn expire(key: &str) -> Cmd {
    let mut expire = stepwise::command("EXPIRE", key);
    expire.arg(TTL_SECONDS);
    expire
}
