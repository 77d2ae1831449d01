use std::collections::BTreeSet;
use std::time::Duration;

use brokerage::{Brokerage, BrokerageError, Reading};
use chrono::{NaiveDate, TimeDelta};
use ledger::{
    Discrepancy, Labels, ReportedHolding, ReportedMargin, ReportedOrder, ReportedPosition, ReportedTrade,
};
use storage::{Lease, StorageError};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::look::{Look, Opened};
use crate::report::{Detected, DetectionReport};
use crate::sync::{LeaseLost, Pipeline};
use crate::{chain, prices, telemetry};

/// How long the brokerage may take in all.
const LIMIT: Duration = Duration::from_secs(10);
/// How long after an order was placed its own system may take to store it: an answer, and a commit.
const GRACE: TimeDelta = TimeDelta::seconds(30);
/// How long the fleet leaves a brokerage alone that counts too many requests and does not say for how long.
const HOLD_BACK: Duration = Duration::from_secs(5);

/// Everything one look asks for. What is `None` the brokerage does not offer, or did not answer.
struct Told {
    orders: Vec<ReportedOrder>,
    trades: Option<Vec<ReportedTrade>>,
    positions: Option<Vec<ReportedPosition>>,
    holdings: Option<Vec<ReportedHolding>>,
    margins: Option<Vec<ReportedMargin>>,
    /// Why something that is offered did not come.
    missing: Vec<String>,
    /// The brokerage counted too many requests in between.
    hold_back: Option<Duration>,
}

/// The brokerage's own positions and holdings, to be compared with what is generated.
pub(crate) struct Counted {
    pub(crate) positions: Option<Vec<ReportedPosition>>,
    pub(crate) holdings: Option<Vec<ReportedHolding>>,
}

/// Orders placed elsewhere: the brokerage's own books are read, compared with what is stored, and taken in. Without the
/// order book the step fails; what else does not come is said, and is no failure of the step.
pub(crate) async fn detect(
    pipeline: &Pipeline,
    lease: &Lease,
    look: Look,
) -> Result<(DetectionReport, Option<Counted>), LeaseLost> {
    let report = match look {
        Look::NotDue | Look::Wait(_) => DetectionReport::Skipped("not due".to_owned()),
        Look::NoBrokerage => DetectionReport::NoBrokerage,
        Look::Failed(error) => DetectionReport::failed(error),
        Look::Skipped { reason, outcome, kind } => {
            count_look(kind.as_str(), outcome);
            DetectionReport::Skipped(reason)
        }
        Look::Ready(opened) => match read_and_take_in(pipeline, lease, &opened).await {
            Ok(looked) => return Ok(looked),
            Err(StorageError::LeaseLost) => return Err(LeaseLost),
            Err(error) => DetectionReport::failed(chain(&error)),
        },
    };
    Ok((report, None))
}

async fn read_and_take_in(
    pipeline: &Pipeline,
    lease: &Lease,
    opened: &Opened,
) -> Result<(DetectionReport, Option<Counted>), StorageError> {
    let told = match read(&*opened.client.brokerage).await {
        Ok(told) => told,
        Err(error) => return Ok((refused(pipeline, lease, opened, error).await?, None)),
    };
    answered(pipeline, lease, opened).await?;
    if let Some(pause) = told.hold_back {
        pipeline.cache.hold_back(&opened.allowance, pause).await;
    }
    for missing in &told.missing {
        let name = opened.client.brokerage.name();
        warn!(account = %lease.account, "{name} did not tell all, what it does not tell stays as it was: {missing}");
    }
    let detected = take_in(pipeline, lease, &told, opened).await?;
    let (positions, holdings) = (told.positions.as_deref(), told.holdings.as_deref());
    prices::take_in(pipeline, lease, positions.unwrap_or_default(), holdings.unwrap_or_default()).await?;
    let counted = Counted { positions: told.positions, holdings: told.holdings };
    Ok((DetectionReport::Completed(Box::new(detected)), Some(counted)))
}

/// Reads one list after the other within the time there is. Trades come after orders, so that they cover them; after a
/// refusal that would meet every further request nothing more is asked.
async fn read(brokerage: &dyn Brokerage) -> Result<Told, BrokerageError> {
    let offers = brokerage.capabilities();
    let deadline = Instant::now() + LIMIT;
    let left = || deadline.saturating_duration_since(Instant::now());
    let mut rest = Rest { name: brokerage.name(), missing: Vec::new(), hold_back: None };
    let orders = counted(brokerage.name(), brokerage.orders(left())).await?;
    let trades = rest.ask(offers.trades, "trades", || brokerage.trades(left())).await;
    let positions = rest.ask(offers.positions, "positions", || brokerage.positions(left())).await;
    let holdings = rest.ask(offers.holdings, "holdings", || brokerage.holdings(left())).await;
    let margins = rest.ask(offers.margins, "margins", || brokerage.margins(left())).await;
    let Rest { missing, hold_back, .. } = rest;
    Ok(Told { orders, trades, positions, holdings, margins, missing, hold_back })
}

/// What comes after the orders, and can be done without.
struct Rest {
    name: &'static str,
    missing: Vec<String>,
    hold_back: Option<Duration>,
}

impl Rest {
    async fn ask<'a, T>(
        &mut self,
        is_offered: bool,
        what: &str,
        read: impl FnOnce() -> Reading<'a, T>,
    ) -> Option<T> {
        if !is_offered {
            return None;
        }
        if self.hold_back.is_some() {
            self.missing.push(format!("{what}: not asked any more"));
            return None;
        }
        match counted(self.name, read()).await {
            Ok(told) => Some(told),
            Err(error) => {
                if let BrokerageError::RateLimited { retry_after } = &error {
                    self.hold_back = Some(retry_after.unwrap_or(HOLD_BACK));
                }
                self.missing.push(format!("{what}: {}", chain(&error)));
                None
            }
        }
    }
}

