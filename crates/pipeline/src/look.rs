//! Whether a run may look at the account's brokerage, decided before anything else of it begins.
//!
//! A refused login is not tried again until the secrets change, and a brokerage that fails is left alone by the whole
//! fleet; then the step is skipped with its reason and the rest of the sync goes on. Only waiting for a turn under the
//! brokerage's rate limits sends the whole job away, before it has begun.

use std::time::Duration;

use brokerage::{BrokerageError, Gate, Kind, Scope};
use cache::{Allowance, Cache, Errand, Window};
use chrono::{DateTime, Utc};
use storage::{BrokerageAccount, StorageError};
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::client::{Client, open_client};
use crate::sync::Pipeline;
use crate::{SyncJob, chain};

/// What a request may take longer than another one from its grant to the brokerage's counter: so much longer than the
/// brokerage's own are our windows.
const SLACK: Duration = Duration::from_millis(250);

/// A turn that is no further away is waited for: going back and coming again takes as long.
const NEAR: Duration = Duration::from_secs(2);

/// What becomes of the look.
pub(crate) enum Look {
    /// The job does not ask for it.
    NotDue,
    /// The account has no brokerage.
    NoBrokerage,
    /// Not now, and why.
    Skipped {
        /// In words.
        reason: String,
        /// For metrics.
        outcome: &'static str,
        /// The brokerage.
        kind: Kind,
    },
    /// It cannot be done, and why.
    Failed(String),
    /// The whole job is to come back after so long: the brokerage's rate limits have no room now.
    Wait(Duration),
    /// It may begin.
    Ready(Box<Opened>),
}

/// A look that may begin.
pub(crate) struct Opened {
    pub(crate) client: Client,
    /// The login was refused before, with other secrets.
    pub(crate) was_refused: bool,
    /// The name of the brokerage's breaker.
    pub(crate) breaker: String,
    /// What its requests spend.
    pub(crate) allowance: Allowance,
}

/// Decides about the look of a job that is about to begin at `now`.
///
/// # Errors
/// PostgreSQL does not say which brokerage it is.
pub(crate) async fn prepare(
    pipeline: &Pipeline,
    job: &SyncJob,
    now: DateTime<Utc>,
) -> Result<Look, StorageError> {
    if !job.check_external {
        return Ok(Look::NotDue);
    }
    let Some(entry) = pipeline.storage.brokerage_account(&job.account).await? else {
        return Ok(Look::NoBrokerage);
    };
    let http = match &pipeline.http {
        Ok(http) => Some(http),
        Err(error) => {
            warn!("no HTTP client: {error}");
            None
        }
    };
    let (cache, who) = (pipeline.cache.clone(), pipeline.settings.worker.clone());
    let gate = |kind: Kind, key_digest: &str| gate(cache, allowance("send", kind, key_digest, &entry), who);
    let client = match open_client(&entry, http, &pipeline.environment, gate).await {
        Ok(client) => client,
        Err(error) => return Ok(Look::Failed(chain(&error))),
    };
    let kind = client.kind;
    if let Some(refused) = entry.refused.as_ref().filter(|refused| refused.digest == client.login_digest) {
        let reason = format!(
            "login needed at {}: {} (refused since {}, not tried again until the secret changes)",
            kind.as_str(),
            refused.message,
            refused.at.format("%Y-%m-%d %H:%M UTC")
        );
        return Ok(Look::Skipped { reason, outcome: "login_needed", kind });
    }
    let opened = Opened {
        was_refused: entry.refused.is_some(),
        breaker: format!("{} {}", kind.as_str(), entry.base_url),
        allowance: allowance("look", kind, &client.key_digest, &entry),
        client,
    };
    admit(pipeline, job, opened, now).await
}

