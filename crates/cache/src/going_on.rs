//! A sync that goes on from the one before: the record is read, and if it is the one that the caller knows, its keys are
//! changed where something is new. On single Redis that is one step; in a Cluster key by key, under the rules of
//! [`stepwise`](crate::stepwise).

use redis::{Cmd, RedisError, Value};

use crate::CacheError;
use crate::addition::Addition;
use crate::link::Link;
use crate::mark::Mark;
use crate::refresh::Refresh;
use crate::snapshot::Stamp;
use crate::stepwise::{self, DOING, TTL_SECONDS};

const GO_ON: &str = include_str!("go_on.lua");
const EXTEND: &str = include_str!("extend.lua");
const RENEW: &str = include_str!("renew.lua");

/// Answers what is stored then, which may be there already: the answer to a try before may have been lost, or was an error of
/// another account. `None` when the keys are not those of the sync `since`, or nothing can be added to them: they must be
/// written anew.
pub(crate) async fn write(
    link: &mut Link,
    stamp: &Stamp<'_>,
    since: i64,
    add: impl FnOnce(&Mark) -> Option<Addition>,
) -> Result<Option<Mark>, CacheError> {
    let failed = |error: RedisError| CacheError::redis(DOING, error);
    let mark_key = &stamp.mark_key();
    let text = stepwise::read(link, mark_key).await.map_err(failed)?;
    let stored = if text.is_empty() { None } else { Mark::parse(&text) };
    let stored = match stored {
        Some(stored) if stored.version == since => stored,
        Some(stored) if stored.is_of(stamp) && stored.is_whole() => return Ok(Some(stored)),
        _ => return Ok(None),
    };
    let Some(addition) = add(&stored) else { return Ok(None) };
    let is_done = match link {
        Link::Single(_) => link.one(&at_once(mark_key, &text, &addition)).await.map_err(failed)?,
        Link::Cluster { .. } => key_by_key(link, mark_key, &text, &stored, &addition).await?,
    };
    Ok(is_done.then_some(addition.mark))
}

/// Several syncs with nothing new: their records in one round trip, their lifetimes in another. Answers the new record of
/// each; `None` where the keys are not those of the sync it says. No answer at all where each account has keys on several servers.
pub(crate) async fn refresh(link: &mut Link, refreshes: &[Refresh]) -> Result<Vec<Option<Mark>>, CacheError> {
    let failed = |error: RedisError| CacheError::redis(DOING, error);
    if let Link::Cluster { .. } = link {
        return Ok(Vec::new());
    }
    let keys: Vec<String> = refreshes.iter().map(|refresh| refresh.stamp().mark_key()).collect();
    let texts = link.many(Box::new(keys.iter().map(|key| stepwise::command("GET", key)))).await;
    let mut additions = Vec::new();
    for (n, (refresh, text)) in refreshes.iter().zip(texts.map_err(failed)?).enumerate() {
        let Value::BulkString(text) = text else { continue };
        let Some(stored) = Mark::parse(&text).filter(|mark| mark.version == refresh.since) else { continue };
        if let Some(addition) = Addition::nothing(&stored, &refresh.stamp()) {
            let before = Some(stored.head()).filter(|head| text.starts_with(head.as_bytes()));
            additions.push((n, text, before, addition));
        }
    }
    let evals = additions.iter().map(|(n, text, before, addition)| {
        let renewed = before.as_deref().and_then(|before| renewed(&keys[*n], before, addition));
        renewed.unwrap_or_else(|| at_once(&keys[*n], text, addition))
    });
    let answers = link.many(Box::new(evals)).await.map_err(failed)?;
    let mut marks: Vec<Option<Mark>> = refreshes.iter().map(|_| None).collect();
    for ((n, .., addition), answer) in additions.into_iter().zip(answers) {
        marks[n] = (answer == Value::Int(1)).then_some(addition.mark);
    }
    Ok(marks)
}

/// The command that does it in one step; it answers whether it did.
fn at_once(mark_key: &str, stored: &[u8], addition: &Addition) -> Cmd {
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
    eval
}

/// The same where nothing is new, by what the record begins with: all of it would be sent three times. `None` where the new one
/// is longer or shorter than what it has `before`.
fn renewed(mark_key: &str, before: &str, addition: &Addition) -> Option<Cmd> {
    let after = Some(addition.mark.head()).filter(|after| after.len() == before.len())?;
    let Addition { lists, kept, .. } = addition;
    let mut eval = redis::cmd("EVAL");
    eval.arg(RENEW).arg(1 + lists.len() + kept.len()).arg(mark_key);
    eval.arg(lists.iter().map(|(key, ..)| key).collect::<Vec<_>>()).arg(kept);
    eval.arg(TTL_SECONDS).arg(lists.len()).arg(before).arg(after);
    eval.arg(lists.iter().map(|(_, bytes, _)| *bytes).collect::<Vec<_>>());
    Some(eval)
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
