//! Whatever others write, and whenever a sync looks, the rows are those of a generation from nothing.

use std::sync::atomic::{AtomicUsize, Ordering};

use pipeline::Wanted;

use crate::desk::{Desk, WHEN_NEEDED};

/// A small generator of its own, so that a failing run can be repeated.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    /// Fisher and Yates.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, usize::try_from(self.below(last as u64 + 1)).unwrap());
        }
    }

    pub(crate) fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

const INSTRUMENTS: [&str; 6] = [
    "'NSE', 'X', NULL",
    "'BSE', 'X', NULL",
    "'NSE', 'Y', 'NSE@Y@equities'",
    "'NSE', 'Z', 'NSE@Z@equities'",
    "'NFO', 'F', 'NFO@F@futures@26-NOV-2026'",
    "'MCX', 'G', 'MCX@G@futures@30-DEC-2099'",
];
const ISINS: [&str; 5] = ["NULL", "NULL", "'INE1'", "'INE2'", "'INE3'"];
const STRATEGIES: [&str; 5] = ["NULL", "''", "'default'", "'s1'", "'s2'"];

/// One statement (or transaction) as somebody might write it.
pub(crate) fn write(random: &mut Random) -> String {
    let some_order = "(SELECT id FROM tradingdb.orders ORDER BY hashint4(id + {}) LIMIT 1)"
        .replace("{}", &random.below(1000).to_string());
    let (quantity, price) = (random.below(9) + 1, random.below(500) + 1);
    match random.below(24) {
        0..10 => insert(random, 1),
        10 => insert(random, 4),
        11 => format!("UPDATE tradingdb.orders SET filled_quantity = {quantity} WHERE id = {some_order}"),
        12 => format!("UPDATE tradingdb.orders SET average_price = {price}.05 WHERE id = {some_order}"),
        13 => format!("UPDATE tradingdb.orders SET filled_quantity = 0 WHERE id = {some_order}"),
        14 => format!("DELETE FROM tradingdb.orders WHERE id = {some_order}"),
        15 => format!(
            "UPDATE tradingdb.orders SET isin = {}, strategy_id = {} WHERE id = {some_order}",
            random.pick(&ISINS),
            random.pick(&STRATEGIES)
        ),
        16 => format!("UPDATE tradingdb.orders SET exchange_time = {} WHERE id = {some_order}", time(random)),
        17 => format!(
            "INSERT INTO tradingdb.fills (order_id, trade_id, quantity, price, at)
             SELECT id, '{}', {quantity}, {price}, least({}, clock_timestamp()) FROM tradingdb.orders WHERE id = {some_order}
             ON CONFLICT (order_id, trade_id) DO UPDATE SET quantity = excluded.quantity",
            random.below(3),
            time(random)
        ),
        18 => format!("DELETE FROM tradingdb.fills WHERE order_id = {some_order}"),
        19 => format!(
            "INSERT INTO tradingdb.opening_lots (organization_id, pseudo_account, instrument_key, exchange, symbol, isin,
                 product, quantity, price, opened_at)
             VALUES ('default', 'Raghu', 'NSE@Y@equities', 'NSE', 'Y', {}, 'CNC', {quantity}, {price}, {})",
            random.pick(&ISINS),
            time(random)
        ),
        20 => format!(
            "INSERT INTO tradingdb.instruments (instrument_key, exchange, symbol, isin, multiplier)
             VALUES ('{0}', split_part('{0}', '@', 1), 'N', {1}, {2})
             ON CONFLICT (instrument_key) DO UPDATE SET isin = excluded.isin, multiplier = excluded.multiplier",
            random.pick(&["NSE@Y@equities", "NSE@X@equities", "MCX@G@futures@30-DEC-2099"]),
            random.pick(&ISINS),
            random.pick(&["NULL", "10"])
        ),
        21 => format!(
            "INSERT INTO tradingdb.corporate_actions (isin, kind, ex_date, factor, new_isin)
             VALUES ('INE1', '{}', current_date - {}, 2, {}) ON CONFLICT (isin, kind, ex_date) DO UPDATE SET factor = 3",
            random.pick(&["split", "merger", "bonus"]),
            random.below(5),
            random.pick(&["NULL", "'INE2'"])
        ),
        22 => format!("UPDATE tradingdb.orders SET trade_type = '{}' WHERE id = {some_order}", random.pick(&["BUY", "SELL", "HOLD"])),
        _ => format!(
            "INSERT INTO tradingdb.market_holidays (exchange, date) VALUES ('NSE', current_date - {}) ON CONFLICT DO NOTHING",
            random.below(5)
        ),
    }
}

