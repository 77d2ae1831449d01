//! Syncs with nothing new on single Redis: two round trips for all that come at the same time. In a Cluster each account's keys
//! are spread over the servers, and what comes at the same time shares their connections anyway.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use coalesce::Coalescer;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::CacheError;
use crate::cache::Shared;
use crate::going_on;
use crate::link::Link;
use crate::mark::Mark;
use crate::snapshot::Stamp;
use crate::stepwise::DOING;

/// A connection that was in use so shortly before is used again without a look.
const FRESH: Duration = Duration::from_secs(1);

/// Answers each with its new record; `None` where the keys are not those of the sync it says.
pub(crate) type Refreshing = Coalescer<Refresh, Result<Option<Mark>, CacheError>>;

/// A sync with nothing new: the keys of the one before live on under its version.
pub(crate) struct Refresh {
    organization_id: String,
    pseudo_account: String,
    sequence: i64,
    at: DateTime<Utc>,
    /// The version of the one before.
    pub(crate) since: i64,
}

impl Refresh {
    pub(crate) fn new(stamp: Stamp<'_>, since: i64) -> Self {
        let Stamp { organization_id, pseudo_account, sequence, at } = stamp;
        let (organization_id, pseudo_account) = (organization_id.to_owned(), pseudo_account.to_owned());
        Self { organization_id, pseudo_account, sequence, at, since }
    }

    pub(crate) fn stamp(&self) -> Stamp<'_> {
        let Self { organization_id, pseudo_account, sequence, at, .. } = self;
        Stamp { organization_id, pseudo_account, sequence: *sequence, at: *at }
    }
}

/// Does so on connections of `shared`.
pub(crate) fn refreshing(shared: Arc<Shared>) -> Refreshing {
    let kept = Arc::new(Mutex::new(Kept::default()));
    Coalescer::new(move |refreshes: Vec<Refresh>| {
        let (shared, kept) = (Arc::clone(&shared), Arc::clone(&kept));
        async move {
            match refresh(&shared, &mut *kept.lock().await, &refreshes).await {
                Ok(marks) => marks.into_iter().map(Ok).collect(),
                Err(error) => refreshes.iter().map(|_| Err(error.clone())).collect(),
            }
        }
    })
}

/// A connection since its last use: to try it each time would be a round trip of three.
#[derive(Default)]
struct Kept(Option<(Link, Instant)>);

impl Kept {
    /// While it is fresh; else it goes back to the pool.
    fn take(&mut self) -> Option<Link> {
        self.0.take().filter(|(_, used)| used.elapsed() < FRESH).map(|(link, _)| link)
    }
}

async fn refresh(
    shared: &Shared,
    kept: &mut Kept,
    refreshes: &[Refresh],
) -> Result<Vec<Option<Mark>>, CacheError> {
    let deadline = Instant::now() + shared.timeout;
    let mut fresh = kept.take();
    loop {
        let is_new = fresh.is_none();
        let mut link = match fresh.take() {
            Some(link) => link,
            None => shared.link(deadline, DOING).await?,
        };
        match shared.until(deadline, DOING, going_on::refresh(&mut link, refreshes)).await {
            Ok(marks) => {
                *kept = Kept(Some((link, Instant::now())));
                return Ok(marks);
            }
            // The server may have been started anew since.
            Err(error @ CacheError::Unavailable { .. }) if !is_new => {
                drop(shared.give_back(link, Err::<(), _>(error)));
            }
            Err(error) => return shared.give_back(link, Err(error)),
        }
    }
}
