//! What holds for every history, however odd.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::desk::{Desk, d, day, fill, ist};
use crate::{
    Book, CorporateAction, CorporateActionKind, DiscrepancyKind, Fill, Instrument, OpeningLot, Terms,
    is_cash, realised,
};

pub(super) const INSTRUMENTS: [&str; 5] =
    ["NSE:X", "BSE:X", "NSE:Y", "NFO@NIFTY@futures@18-JUN-2025", "MCX@GOLD@futures@30-JUN-2025"];
const PRODUCTS: [&str; 4] = ["CNC", "MIS", "NRML", "MTF"];

/// Monday to Friday, a minute of few (so that instants collide), and the rest of a fill.
pub(super) fn any_fill(instruments: &'static [&'static str]) -> impl Strategy<Value = Fill> {
    let trade = (any::<bool>(), 1..20_u32, 1..500_u32);
    let place = (16..21_u32, 0..6_u32, 0..instruments.len(), 0..PRODUCTS.len());
    (place, trade, prop::option::of(0..12_u32), prop::option::of(0..3_u32)).prop_map(
        move |((day, minute, instrument, product), (buy, quantity, price), trade_id, strategy)| {
            let side = if buy { "B" } else { "S" };
            let blank = fill(
                &format!("2025-06-{day} 10:{minute:02}"),
                instruments[instrument],
                PRODUCTS[product],
                &format!("{side}{quantity}@{}", Decimal::new(price.into(), 2)),
            );
            let mut terms = (*blank.terms).clone();
            terms.strategy_id = strategy.map(|id| format!("s{id}"));
            terms.isin = (terms.symbol == "X").then(|| "INE1".to_owned());
            Fill { trade_id: trade_id.map(|id| id.to_string().into()), terms: Arc::new(terms), ..blank }
        },
    )
}

pub(super) fn any_desk() -> impl Strategy<Value = Desk> {
    let fills = prop::collection::vec(any_fill(&INSTRUMENTS), 0..40);
    let lots = prop::collection::vec((any_fill(&INSTRUMENTS), -10..30_i64), 0..5);
    let factors = prop::collection::vec((16..21_u32, 2..4_u32, any::<bool>()), 0..3);
    (fills, lots, factors).prop_map(|(fills, lots, factors)| Desk {
        fills,
        lots: lots.into_iter().map(|(fill, quantity)| opening_lot(fill, quantity)).collect(),
        actions: factors.into_iter().map(|(day, factor, moves)| action(day, factor, moves)).collect(),
        instruments: INSTRUMENTS.map(priced).into(),
        ..Desk::default()
    })
}

fn opening_lot(fill: Fill, quantity: i64) -> OpeningLot {
    let Terms { exchange, instrument_key, symbol, isin, product, .. } = (*fill.terms).clone();
    OpeningLot {
        instrument_key,
        exchange,
        symbol,
        isin,
        product,
        quantity: quantity.into(),
        price: fill.price.unwrap(),
        opened_at: fill.at,
    }
}

fn action(of_june: u32, factor: u32, moves: bool) -> CorporateAction {
    CorporateAction {
        isin: "INE1".to_owned(),
        kind: if moves { CorporateActionKind::Merger } else { CorporateActionKind::Split },
        ex_date: day(&format!("2025-06-{of_june}")),
        factor: Some(factor.into()),
        new_isin: moves.then(|| "INE2".to_owned()),
        cost_fraction: None,
    }
}

fn priced(what: &str) -> Instrument {
    Instrument { close_price: Some(d("2")), ..Desk::default().ltp(what, "3.25").instruments.remove(0) }
}

fn in_product(fill: &Fill, product: &str) -> Fill {
    let terms = Terms { product: product.to_owned(), ..(*fill.terms).clone() };
    Fill { terms: Arc::new(terms), ..fill.clone() }
}

pub(super) fn signed(fill: &Fill) -> Decimal {
    if fill.side == crate::Side::Buy { fill.quantity } else { -fill.quantity }
}

/// By key: shares of one ISIN have several.
fn lots_by_symbol(book: &Book) -> BTreeMap<(bool, String), Decimal> {
    let mut sums = BTreeMap::new();
    for lot in &book.open_lots {
        *sums.entry((is_cash(&lot.exchange), lot.symbol.clone())).or_default() += lot.quantity;
    }
    sums
}

