use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use ledger::{Account, Book};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use storage::{EndedJob, GeneratedRows, ImportedOrder, Lease, LeaseAnswer, LeaseRequest, Storage};
use testbed::Database;
use tls::Certificates;

/// The organization of rows that name none.
pub(crate) const DEFAULT: &str = "default";
/// Longer than any test.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
/// An instrument of the tests.
pub(crate) const SBIN: &str = "NSE@SBIN@equities";

/// A database with our tables and a pool to it. The pool goes first, then the database.
pub(crate) struct Bed {
    pub(crate) storage: Storage,
    pub(crate) database: Database,
}

impl Bed {
    /// On an empty database.
    pub(crate) async fn migrated() -> Self {
        let database = Database::create().unwrap();
        let bed = Self { storage: connect(&database), database };
        bed.storage.migrate().await.unwrap();
        bed
    }

    /// On the tables and rows that the replaced system left; `None`, said aloud, where they are not at hand.
    pub(crate) async fn adopted() -> Option<Self> {
        let database = legacy_database()?;
        let bed = Self { storage: connect(&database), database };
        bed.storage.migrate().await.unwrap();
        Some(bed)
    }

    pub(crate) fn sql(&self, sql: &str) -> String {
        self.database.sql(sql).unwrap()
    }

    /// Every row of these tables of `tradingdb`, whatever its columns.
    pub(crate) fn dump(&self, tables: &[&str]) -> String {
        let of = |table: &&str| {
            self.sql(&format!(
                "SELECT '{table}', to_jsonb(t) FROM tradingdb.{table} t ORDER BY to_jsonb(t)::text"
            ))
        };
        tables.iter().map(of).collect::<Vec<_>>().join("\n")
    }

    /// A lease for an hour; the account must be free.
    pub(crate) async fn lease(&self, account: &Account, job: &str) -> Lease {
        self.lease_for(account, job, HOUR).await
    }

    pub(crate) async fn lease_for(&self, account: &Account, job: &str, hold: Duration) -> Lease {
        let request = LeaseRequest { hold, ..request(account, job) };
        match self.storage.lease_account(&request).await.unwrap() {
            LeaseAnswer::Taken(lease) => lease,
            other => panic!("{job} did not get {account}: {other:?}"),
        }
    }
}

/// A book as a generation from nothing leaves it, without families.
pub(crate) fn generated(book: &Book) -> GeneratedRows<'_> {
    GeneratedRows {
        book,
        touched: None,
        families: &[],
        gone: None,
        changes: &[],
        days: &[],
        snapshot: "1:1:",
        rebuild_at: None,
        version: 1,
    }
}

pub(crate) fn connect(database: &Database) -> Storage {
    Storage::new(&database.url(), &Certificates::default(), 24, "storage test", DEFAULT).unwrap()
}

/// What the replaced system left, in a fresh database; `None`, said aloud, where it is not at hand.
pub(crate) fn legacy_database() -> Option<Database> {
    let schema: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/legacy/schema.sql");
    if !schema.exists() {
        eprintln!("SKIPPED: {} is not there", schema.display());
        return None;
    }
    let database = Database::create().unwrap();
    testbed::psql(&database.url(), &["-f", schema.to_str().unwrap()]).unwrap();
    Some(database)
}

pub(crate) fn raghu() -> Account {
    Account::new(DEFAULT, "Raghu")
}

/// A request that is never superseded and asks for nothing special.
pub(crate) fn request<'a>(account: &'a Account, job: &'a str) -> LeaseRequest<'a> {
    LeaseRequest {
        account,
        job_id: job,
        redelivered: true,
        worker: "worker-1",
        enqueued_at: None,
        replayed_at: None,
        force: false,
        check_external: false,
        crash_limit: 5,
        hold: HOUR,
    }
}

pub(crate) fn success<'a>(lease: &'a Lease) -> EndedJob<'a> {
    EndedJob {
        sync_id: &lease.job_id,
        account: &lease.account,
        status: "success",
        reason: None,
        worker: "worker-1",
        retries: 0,
        report: None,
    }
}

pub(crate) fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub(crate) fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// A text as an SQL literal.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

pub(crate) fn empty_book() -> Book {
    Book {
        view_day: day("2025-06-17"),
        positions: Vec::new(),
        holdings: Vec::new(),
        open_lots: Vec::new(),
        closings: Vec::new(),
        discrepancies: Vec::new(),
        withheld: Vec::new(),
        fills_seen: 0,
    }
}

/// A filled order of ten SBIN, bought at 311.05 on 10 June 2025, with this id of the exchange.
pub(crate) fn imported(account: &Account, exchange_order_id: &str) -> ImportedOrder {
    ImportedOrder {
        account: account.clone(),
        exchange: "NSE".into(),
        day: day("2025-06-10"),
        exchange_order_id: Some(exchange_order_id.into()),
        line_digest: None,
        columns: columns(json!({})),
        fills: Vec::new(),
    }
}

/// The columns of [`imported`], with changes.
pub(crate) fn columns(changes: Value) -> Map<String, Value> {
    let mut columns = json!({
        "exchange": "NSE", "symbol": "SBIN", "instrument_key": SBIN, "trade_type": "BUY", "product_type": "CNC",
        "quantity": 10, "filled_quantity": 10, "average_price": 311.05, "status": "COMPLETE",
        "exchange_time": "2025-06-10T04:00:00Z",
    });
    let (Value::Object(columns), Value::Object(changes)) = (&mut columns, changes) else { unreachable!() };
    columns.extend(changes);
    std::mem::take(columns)
}