async fn counted<T>(name: &'static str, reading: Reading<'_, T>) -> Result<T, BrokerageError> {
    let begun = Instant::now();
    let answer = reading.await;
    let outcome = match &answer {
        Ok(_) => "ok",
        Err(BrokerageError::Auth { .. }) => "auth",
        Err(BrokerageError::RateLimited { .. }) => "rate_limited",
        Err(BrokerageError::Transient { .. }) => "transient",
        Err(BrokerageError::Rejected { .. }) => "rejected",
        Err(BrokerageError::Malformed { .. }) => "malformed",
    };
    telemetry::count_request(name, outcome, begun.elapsed());
    answer
}

/// The order book did not come: what that means for others, and what the step says.
async fn refused(
    pipeline: &Pipeline,
    lease: &Lease,
    opened: &Opened,
    error: BrokerageError,
) -> Result<DetectionReport, StorageError> {
    let name = opened.client.brokerage.name();
    count_look(name, if matches!(error, BrokerageError::Auth { .. }) { "login_needed" } else { "failed" });
    let mut retry_after = None;
    let told = match &error {
        BrokerageError::Auth { message } => {
            warn!(account = %lease.account, "login needed at {name}: {message}");
            pipeline.storage.note_login(lease, Some((&opened.client.login_digest, message))).await?;
            let reason = format!("login needed at {name}: {message}");
            return Ok(DetectionReport::Skipped(reason));
        }
        BrokerageError::RateLimited { retry_after: asked } => {
            let pause = asked.unwrap_or(HOLD_BACK);
            retry_after = Some(pause);
            pipeline.cache.hold_back(&opened.allowance, pause).await;
            Ok(())
        }
        BrokerageError::Transient { .. } => {
            pipeline.cache.breaker_failed(&opened.breaker, &chain(&error)).await
        }
        BrokerageError::Rejected { .. } | BrokerageError::Malformed { .. } => {
            pipeline.cache.breaker_succeeded(&opened.breaker).await
        }
    };
    if let Err(away) = told {
        warn!("the circuit breaker of {name} was not told: {}", chain(&away));
    }
    Ok(DetectionReport::Failed { error: chain(&error), retry_after })
}

async fn answered(pipeline: &Pipeline, lease: &Lease, opened: &Opened) -> Result<(), StorageError> {
    let name = opened.client.brokerage.name();
    count_look(name, "completed");
    if let Err(away) = pipeline.cache.breaker_succeeded(&opened.breaker).await {
        warn!("the circuit breaker of {name} was not told: {}", chain(&away));
    }
    if opened.was_refused {
        info!(account = %lease.account, "the login at {name} is good again");
        pipeline.storage.note_login(lease, None).await?;
    }
    Ok(())
}

async fn take_in(
    pipeline: &Pipeline,
    lease: &Lease,
    told: &Told,
    opened: &Opened,
) -> Result<Detected, StorageError> {
    let now = pipeline.storage.now().await?;
    let (orders, mut discrepancies) = storable(&told.orders, now);
    // The day of the look and the one before too: an order without any time is stored under the day it was first seen.
    let days: BTreeSet<NaiveDate> = (orders.iter())
        .flat_map(|order| [order.placed_at, order.exchange_at])
        .flatten()
        .chain([now, now - TimeDelta::days(1)])
        .map(ledger::ist::day_of)
        .collect();
    let days: Vec<NaiveDate> = days.into_iter().collect();
    let known = pipeline.storage.known_orders(&lease.account, &days).await?;
    let is_of_today = opened.client.kind.capabilities().book_of_today_only;
    let has_own_orders = pipeline.storage.has_own_orders(&lease.account).await?;
    let look = ledger::Look { at: now, grace: GRACE, has_own_orders, is_of_today };
    let plan = ledger::plan(&known, &orders, &look);
    let trade_plan = ledger::plan_trades(&known, &orders, &plan, told.trades.as_deref());
    let trades = told.trades.as_deref().unwrap_or_default();
    discrepancies
        .extend(trade_plan.without_order.iter().map(|number| ledger::without_order(&trades[*number])));
    for stale in &plan.stale {
        let order = &orders[*stale];
        debug!(account = %lease.account, order = order.broker_order_id, status = order.status, "older than what is stored");
    }
    let labels = orders.first().map_or_else(Labels::default, |order| order.labels.clone());
    let look = storage::Look {
        orders: &orders,
        plan: &plan,
        trades,
        trade_plan: &trade_plan,
        margins: told.margins.as_deref(),
        labels: &labels,
        is_whole: plan.deferred.is_empty(),
    };
    let changes = pipeline.storage.take_in(lease, &look).await?;
    Ok(Detected {
        orders_updated: changes.updated,
        events_created: changes.events,
        broker_orders: told.orders.len(),
        legs: changes.legs,
        deferred: plan.deferred.len(),
        vanished: plan.vanished.len(),
        missing: told.missing.clone(),
        discrepancies,
    })
}

/// Orders that can be stored, and findings about the others.
fn storable(
    orders: &[ReportedOrder],
    now: chrono::DateTime<chrono::Utc>,
) -> (Vec<ReportedOrder>, Vec<Discrepancy>) {
    let (mut kept, mut findings) = (Vec::new(), Vec::new());
    for order in orders {
        match ledger::fraction(order, now) {
            Some(finding) => findings.push(finding),
            None => kept.push(order.clone()),
        }
    }
    (kept, findings)
}

fn count_look(name: &'static str, outcome: &'static str) {
    metrics::counter!("syncfleet_external_checks_total", "brokerage" => name, "outcome" => outcome)
        .increment(1);
}