pub(super) fn config() -> ProptestConfig {
    ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_share_and_contract_is_in_a_lot_or_was_uncovered(fills in prop::collection::vec(any_fill(&INSTRUMENTS), 0..60)) {
        let desk = Desk { fills, ..Desk::default() };
        let book = desk.book("2025-06-30 12:00");
        let mut expected: BTreeMap<(bool, String), Decimal> = BTreeMap::new();
        for fill in &desk.fills {
            *expected.entry((is_cash(&fill.terms.exchange), fill.terms.symbol.clone())).or_default() += signed(fill);
        }
        for found in book.discrepancies.iter().filter(|found| found.kind == DiscrepancyKind::UnknownCost) {
            *expected.entry((true, found.symbol.clone())).or_default() += found.quantity.unwrap();
        }
        expected.retain(|_, quantity| !quantity.is_zero());
        prop_assert_eq!(lots_by_symbol(&book), expected);
    }

    #[test]
    fn realised_profit_less_open_cost_is_the_cash_flow(fills in prop::collection::vec(any_fill(&INSTRUMENTS), 0..60)) {
        let desk = Desk { fills, ..Desk::default() };
        // So much inventory that no sale of shares lacks a lot.
        let desk = INSTRUMENTS[..3].iter().fold(desk, |desk, share| desk.lot("2020-01-01 10:00", share, "CNC", "2000", "1"));
        let book = desk.book("2025-06-30 12:00");
        let flow: Decimal = desk.fills.iter().map(|fill| -signed(fill) * fill.price.unwrap()).sum();
        let cost: Decimal = book.open_lots.iter().map(|lot| lot.quantity * lot.price.rounded()).sum();
        prop_assert_eq!(book.realised() - cost, flow - d("6000"));
        let rows = realised(&book.closings, None, None).unwrap();
        prop_assert_eq!(rows.iter().map(|row| row.realised_pnl).sum::<Decimal>(), book.realised());
    }

    #[test]
    fn a_contract_of_one_product_has_its_profit_split_into_realised_and_unrealised(
        fills in prop::collection::vec(any_fill(&INSTRUMENTS[3..4]), 1..40),
        until in 16..21_u32,
    ) {
        let desk = Desk { fills, ..Desk::default() }.ltp(INSTRUMENTS[3], "3.25").close(INSTRUMENTS[3], "2");
        let one = desk.fills.iter().map(|fill| in_product(fill, "NRML")).collect();
        let book = Desk { fills: one, ..desk }.book(&format!("2025-06-{until} 20:00"));
        for row in &book.positions {
            prop_assert_eq!(row.pnl.unwrap(), row.realised_pnl + row.unrealised_pnl.unwrap());
            prop_assert_eq!(row.net_quantity, row.buy_quantity - row.sell_quantity);
            prop_assert_eq!(row.net_value, row.sell_value - row.buy_value);
        }
    }

    #[test]
    fn the_rows_of_a_day_are_the_lots_it_began_with_and_its_fills(desk in any_desk(), until in 16..21_u32) {
        let book = desk.book(&format!("2025-06-{until} 20:00"));
        for row in &book.positions {
            let of_row = |fill: &&Fill| fill.terms.instrument_key == row.instrument_key && fill.terms.product == row.product;
            let today = ist(&format!("2025-06-{until} 00:00"))..=ist(&format!("2025-06-{until} 20:00"));
            let traded: Decimal =
                desk.fills.iter().filter(of_row).filter(|fill| today.contains(&fill.at)).map(signed).sum();
            prop_assert_eq!(row.net_quantity, row.overnight_quantity + traded);
            prop_assert!(!is_cash(&row.exchange) || row.overnight_quantity >= Decimal::ZERO);
        }
        for row in &book.holdings {
            prop_assert!(row.quantity > Decimal::ZERO && row.t1_qty <= row.quantity);
        }
        prop_assert!(book.open_lots.iter().all(|lot| !is_cash(&lot.exchange) || lot.quantity > Decimal::ZERO));
    }

    #[test]
    fn the_order_of_the_input_does_not_matter(
        desk in any_desk(),
        shuffled in any::<u64>(),
        until in 16..23_u32,
    ) {
        let as_of = format!("2025-06-{until} 10:03");
        let mut other = desk.clone();
        shuffle(&mut other.fills, shuffled);
        shuffle(&mut other.lots, shuffled);
        shuffle(&mut other.actions, shuffled);
        shuffle(&mut other.instruments, shuffled);
        prop_assert_eq!(other.book(&as_of), desk.book(&as_of));
    }

    #[test]
    fn what_is_later_than_the_instant_changes_nothing(desk in any_desk(), until in 16..21_u32) {
        let as_of = format!("2025-06-{until} 10:02");
        let mut known = desk.clone();
        known.fills.retain(|fill| fill.at <= ist(&as_of));
        prop_assert_eq!(known.book(&as_of), desk.book(&as_of));
    }

    #[test]
    fn hostile_numbers_give_a_book_or_an_error(
        desk in any_desk(),
        numbers in prop::collection::vec(any_decimal(), 8),
        instants in prop::collection::vec(any::<i64>(), 2),
    ) {
        let mut desk = desk;
        for (index, fill) in desk.fills.iter_mut().enumerate().step_by(3) {
            fill.quantity = numbers[index % 8];
            fill.price = Some(numbers[(index + 1) % 8]);
        }
        for lot in &mut desk.lots {
            lot.quantity = numbers[2];
            lot.price = numbers[3];
        }
        for action in &mut desk.actions {
            action.factor = Some(numbers[4]);
        }
        for instrument in &mut desk.instruments {
            instrument.last_price = Some(numbers[5]);
            instrument.multiplier = Some(numbers[6]);
        }
        if let (Some(fill), Some(at)) = (desk.fills.first_mut(), DateTime::from_timestamp_micros(instants[0])) {
            fill.at = at;
        }
        let as_of = DateTime::from_timestamp_micros(instants[1]).unwrap_or(DateTime::<Utc>::MAX_UTC);
        for as_of in [as_of, ist("2025-06-30 10:00"), DateTime::<Utc>::MAX_UTC, DateTime::<Utc>::MIN_UTC] {
            if let Ok(book) = desk.try_book(as_of) {
                let _ = realised(&book.closings, None, None);
            }
        }
    }
}

fn any_decimal() -> impl Strategy<Value = Decimal> {
    let any = (any::<u32>(), any::<u32>(), any::<u32>(), any::<bool>(), 0..29_u32);
    let any = any
        .prop_map(|(low, mid, high, negative, scale)| Decimal::from_parts(low, mid, high, negative, scale));
    prop_oneof![any, Just(Decimal::MAX), Just(Decimal::MIN), Just(Decimal::ZERO), Just(Decimal::new(1, 28))]
}

/// Fisher and Yates with a small generator of its own, so that a failing case can be replayed.
fn shuffle<T>(items: &mut [T], mut seed: u64) {
    for last in (1..items.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        items.swap(last, (seed >> 33) as usize % (last + 1));
    }
}
