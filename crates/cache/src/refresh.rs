use chrono::{DateTime, Utc};

use crate::snapshot::Stamp;

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
