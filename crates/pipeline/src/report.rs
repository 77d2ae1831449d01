use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use ledger::{Account, Discrepancy};
use serde::Serialize;
use serde_json::{Value, json};
use storage::{FINDINGS_MAX, StoredRows};

/// What does not agree with a brokerage, as far as it is told: nobody else may know of it, and it is rarely much.
const DIFFERENCES_MAX: usize = 200;

/// How a sync ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// No error.
    Success,
    /// Some step was done and some failed.
    PartialSuccess,
    /// Every attempted step failed.
    Failed,
}

impl Status {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::PartialSuccess => "partial_success",
            Self::Failed => "failed",
        }
    }
}

/// What became of the search for orders placed elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub enum DetectionReport {
    /// The brokerage's book was read and taken in.
    Completed(Box<Detected>),
    /// The account has no brokerage: there is nothing to look at.
    NoBrokerage,
    /// Not done, and why.
    Skipped(String),
    /// Tried and failed.
    Failed {
        /// Why.
        error: String,
        /// How long the brokerage asked to be left alone.
        retry_after: Option<Duration>,
    },
}

/// What a look at the brokerage found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Detected {
    /// Known orders that the book says more about.
    pub orders_updated: usize,
    /// Rows written to `order_events`.
    pub events_created: usize,
    /// Orders in the book.
    pub broker_orders: usize,
    /// New orders that are parts of own ones.
    pub legs: usize,
    /// Orders so young that they may be own ones on their way: the next tick looks again.
    pub deferred: usize,
    /// Orders of earlier days that lived and are known to nobody any more.
    pub vanished: usize,
    /// Lists that did not come, with the reasons.
    pub missing: Vec<String>,
    /// What does not agree with the brokerage.
    pub discrepancies: Vec<Discrepancy>,
}

impl DetectionReport {
    pub(crate) fn failed(error: String) -> Self {
        Self::Failed { error, retry_after: None }
    }

    /// Whether a job that asks for a look at the brokerage could find no more than this run did.
    pub(crate) fn is_all_there_is(&self) -> bool {
        matches!(self, Self::Completed(_) | Self::NoBrokerage)
    }
}

/// What became of the generation of positions and holdings.
#[derive(Debug, Clone, PartialEq)]
pub enum GenerationReport {
    /// Positions and holdings were replaced.
    Done {
        /// Rows of the account now, and what does not add up in them.
        rows: StoredRows,
        /// Orders of the account.
        orders: usize,
        /// When it was generated.
        at: DateTime<Utc>,
    },
    /// Looked at and found up to date: nothing to write.
    Current {
        /// When it was generated last.
        last_generation: Option<DateTime<Utc>>,
    },
    /// Not done, and why.
    Skipped {
        /// Why.
        reason: String,
        /// When it was generated last.
        last_generation: Option<DateTime<Utc>>,
    },
    /// Tried and failed.
    Failed(String),
}

/// What became of the snapshot in Redis.
#[derive(Debug, Clone, PartialEq)]
pub enum SnapshotReport {
    /// Written, or found unchanged and refreshed.
    Stored(cache::Stored),
    /// Tried and failed.
    Failed(String),
}

/// What one sync did, step by step.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The account.
    pub account: Account,
    /// The job.
    pub sync_id: String,
    /// When the run began.
    pub at: DateTime<Utc>,
    /// Grows with each run of the account.
    pub sequence: i64,
    /// Single Redis or Cluster.
    pub redis_type: &'static str,
    /// First step.
    pub detection: DetectionReport,
    /// Second step.
    pub generation: GenerationReport,
    /// Third step.
    pub snapshot: SnapshotReport,
    /// External orders that this run announces, among them those of a run that died before it could.
    pub external_orders: usize,
}

/// What is told of a sync that has ended.
#[derive(Debug, Serialize)]
pub(crate) struct Notification<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    account: &'a str,
    timestamp: String,
    summary: Value,
    full_results: &'a Value,
}

impl Report {
    /// What went wrong, a line per failed step.
    pub fn errors(&self) -> Vec<String> {
        let mut errors = Vec::new();
        if let GenerationReport::Failed(error) = &self.generation {
            errors.push(format!("Position generation failed: {error}"));
        }
        if let DetectionReport::Failed { error, .. } = &self.detection {
            errors.push(format!("External order detection failed: {error}"));
        }
        if let SnapshotReport::Failed(error) = &self.snapshot {
            errors.push(format!("Redis sync failed: {error}"));
        }
        errors
    }

