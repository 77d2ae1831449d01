use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use coalesce::Coalescer;
use ledger::Account;

use crate::bounded::Pool;
use crate::ledger_changes::CHANGES_MAX;
use crate::ledger_reader::ledger_state;
use crate::{Lease, LeaseRequest, LedgerState, StorageError};

/// Leases of accounts that nobody holds, as nearly every job finds its own: one statement for all that ask at the same time.
pub(crate) type FreeAccounts = Coalescer<Asking, Result<Option<Lease>, StorageError>>;

/// What of a [`LeaseRequest`] decides about a free account.
pub(crate) struct Asking {
    account: Account,
    job_id: String,
    worker: String,
    hold: Duration,
    enqueued_at: Option<DateTime<Utc>>,
    force: bool,
    check_external: bool,
}

impl Asking {
    pub(crate) fn of(request: &LeaseRequest<'_>) -> Self {
        Self {
            account: request.account.clone(),
            job_id: request.job_id.to_owned(),
            worker: request.worker.to_owned(),
            hold: request.hold,
            enqueued_at: request.enqueued_at,
            force: request.force,
            check_external: request.check_external,
        }
    }
}

/// Takes them on connections of `pool`. Where the answer is `None`, there is more to decide.
pub(crate) fn free_accounts(pool: Pool, default_organization: Arc<str>) -> FreeAccounts {
    Coalescer::fallible(move |asking: Vec<Asking>| {
        let (pool, default_organization) = (pool.clone(), Arc::clone(&default_organization));
        async move { take(&pool, &default_organization, &asking).await }
    })
}

async fn take(
    pool: &Pool,
    default_organization: &str,
    asking: &[Asking],
) -> Result<Vec<Option<Lease>>, StorageError> {
    let texts = |text: fn(&Asking) -> &String| asking.iter().map(|a| text(a).clone()).collect::<Vec<_>>();
    let taken = sqlx::query_file!(
        "src/take_free_accounts.sql",
        &texts(|asking| &asking.account.organization_id),
        &texts(|asking| &asking.account.pseudo_account),
        &texts(|asking| &asking.job_id),
        &texts(|asking| &asking.worker),
        &asking.iter().map(|asking| asking.hold.as_secs_f64()).collect::<Vec<_>>(),
        &asking.iter().map(|asking| asking.enqueued_at).collect::<Vec<_>>() as &[Option<DateTime<Utc>>],
        &asking.iter().map(|asking| asking.force).collect::<Vec<_>>(),
        &asking.iter().map(|asking| asking.check_external).collect::<Vec<_>>(),
        default_organization,
        CHANGES_MAX as i64 + 1
    )
    .fetch_all(pool)
    .await?;
    let mut leases: Vec<Option<Lease>> = asking.iter().map(|_| None).collect();
    for taken in taken {
        let Some(index) = usize::try_from(taken.number).ok().and_then(|number| number.checked_sub(1)) else {
            continue;
        };
        let (Some(lease), Some(asking)) = (leases.get_mut(index), asking.get(index)) else { continue };
        *lease = Some(Lease {
            account: asking.account.clone(),
            job_id: asking.job_id.clone(),
            fence: taken.fence,
            started_at: taken.started_at,
            last_generation_at: taken.last_generation_at,
            crashes: 0,
            taken: Instant::now(),
            state: Some(Box::new(ledger_state!(taken, BTreeSet::new()))),
        });
    }
    Ok(leases)
}
