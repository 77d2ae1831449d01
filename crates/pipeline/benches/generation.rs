//! What a generation of one account costs, by the length of its history: nothing new, one new order, everything anew.
//!
//! On a PostgreSQL of its own. Beside it a plain Python FIFO that reads the same rows (through `psql`, which both the
//! testbed and any machine that runs this has). Run by `cargo xtask bench ledger`.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and a failed step ends it"
)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use ledger::Account;
use pipeline::{Generation, Wanted, regenerate};
use storage::{Lease, LeaseAnswer, LeaseRequest, Storage};
use testbed::{Database, Postgres};
use tls::Certificates;

/// Orders of the account.
const SIZES: [u32; 3] = [200, 5_000, 100_000];
const ROUNDS: usize = 101;
const REBUILDS: usize = 5;

#[tokio::main]
async fn main() {
    let postgres = Postgres::start().unwrap();
    println!("generation of one account, median of {ROUNDS} ({REBUILDS} for all anew), milliseconds");
    println!(
        "{:>9} {:>12} {:>12} {:>12} {:>12} {:>14}",
        "orders", "nothing new", "one order", "p90", "all anew", "plain Python"
    );
    let mut one_order = Vec::new();
    for orders in SIZES {
        let account = Bench::new(&postgres, orders).await;
        let rebuilds = account.time(REBUILDS, true, |_| ()).await;
        let nothing = account.time(ROUNDS, false, |_| ()).await;
        let one = account.time(ROUNDS, false, |bench| bench.trade_once()).await;
        let python = account.plain_python();
        println!(
            "{orders:>9} {:>12.3} {:>12.3} {:>12.3} {:>12.1} {:>14}",
            millis(median(&nothing)),
            millis(median(&one)),
            millis(one[one.len() * 9 / 10]),
            millis(median(&rebuilds)),
            python.map_or_else(|| "-".to_owned(), |python| format!("{:.1}", millis(python))),
        );
        one_order.push(median(&one).as_secs_f64());
    }
    println!(
        "one new order on {} costs {:.2} times one on {}",
        SIZES[2],
        one_order[2] / one_order[0],
        SIZES[0]
    );
    println!("largest resident memory of this process: {} MiB", peak_memory_mib());
}

struct Bench {
    storage: Storage,
    database: Database,
    account: Account,
}

impl Bench {
    /// Forty instruments, half of them shares, 200 orders on each trading day until today: five buys of each instrument,
    /// then five sales, and so on. So much the same is held however long the history, and the history is what differs.
    async fn new(postgres: &Postgres, orders: u32) -> Self {
        let database = Database::create_on(&postgres.url()).unwrap();
        let storage = Storage::new(&database.url(), &Certificates::default(), 4, "bench", "default").unwrap();
        storage.migrate().await.unwrap();
        database
            .sql(&format!(
                "WITH days AS (
                     SELECT day, row_number() OVER (ORDER BY day DESC) - 1 AS ago
                     FROM generate_series(current_date - 1000, current_date - 1, '1 day') AS day
                     WHERE extract(isodow FROM day) < 6
                       AND NOT EXISTS (SELECT FROM tradingdb.market_holidays h WHERE h.date = day)
                 )
                 INSERT INTO tradingdb.orders (pseudo_account, variety, quantity, filled_quantity, exchange, symbol,
                     trade_type, product_type, average_price, exchange_time, exchange_order_id)
                 SELECT 'A', 'REGULAR', 10, 1 + n % 40 % 7, CASE WHEN n % 40 < 20 THEN 'NFO' ELSE 'NSE' END, 'S' || n % 40,
                        CASE WHEN n < 200 OR (({orders} - 1 - n) / 40 + 5) % 10 >= 5 THEN 'BUY' ELSE 'SELL' END,
                        CASE WHEN n % 40 < 20 THEN 'NRML' ELSE 'CNC' END, 100 + n % 900 / 20.0,
                        day + interval '4 hours' + interval '1 minute' * (n % 200), n::text
                 FROM generate_series(0, {orders} - 1) AS n JOIN days ON ago = ({orders} - 1 - n) / 200;
                 ANALYZE"
            ))
            .unwrap();
        Self { storage, database, account: Account::new("default".to_owned(), "A".to_owned()) }
    }

    /// Sorted.
    async fn time(&self, rounds: usize, force: bool, before: impl Fn(&Self)) -> Vec<Duration> {
        let mut times = Vec::new();
        for _ in 0..rounds {
            before(self);
            let lease = self.lease().await;
            let wanted = Wanted { interval: Duration::from_secs(86_400), force, as_of: None };
            let start = Instant::now();
            let done = regenerate(&self.storage, &lease, &wanted).await.unwrap();
            times.push(start.elapsed());
            if let Generation::Done { orders, .. } = done {
                assert!(force || orders == 1, "{orders} orders were read");
            }
        }
        times.sort();
        times
    }

    fn trade_once(&self) {
        self.database
            .sql(
                "INSERT INTO tradingdb.orders (pseudo_account, variety, quantity, filled_quantity, exchange, symbol,
                     trade_type, product_type, average_price, exchange_time)
                 SELECT 'A', 'REGULAR', 1, 1, CASE WHEN n < 20 THEN 'NFO' ELSE 'NSE' END, 'S' || n,
                        CASE WHEN random() < 0.5 THEN 'BUY' ELSE 'SELL' END, CASE WHEN n < 20 THEN 'NRML' ELSE 'CNC' END,
                        101, clock_timestamp() FROM (SELECT floor(random() * 40)::integer AS n) AS any_of",
            )
            .unwrap();
    }

    async fn lease(&self) -> Lease {
        let request = LeaseRequest {
            account: &self.account,
            job_id: "bench",
            redelivered: true,
            worker: "bench",
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

    /// As most would write it: read all orders, replay them.
    fn plain_python(&self) -> Option<Duration> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/plain_fifo.py");
        let output = Command::new("python3").arg(script).arg(self.database.url()).output().ok()?;
        let seconds: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().ok()?;
        Some(Duration::from_secs_f64(seconds))
    }
}

fn median(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() / 2]
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn peak_memory_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() / 1024
}