    /// No error is success; every attempted step failed is failed; anything else is partial.
    pub fn status(&self) -> Status {
        // A generation that was looked at and found current is done: there was nothing left to do.
        let done = matches!(self.detection, DetectionReport::Completed(_))
            || matches!(self.generation, GenerationReport::Done { .. } | GenerationReport::Current { .. })
            || matches!(self.snapshot, SnapshotReport::Stored(_));
        match (self.errors().is_empty(), done) {
            (true, _) => Status::Success,
            (false, true) => Status::PartialSuccess,
            (false, false) => Status::Failed,
        }
    }

    /// The notification: a summary and the full results.
    pub fn notification(&self) -> Value {
        json!(self.notification_of(&self.to_json()))
    }

    /// The notification with these full results, which are the report's: they may be long, and are made once.
    pub(crate) fn notification_of<'a>(&'a self, full_results: &'a Value) -> Notification<'a> {
        let generation = match &self.generation {
            GenerationReport::Done { rows, .. } => json!({
                "regenerated": true, "positions_updated": rows.positions, "holdings_updated": rows.holdings,
            }),
            _ => json!({"regenerated": false, "positions_updated": 0, "holdings_updated": 0}),
        };
        Notification {
            kind: "sync_completed",
            account: &self.account.pseudo_account,
            timestamp: rfc3339(self.at),
            summary: json!({
                "status": self.status(),
                "position_generation": generation,
                "external_orders": self.external_orders,
                "redis_status": full_results["redis_sync"]["status"],
                "errors": self.errors().len(),
            }),
            full_results,
        }
    }

    /// The full results, which are also the job's result.
    pub fn to_json(&self) -> Value {
        let mut results = json!({
            "status": self.status(),
            "timestamp": rfc3339(self.at),
            "account": self.account.pseudo_account,
            "organization_id": self.account.organization_id,
            "sync_id": self.sync_id,
            "errors": self.errors(),
        });
        // Moved: the macro would copy the findings.
        results["position_generation"] = self.generation_json();
        results["external_detection"] = self.detection_json();
        results["redis_sync"] = self.snapshot_json();
        results
    }

    fn generation_json(&self) -> Value {
        match &self.generation {
            GenerationReport::Done { rows, orders, at } => {
                let mut done = json!({
                    "regenerated": true, "positions_updated": rows.positions, "holdings_updated": rows.holdings,
                    "orders_processed": orders, "generation_time": rfc3339(*at),
                });
                done["discrepancies"] = serde_json::from_str(&rows.discrepancies).unwrap_or_default();
                if rows.discrepancies_total > FINDINGS_MAX {
                    done["discrepancies_total"] = json!(rows.discrepancies_total);
                }
                done
            }
            GenerationReport::Current { last_generation } => json!({
                "regenerated": false, "reason": "up to date: no new or changed fills",
                "last_generation": last_generation.map(rfc3339),
            }),
            GenerationReport::Skipped { reason, last_generation } => json!({
                "regenerated": false, "reason": reason, "last_generation": last_generation.map(rfc3339),
            }),
            GenerationReport::Failed(error) => {
                json!({"regenerated": false, "reason": "failed", "error": error})
            }
        }
    }

    fn detection_json(&self) -> Value {
        match &self.detection {
            DetectionReport::Completed(detected) => detected.to_json(self.external_orders),
            DetectionReport::NoBrokerage => {
                json!({"status": "skipped", "reason": "the account has no brokerage"})
            }
            DetectionReport::Skipped(reason) => json!({"status": "skipped", "reason": reason}),
            DetectionReport::Failed { error, .. } => json!({"status": "failed", "error": error}),
        }
    }

    fn snapshot_json(&self) -> Value {
        match &self.snapshot {
            SnapshotReport::Stored(stored) => json!({
                "status": "success", "positions_stored": stored.positions, "holdings_stored": stored.holdings,
                "orders_stored": stored.orders, "margins_stored": stored.margins,
                "strategies_stored": stored.strategies, "redis_type": self.redis_type,
            }),
            SnapshotReport::Failed(error) => {
                json!({"status": "failed", "error": error, "redis_type": self.redis_type})
            }
        }
    }
}

