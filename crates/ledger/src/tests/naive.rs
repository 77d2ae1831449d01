//! FIFO against a model so simple that it is right by looking at it, whatever it costs.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::desk::Desk;
use super::properties::{INSTRUMENTS, any_fill, config, signed};
use crate::{Fill, ist};

/// One unit of a fill: a lot of one.
#[derive(Clone)]
struct Unit {
    price: Decimal,
    is_long: bool,
}

/// Lots of one, oldest first, and what was realised. Every unit sold looks for the oldest one bought, and the other
/// way round.
#[derive(Default)]
struct Naive {
    units: Vec<Unit>,
    realised: Decimal,
}

impl Naive {
    fn trade(&mut self, fill: &Fill) {
        let is_long = signed(fill) > Decimal::ZERO;
        for _ in 0..u32::try_from(fill.quantity).unwrap() {
            self.trade_unit(Unit { price: fill.price.unwrap(), is_long });
        }
    }

    fn trade_unit(&mut self, unit: Unit) {
        let Some(oldest) = self.units.iter().position(|other| other.is_long != unit.is_long) else {
            return self.units.push(unit);
        };
        let other = self.units.remove(oldest);
        self.realised += if unit.is_long { other.price - unit.price } else { unit.price - other.price };
    }
}

/// Shares: each day is matched within itself first; what is left of it meets the days before.
fn shares(fills: &[Fill]) -> Naive {
    let mut days: BTreeMap<NaiveDate, Naive> = BTreeMap::new();
    for fill in fills {
        days.entry(ist::day_of(fill.at)).or_default().trade(fill);
    }
    let mut all = Naive::default();
    for day in days.into_values() {
        all.realised += day.realised;
        for unit in day.units {
            all.trade_unit(unit);
        }
        all.units.retain(|unit| unit.is_long);
    }
    all
}

fn contract(fills: &[Fill]) -> Naive {
    let mut all = Naive::default();
    fills.iter().for_each(|fill| all.trade(fill));
    all
}

fn assert_same(fills: Vec<Fill>, model: fn(&[Fill]) -> Naive) {
    let desk = Desk { fills, ..Desk::default() };
    let book = desk.book("2025-07-01 12:00");
    let mut sorted = desk.fills.clone();
    sorted.sort_by(|a, b| a.matching_order(b));
    let naive = model(&sorted);
    let units = |quantity: Decimal| usize::try_from(u32::try_from(quantity.abs()).unwrap()).unwrap();
    let lots: Vec<(Decimal, bool)> = (book.open_lots.iter())
        .flat_map(|lot| vec![(lot.price.rounded(), lot.quantity > Decimal::ZERO); units(lot.quantity)])
        .collect();
    let expected: Vec<(Decimal, bool)> =
        naive.units.iter().map(|unit| (unit.price.normalize(), unit.is_long)).collect();
    assert_eq!(lots, expected);
    assert_eq!(book.realised(), naive.realised);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_contract_is_matched_as_the_naive_model_does(fills in prop::collection::vec(any_fill(&INSTRUMENTS[3..4]), 0..60)) {
        assert_same(fills, contract);
    }

    #[test]
    fn shares_are_matched_as_the_naive_model_does(fills in prop::collection::vec(any_fill(&INSTRUMENTS[..2]), 0..60)) {
        assert_same(fills, shares);
    }
}
