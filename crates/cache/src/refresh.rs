//! Syncs with nothing new on single Redis: two round trips for all that come at the same time. In a Cluster each account's keys
//! are spread over the servers, and what comes at the same time shares their connections anyway.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use coalesce::Coalescer;

use crate::CacheError;
use crate::cache::Shared;
use crate::going_on;
use crate::link::Link;
use crate::mark::Mark;
use crate::snapshot::Stamp;
use crate::stepwise::DOING;

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
    Coalescer::fallible(move |refreshes: Vec<Refresh>| {
        let shared = Arc::clone(&shared);
        async move {
            let refresh = async |link: &mut Link| going_on::refresh(link, &refreshes).await;
            shared.with_link(DOING, refresh).await
        }
    })
}