impl Detected {
    /// What is rare is there only when there is any.
    fn to_json(&self, external_orders: usize) -> Value {
        let told: Vec<&Discrepancy> = self.discrepancies.iter().take(DIFFERENCES_MAX).collect();
        let mut json = json!({
            "status": "completed", "external_orders_detected": external_orders,
            "orders_updated": self.orders_updated, "events_created": self.events_created,
            "total_broker_orders": self.broker_orders, "discrepancies": told,
        });
        let rare =
            [("own_legs", self.legs), ("orders_deferred", self.deferred), ("orders_vanished", self.vanished)];
        for (name, count) in rare.into_iter().filter(|(_, count)| *count > 0) {
            json[name] = json!(count);
        }
        if !self.missing.is_empty() {
            json["missing"] = json!(self.missing);
        }
        json
    }
}

pub(crate) fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            account: Account::new("org", "Raghu"),
            sync_id: "id-1".into(),
            at: "2025-06-17T10:30:00Z".parse().unwrap(),
            sequence: 7,
            redis_type: "single",
            external_orders: 2,
            detection: DetectionReport::Completed(Box::new(Detected {
                orders_updated: 1,
                events_created: 3,
                broker_orders: 40,
                ..Detected::default()
            })),
            generation: GenerationReport::Done {
                rows: StoredRows {
                    positions: 15,
                    holdings: 8,
                    discrepancies: "[]".to_owned(),
                    discrepancies_total: 0,
                },
                orders: 120,
                at: "2025-06-17T10:30:01Z".parse().unwrap(),
            },
            snapshot: SnapshotReport::Stored(cache::Stored {
                positions: 15,
                holdings: 8,
                orders: 120,
                margins: 1,
                strategies: 2,
                unchanged: false,
            }),
        }
    }

    #[test]
    fn the_notification_has_its_exact_shape() {
        let expected = json!({
            "type": "sync_completed", "account": "Raghu", "timestamp": "2025-06-17T10:30:00Z",
            "summary": {"status": "success",
                "position_generation": {"regenerated": true, "positions_updated": 15, "holdings_updated": 8},
                "external_orders": 2, "redis_status": "success", "errors": 0},
            "full_results": {"status": "success", "timestamp": "2025-06-17T10:30:00Z", "account": "Raghu",
                "organization_id": "org", "sync_id": "id-1",
                "position_generation": {"regenerated": true, "positions_updated": 15, "holdings_updated": 8,
                    "orders_processed": 120, "generation_time": "2025-06-17T10:30:01Z", "discrepancies": []},
                "external_detection": {"status": "completed", "external_orders_detected": 2, "orders_updated": 1,
                    "events_created": 3, "total_broker_orders": 40, "discrepancies": []},
                "redis_sync": {"status": "success", "positions_stored": 15, "holdings_stored": 8,
                    "orders_stored": 120, "margins_stored": 1, "strategies_stored": 2, "redis_type": "single"},
                "errors": []},
        });
        assert_eq!(report().notification(), expected);
    }

    #[test]
    fn where_not_all_findings_are_told_their_number_is() {
        let of = |total: usize| {
            let mut report = report();
            if let GenerationReport::Done { rows, .. } = &mut report.generation {
                rows.discrepancies_total = total;
            }
            report.to_json()["position_generation"].get("discrepancies_total").cloned()
        };
        assert_eq!(of(FINDINGS_MAX), None);
        assert_eq!(of(FINDINGS_MAX + 1), Some(json!(FINDINGS_MAX + 1)));
    }

    #[test]
    fn some_done_and_some_failed_is_partial_success() {
        let mut report = report();
        report.snapshot = SnapshotReport::Failed("connection refused".into());
        assert_eq!(report.status(), Status::PartialSuccess);
        assert_eq!(report.errors(), ["Redis sync failed: connection refused"]);
        assert_eq!(report.notification()["summary"]["redis_status"], "failed");
    }

    #[test]
    fn every_attempted_step_failed_is_failed_and_skipped_ones_do_not_count() {
        let mut report = report();
        report.detection = DetectionReport::Skipped("not due".into());
        report.generation = GenerationReport::Failed("PostgreSQL is away".into());
        report.snapshot = SnapshotReport::Failed("PostgreSQL is away".into());
        assert_eq!(report.status(), Status::Failed);
    }

    #[test]
    fn a_sync_without_work_is_success() {
        let mut report = report();
        report.detection = DetectionReport::NoBrokerage;
        report.generation = GenerationReport::Current { last_generation: None };
        assert_eq!(report.status(), Status::Success);
    }
}
