//! How many fills a second are folded in memory.
//!
//! Sixteen contracts of one account, half a day's fills each on 250 days, bought and sold at random: read, sorted and
//! shared as `storage` hands them over. Run by `cargo xtask bench ledger`.

use std::sync::Arc;

use chrono::{NaiveDate, TimeDelta};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ledger::{Fill, Identities, Ledger, Side, Terms, TermsPool, ist};
use rust_decimal::Decimal;

const FILLS: usize = 100_000;

/// A small generator of its own, so that each run folds the same fills.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// `exchange` decides whether they are shares, matched within their day first, or contracts.
fn fills(exchange: &str, product: &str) -> Vec<Fill> {
    let (mut random, mut pool) = (Random(7), TermsPool::default());
    let first = ist::start_of(NaiveDate::from_ymd_opt(2024, 1, 1).unwrap_or_default()) + TimeDelta::hours(10);
    (0..FILLS)
        .map(|number| {
            let symbol = format!("S{}", random.below(16));
            let terms = pool.share(Terms {
                exchange: exchange.to_owned(),
                instrument_key: ledger::key_for(exchange, &symbol),
                symbol,
                product: product.to_owned(),
                ..Terms::default()
            });
            let day = i64::try_from(number / 400).unwrap_or_default();
            let second = i64::try_from(number % 400).unwrap_or_default();
            Fill {
                at: first + TimeDelta::days(day) + TimeDelta::seconds(second),
                trade_id: Some(number.to_string().into()),
                order_id: None,
                terms,
                side: if random.below(2) == 0 { Side::Buy } else { Side::Sell },
                quantity: Decimal::from(random.below(50) + 1),
                price: Some(Decimal::new(i64::try_from(random.below(100_000)).unwrap_or_default() + 5, 2)),
            }
        })
        .collect()
}

fn fold(fills: Vec<Fill>) -> Ledger {
    let view_day = NaiveDate::from_ymd_opt(2030, 1, 1).unwrap_or_default();
    let mut ledger = Ledger::new(view_day, Identities::default(), Arc::default());
    for fill in fills {
        ledger.apply(fill).expect("the numbers are small");
    }
    ledger
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fold");
    group.throughput(Throughput::Elements(FILLS as u64));
    for (name, exchange, product) in [("contracts", "NFO", "NRML"), ("shares", "NSE", "CNC")] {
        let fills = fills(exchange, product);
        group.bench_function(name, |bench| {
            bench.iter_batched(|| fills.clone(), fold, BatchSize::LargeInput);
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