/// Orders of now, of days before, and some of the next seconds.
fn insert(random: &mut Random, count: u64) -> String {
    let orders: Vec<String> = (0..count)
        .map(|_| {
            format!(
                "('Raghu', 'REGULAR', 9, {}, {}, {}, '{}', '{}', {}, {}.5, {})",
                random.below(10),
                random.pick(&INSTRUMENTS),
                random.pick(&ISINS),
                random.pick(&["BUY", "BUY", "SELL"]),
                random.pick(&["CNC", "MIS", "NRML"]),
                random.pick(&STRATEGIES),
                random.below(200),
                time(random)
            )
        })
        .collect();
    format!(
        "INSERT INTO tradingdb.symbols SELECT key, 'S' FROM unnest('{{NSE@Y@equities,NSE@Z@equities,NFO@F@futures@26-NOV-2026,MCX@G@futures@30-DEC-2099}}'::text[]) AS key ON CONFLICT DO NOTHING;
         INSERT INTO tradingdb.orders (pseudo_account, variety, quantity, filled_quantity, exchange, symbol, instrument_key,
             isin, trade_type, product_type, strategy_id, average_price, exchange_time) VALUES {}",
        orders.join(", ")
    )
}

fn time(random: &mut Random) -> String {
    match random.below(10) {
        0..6 => "clock_timestamp()".to_owned(),
        6 => "clock_timestamp() + interval '1500 milliseconds'".to_owned(),
        7 => format!("clock_timestamp() - interval '{} minutes'", random.below(60)),
        _ => format!("clock_timestamp() - interval '{} hours'", random.below(24 * 6)),
    }
}

/// The first few, or with `SEEDS=from..to` any others.
pub(crate) fn seeds(few: u64) -> std::ops::Range<u64> {
    let Ok(range) = std::env::var("SEEDS") else { return 0..few };
    let (from, to) = range.split_once("..").unwrap();
    from.parse().unwrap()..to.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_each_write_a_sync_leaves_the_rows_of_the_whole_past() {
    for seed in seeds(4) {
        let desk = Desk::new().await;
        let mut random = Random::new(seed);
        for step in 0..60 {
            let sql = write(&mut random);
            desk.sql(&sql);
            // What is dated in the next seconds may come to exist while we look.
            let (expected, stored) = loop {
                let before = desk.expected().await;
                desk.sync().await;
                let stored = desk.stored().await;
                if desk.expected().await == before {
                    break (before, stored);
                }
            };
            assert_eq!(stored, expected, "seed {seed}, step {step}: {sql}");
        }
        assert_rebuild_changes_nothing(&desk, &format!("seed {seed}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_written_while_syncs_look_the_last_one_leaves_what_a_rebuild_does() {
    for seed in seeds(3) {
        let desk = Desk::new().await;
        desk.sql(&insert(&mut Random::new(seed), 20));
        let busy = AtomicUsize::new(3);
        let syncs = std::thread::scope(|scope| {
            for writer in 0..3 {
                let (desk, busy) = (&desk, &busy);
                scope.spawn(move || {
                    let mut random = Random::new(100 * seed + writer);
                    for _ in 0..40 {
                        let first = write(&mut random);
                        // Numbers are taken, then others commit first.
                        let open = if random.below(2) == 0 { "SELECT pg_sleep(0.02);" } else { "" };
                        let second = write(&mut random);
                        // Two writers may wait for each other; the one that is chosen to give way is simply undone.
                        let _ = desk.database.sql(&format!("BEGIN; {first}; {open} {second}; COMMIT"));
                    }
                    busy.fetch_sub(1, Ordering::SeqCst);
                });
            }
            let runtime = tokio::runtime::Handle::current();
            let (desk, busy) = (&desk, &busy);
            tokio::task::block_in_place(move || {
                runtime.block_on(async move {
                    let mut syncs = 0;
                    while busy.load(Ordering::SeqCst) > 0 {
                        desk.sync().await;
                        syncs += 1;
                    }
                    syncs
                })
            })
        });
        assert!(syncs > 5, "syncs ran while others wrote: {syncs}");
        assert_rebuild_changes_nothing(&desk, &format!("seed {seed}, {syncs} syncs")).await;
    }
}

/// Nothing is left in the future, so that both look at the same.
async fn assert_rebuild_changes_nothing(desk: &Desk, what: &str) {
    desk.sql(
        "SELECT pg_sleep(greatest(0, extract(epoch FROM (
             SELECT max(at) FROM (SELECT at FROM tradingdb.executions UNION ALL SELECT opened_at FROM tradingdb.opening_lots) all_of)
             - clock_timestamp())))",
    );
    desk.sync().await;
    let (rows, kept) = (desk.stored().await, desk.kept());
    assert_eq!(rows, desk.expected().await, "{what}");
    desk.generate(Wanted { force: true, ..WHEN_NEEDED }).await;
    assert_eq!(desk.stored().await, rows, "{what}");
    assert_eq!(desk.kept(), kept, "{what}");
}
