//! PostgreSQL: every SQL statement of the product, and nothing else.
//!
//! One [`Storage`] is a pool with the statements as methods, a file per noun. Statements are checked against the
//! schema when the crate is compiled (`.sqlx/` holds what PostgreSQL said, so no server is needed to build).
//!
//! Two rules hold everywhere. The clock is PostgreSQL's, so hosts may disagree about the time. And what a run
//! writes, it writes together with a look at its fence, in one transaction: a run that lost its lease changes
//! nothing any more.

mod account_jobs;
mod account_orders;
mod accounts;
mod announcements;
mod assignments;
mod book;
mod book_rows;
mod bounded;
mod brokerage_accounts;
mod checkup;
mod comparison;
mod corporate_actions;
mod encryption;
mod ended_runs;
mod error;
mod executions;
mod external;
mod families;
mod free_accounts;
mod freshness;
mod holidays;
mod import_counts;
mod imports;
mod inputs;
mod known_orders;
mod lease;
mod ledger_changes;
mod ledger_reader;
mod margins;
mod opening_lots;
mod outcomes;
mod overview;
mod pool;
mod pool_use;
mod quotes;
mod session;
mod shown_order;
mod snapshot;
mod ticks;
mod transaction;
mod waits;

pub use account_jobs::{AccountJobs, NotedWait, OutcomeView, RunView, TickView};
pub use accounts::{AccountScan, DueAccount};
pub use announcements::UnannouncedOrder;
pub use book::{FINDINGS_MAX, GeneratedRows, StoredRows};
pub use book_rows::BookRows;
pub use brokerage_accounts::{BrokerageAccount, RefusedLogin};
pub use checkup::{DatabaseFacts, SchemaFacts};
pub use comparison::ComparedRows;
pub use error::StorageError;
pub use executions::{Execution, FewExecutions, SeenExecutions, SeenIsin};
pub use external::{ExternalChanges, Look};
pub use families::{NewFamily, OtherDays, StoredFamily, StrategyBook};
pub use holidays::MarketHoliday;
pub use import_counts::ImportCounts;
pub use imports::{ImportSummary, ImportedFill, ImportedOrder};
pub use inputs::LedgerInputs;
pub use lease::{Lease, LeaseAnswer, LeaseRequest};
pub use ledger_changes::{LedgerChanges, OrderWrites, is_strategy};
pub use ledger_reader::{LedgerDays, LedgerReader, LedgerState};
pub use opening_lots::ImportedLot;
pub use outcomes::{CachedRows, EndedJob, Outcome};
pub use overview::{AccountOverview, AccountView};
pub use pool::{Storage, migrator};
pub use pool_use::PoolUse;
pub use snapshot::{AccountRows, StoredRow, WantedOrders};
pub use ticks::PublishedTick;
pub use waits::JobWait;
