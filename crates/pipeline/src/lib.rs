//! What a job does: the spine of a sync, one file per step, and the report.
//!
//! A job syncs one account. [`Pipeline`] leases the account, runs the steps (detection, generation, snapshot), tells the
//! world (notification), and writes the outcome last: the spine is `Pipeline::sync_account` in `sync.rs`. Steps fail
//! independently: each returns what it did or why not, and the report's status follows from that alone.
//!
//! Everything here may be run again after any part of it: rows are replaced under the lease's fence, Redis is
//! written as a whole, a notification carries the job's id, and a job with an outcome is never run again.

mod as_of;
mod client;
mod comparison;
mod detection;
mod error;
mod fan_out;
mod fleet;
mod generation;
mod handler;
mod job;
mod look;
mod notification;
mod prices;
mod report;
mod results;
mod secret_ref;
mod snapshot;
mod snapshot_budget;
mod step;
mod sync;
mod telemetry;
mod turns;

pub use as_of::{AsOf, book_as_of};
pub use client::{Client, ClientError, open_client};
pub use error::chain;
pub use fan_out::{CheckSchedule, FanOut, FanOutError, Tick, offset};
pub use fleet::Fleet;
pub use generation::{Generation, GenerationError, Wanted, regenerate};
pub use job::{
    ACCOUNT_SYNC, ALL_ACCOUNTS_SYNC, ALL_ACCOUNTS_SYNC_OLD, SCHEDULE, SyncJob, TASKS, encode_sync, firing,
    job_id,
};
pub use notification::routing_key;
pub use report::{Detected, DetectionReport, GenerationReport, Report, SnapshotReport, Status};
pub use results::ResultBackend;
pub use secret_ref::{Environment, SecretError, check_reference};
pub use snapshot_budget::SnapshotBudget;
pub use sync::{Pipeline, PipelineSettings};
pub use telemetry::{begin_worker_metrics, describe_metrics, refresh_cache_metrics, refresh_metrics};
pub use turns::Turns;
