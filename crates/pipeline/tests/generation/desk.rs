use std::time::Duration;

use chrono::{DateTime, Utc};
use ledger::{Account, Book, Input};
use pipeline::{Generation, Wanted, regenerate};
use serde_json::Value;
use storage::{Lease, LeaseAnswer, LeaseRequest, Storage};
use testbed::Database;
use tls::Certificates;

/// Nothing is due by time alone.
pub(crate) const WHEN_NEEDED: Wanted =
    Wanted { interval: Duration::from_secs(1_000_000), force: false, as_of: None };

/// A database and an account in it.
pub(crate) struct Desk {
    pub(crate) storage: Storage,
    pub(crate) account: Account,
    pub(crate) database: Database,
}

impl Desk {
    pub(crate) async fn new() -> Self {
        let database = Database::create().unwrap();
        let storage =
            Storage::new(&database.url(), &Certificates::default(), 8, "generation test", "default").unwrap();
        storage.migrate().await.unwrap();
        Self { storage, account: Account::new("default".to_owned(), "Raghu".to_owned()), database }
    }

    pub(crate) fn sql(&self, sql: &str) -> String {
        self.database.sql(sql).unwrap()
    }

    pub(crate) async fn lease(&self) -> Lease {
        let request = LeaseRequest {
            account: &self.account,
            job_id: "job",
            redelivered: true,
            worker: "worker",
            enqueued_at: None,
            replayed_at: None,
            force: false,
            check_external: false,
            crash_limit: 5,
            hold: Duration::from_secs(3600),
        };
        match self.storage.lease_account(&request).await.unwrap() {
            LeaseAnswer::Taken(lease) => lease,
            other => panic!("{other:?}"),
        }
    }

    /// A sync's generation.
    pub(crate) async fn sync(&self) -> Generation {
        self.generate(WHEN_NEEDED).await
    }

    pub(crate) async fn generate(&self, wanted: Wanted) -> Generation {
        regenerate(&self.storage, &self.lease().await, &wanted).await.unwrap()
    }

    /// How many orders a sync read; `None`: it had nothing to do.
    pub(crate) async fn orders_read(&self) -> Option<usize> {
        match self.sync().await {
            Generation::Current => None,
            Generation::Done { orders, .. } => Some(orders),
        }
    }

    /// Positions, holdings and findings as they are stored.
    pub(crate) async fn stored(&self) -> [Vec<Value>; 3] {
        let view = self.storage.account_view(&self.account).await.unwrap();
        let Value::Array(findings) = view.discrepancies else { panic!("findings are a list") };
        [comparable(view.positions), comparable(view.holdings), comparable(findings)]
    }

    /// The same, as the ledger tells them from the whole past.
    pub(crate) async fn expected(&self) -> [Vec<Value>; 3] {
        self.expected_at(self.storage.now().await.unwrap()).await
    }

    pub(crate) async fn expected_at(&self, as_of: DateTime<Utc>) -> [Vec<Value>; 3] {
        let inputs = self.storage.ledger_inputs(&self.account).await.unwrap();
        let book = ledger::generate(&Input {
            fills: &inputs.fills,
            opening_lots: &inputs.opening_lots,
            corporate_actions: &inputs.corporate_actions,
            instruments: &inputs.instruments,
            holidays: &inputs.holidays,
            as_of,
        })
        .unwrap();
        let rows = self.rows_of(&book).await;
        let mut findings: Vec<Value> = book
            .discrepancies
            .iter()
            .chain(&inputs.short_orders)
            .map(|finding| serde_json::json!(finding))
            .collect();
        findings.extend(inputs.unreadable_orders.iter().map(|id| {
            serde_json::json!({"kind": "unreadable_side", "instrument_key": null, "symbol": null, "isin": null,
                "quantity": null, "since": null, "detail": format!("order row {id} is neither BUY nor SELL and counts nowhere")})
        }));
        [rows[0].clone(), rows[1].clone(), comparable(findings)]
    }

    async fn rows_of(&self, book: &Book) -> [Vec<Value>; 2] {
        let rows = self.storage.rows_of_book(&self.account, book).await.unwrap();
        [comparable(rows.positions), comparable(rows.holdings)]
    }

    /// Everything that generations keep of the account, whatever its numbers and times.
    pub(crate) fn kept(&self) -> String {
        self.sql(
            "SELECT f.strategy_id, f.is_live, f.last_day, f.odd_days, f.ledger::jsonb, f.positions, f.holdings,
                    (SELECT jsonb_agg(finding ORDER BY finding::text) FROM jsonb_array_elements(f.findings) AS finding),
                    (SELECT array_agg(n.kind || ' ' || n.name ORDER BY n.kind, n.name)
                     FROM tradingdb.ledger_names n WHERE n.family_id = f.id) AS names
             FROM tradingdb.ledger_families f ORDER BY f.strategy_id, names;
             SELECT * FROM tradingdb.ledger_days ORDER BY strategy_id",
        )
    }
}

/// Without ids and times, and without what stays as it was where no price is known.
fn comparable(rows: Vec<Value>) -> Vec<Value> {
    let mut rows = rows;
    for row in &mut rows {
        if let Some(columns) = row.as_object_mut() {
            for column in ["id", "timestamp", "ltp", "pnl", "mtm", "unrealised_pnl", "currentvalue"] {
                columns.remove(column);
            }
        }
    }
    rows.sort_by_key(Value::to_string);
    rows
}