/// The breaker first: behind an open one nobody should wait for a turn.
async fn admit(
    pipeline: &Pipeline,
    job: &SyncJob,
    opened: Opened,
    now: DateTime<Utc>,
) -> Result<Look, StorageError> {
    let kind = opened.client.kind;
    match pipeline.cache.breaker(&opened.breaker).await {
        Ok(None) => {}
        Ok(Some(open)) => {
            let reason = format!(
                "{} failed repeatedly and is left alone for another {} s: {}",
                kind.as_str(),
                open.wait.as_secs().max(1),
                open.error
            );
            return Ok(Look::Skipped { reason, outcome: "breaker_open", kind });
        }
        Err(error) => {
            warn!("the circuit breaker of {} is not known, it is asked: {}", kind.as_str(), chain(&error))
        }
    }
    if opened.allowance.windows.is_empty() {
        return Ok(Look::Ready(Box::new(opened)));
    }
    let wait = wait_for_turn(pipeline, job, &opened, now).await;
    if wait.is_zero() {
        return Ok(Look::Ready(Box::new(opened)));
    }
    if let Err(error) = pipeline.cache.give_probe_back(&opened.breaker).await {
        warn!("the circuit breaker of {} is not known: {}", kind.as_str(), chain(&error));
    }
    let is_too_late = job.expires.is_some_and(|expires| now + wait >= expires);
    if is_too_late {
        let reason = format!(
            "the rate limits of {} have no room before this job expires: the next turn is in {} s",
            kind.as_str(),
            wait.as_secs().max(1)
        );
        return Ok(Look::Skipped { reason, outcome: "rate_limited", kind });
    }
    metrics::counter!("syncfleet_rate_limit_waits_total", "brokerage" => kind.as_str()).increment(1);
    Ok(Look::Wait(wait))
}

/// Zero once all requests of the look are admitted; a turn that is near is waited for here, of a later one it is told how
/// far it is.
async fn wait_for_turn(pipeline: &Pipeline, job: &SyncJob, opened: &Opened, now: DateTime<Utc>) -> Duration {
    let requests = opened.client.kind.capabilities().requests();
    let deadline = Instant::now() + NEAR;
    // What expires before its turn keeps no turn free.
    let longest = job.expires.map(|expires| (expires - now).to_std().unwrap_or_default());
    loop {
        let who = &pipeline.settings.worker;
        let errand = Some(Errand { name: &job.id, longest });
        let wait = pipeline.cache.take(&opened.allowance, requests, errand, who).await.wait;
        if wait.is_zero() || Instant::now() + wait > deadline {
            return wait;
        }
        sleep(wait).await;
    }
}

/// The limits that an account's requests are under. Whole looks are admitted by one log of them, single requests pass by
/// another: what was admitted is sent a little later, and never more at once than the brokerage allows.
fn allowance(stage: &str, kind: Kind, key_digest: &str, entry: &BrokerageAccount) -> Allowance {
    let account = || format!("{}/{}", entry.account.organization_id, entry.account.pseudo_account);
    let windows = kind.limits().iter().map(|limit| Window {
        name: match limit.scope {
            Scope::ApiKey => limit.name.to_owned(),
            Scope::Account => format!("{}:{}", limit.name, account()),
        },
        requests: limit.requests,
        length: limit.window + SLACK,
        is_shared: limit.scope == Scope::ApiKey,
    });
    Allowance {
        group: format!("{}:{key_digest}", kind.as_str()),
        stage: stage.to_owned(),
        windows: windows.collect(),
    }
}

/// Lets each request pass when the limits have room, and gives it up when they have none in time.
fn gate(cache: Cache, allowance: Allowance, who: String) -> Gate {
    if allowance.windows.is_empty() {
        return Gate::open();
    }
    Gate::new(move |within| {
        let (cache, allowance, who) = (cache.clone(), allowance.clone(), who.clone());
        Box::pin(async move {
            let deadline = Instant::now() + within;
            loop {
                let wait = cache.take(&allowance, 1, None, &who).await.wait;
                if wait.is_zero() {
                    return Ok(());
                }
                if Instant::now() + wait >= deadline {
                    return Err(BrokerageError::RateLimited { retry_after: Some(wait) });
                }
                sleep(wait).await;
            }
        })
    })
}
