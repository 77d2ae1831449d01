//! What the replaced system got wrong: each test has numbers that it would have shown otherwise.

use std::sync::Arc;

use super::desk::{Desk, d, day};
use crate::{Fill, Identities, Ledger};

const NIFTY: &str = "NFO@NIFTY@futures@26-JUN-2025";
const GOLD: &str = "MCX:GOLDM";

#[test]
fn each_exchange_and_product_of_a_symbol_is_a_position_of_its_own() {
    let book = Desk::default()
        .fill("2025-06-16 10:00", "NSE:TCS", "CNC", "B10@100")
        .fill("2025-06-16 10:01", "BSE:TCS", "CNC", "B20@101")
        .fill("2025-06-16 10:02", "NSE:TCS", "MIS", "S5@102")
        .fill("2025-06-16 10:03", "NFO:TCS", "NRML", "S40@103")
        .book("2025-06-16 16:00");
    let rows: Vec<_> = (book.positions.iter())
        .map(|row| (row.exchange.as_str(), row.product.as_str(), row.net_quantity, row.net_value))
        .collect();
    assert_eq!(
        rows,
        [
            ("BSE", "CNC", d("20"), d("-2020")),
            ("NFO", "NRML", d("-40"), d("4120")),
            ("NSE", "CNC", d("10"), d("-1000")),
            ("NSE", "MIS", d("-5"), d("510")),
        ]
    );
}

#[test]
fn a_sale_first_makes_a_short_lot_and_the_purchase_earns_its_difference_and_leaves_none() {
    let sold = Desk::default().fill("2025-06-16 10:00", NIFTY, "NRML", "S75@25100");
    assert_eq!(sold.book("2025-06-16 16:00").lots(), [(d("-75"), d("25100"))]);
    let bought = sold.fill("2025-06-17 10:00", NIFTY, "NRML", "B75@25000");
    let book = bought.book("2025-06-17 16:00");
    assert_eq!((book.realised(), book.lots()), (d("7500"), vec![]));
    assert_eq!(book.position("NIFTY", "NRML").net_quantity, d("0"));
    let again = bought.fill("2025-06-18 10:00", NIFTY, "NRML", "S75@25200").book("2025-06-18 16:00");
    assert_eq!((again.realised(), again.lots()), (d("7500"), vec![(d("-75"), d("25200"))]));
}

#[test]
fn a_position_is_what_was_carried_and_what_the_day_did_and_no_sum_over_a_lifetime() {
    let book = Desk::default()
        .fill("2025-06-12 10:00", NIFTY, "NRML", "B100@1000")
        .fill("2025-06-13 10:00", NIFTY, "NRML", "S60@1100")
        .fill("2025-06-16 10:00", NIFTY, "NRML", "B10@1200")
        .book("2025-06-16 16:00");
    let row = book.position("NIFTY", "NRML");
    assert_eq!((row.overnight_quantity, row.net_quantity), (d("40"), d("50")));
    assert_eq!((row.buy_quantity, row.sell_quantity), (d("50"), d("0")), "not 110 and 60");
    assert_eq!((row.buy_value, row.realised_pnl), (d("52000"), d("0")), "what Friday earned is Friday's");
}

#[test]
fn a_share_is_in_the_positions_or_in_the_holdings_and_never_in_both() {
    let desk = Desk::default().fill("2025-06-16 10:00", "NSE:TCS", "CNC", "B10@100").fill(
        "2025-06-16 10:01",
        "NSE:INFY",
        "MIS",
        "B7@1500",
    );
    let owned = |as_of: &str| {
        let book = desk.book(as_of);
        let mut in_positions: Vec<_> =
            book.positions.iter().map(|row| (row.symbol.clone(), row.net_quantity)).collect();
        in_positions.sort();
        let in_holdings: Vec<_> =
            book.holdings.iter().map(|row| (row.symbol.clone(), row.quantity)).collect();
        (in_positions, in_holdings)
    };
    let (tcs, infy) = (("TCS".to_owned(), d("10")), ("INFY".to_owned(), d("7")));
    assert_eq!(owned("2025-06-16 16:00"), (vec![infy.clone(), tcs.clone()], vec![]));
    assert_eq!(owned("2025-06-17 16:00"), (vec![infy], vec![tcs]), "intraday shares are no holding");
}

#[test]
fn the_day_in_india_decides_whatever_the_zone_of_the_host() {
    // Half past midnight on the 17th in India is still the 16th in UTC.
    let book = Desk::default()
        .fill("2025-06-16 22:00", GOLD, "NRML", "B3@100")
        .fill("2025-06-17 00:30", GOLD, "NRML", "B1@104")
        .multiplier(GOLD, "10")
        .book("2025-06-17 00:31");
    let row = book.position("GOLDM", "NRML");
    assert_eq!(book.view_day, day("2025-06-17"));
    assert_eq!((row.overnight_quantity, row.net_quantity), (d("3"), d("4")));
}

#[test]
fn what_is_owned_has_a_negative_net_value_with_its_multiplier() {
    let desk = Desk::default().fill("2025-06-16 10:00", GOLD, "NRML", "B3@100.05").multiplier(GOLD, "10");
    let row = desk.book("2025-06-16 16:00").position("GOLDM", "NRML").clone();
    assert_eq!((row.net_value, row.buy_value, row.multiplier), (d("-3001.5"), d("3001.5"), d("10")));
    let sold = desk.fill("2025-06-16 11:00", GOLD, "NRML", "S5@101").book("2025-06-16 16:00");
    assert_eq!(sold.position("GOLDM", "NRML").net_value, d("2048.5"));
}

#[test]
fn a_holding_costs_what_is_left_of_its_lots_and_not_the_average_of_all_that_was_ever_bought() {
    let book = Desk::default()
        .fill("2025-06-12 10:00", "NSE:TCS", "CNC", "B10@100")
        .fill("2025-06-13 10:00", "NSE:TCS", "CNC", "B10@200")
        .fill("2025-06-16 10:00", "NSE:TCS", "CNC", "S15@300")
        .book("2025-06-17 10:00");
    let row = book.holding("TCS");
    assert_eq!((row.quantity, row.avg_price), (d("5"), d("200")));
}

#[test]
fn three_times_ten_paise_are_thirty_paise() {
    let book = Desk::default()
        .fill("2025-06-16 10:00", "NSE:TCS", "CNC", "B1@0.1")
        .fill("2025-06-16 10:01", "NSE:TCS", "CNC", "B2@0.1")
        .book("2025-06-16 16:00");
    // In binary fractions 0.1 + 0.2 is 0.30000000000000004.
    assert_eq!(serde_json::to_string(&book.positions[0].buy_value).unwrap(), "0.3");
}

#[test]
fn a_lot_that_is_used_up_is_never_looked_at_again() {
    let lots_kept = |round_trips: u32| {
        let mut ledger = Ledger::new(day("2025-06-16"), Identities::default(), Arc::default());
        for number in 0..round_trips {
            for trade in ["B1@100", "S1@101"] {
                let fill = super::desk::fill("2025-06-16 10:00", NIFTY, "NRML", trade);
                ledger.apply(Fill { trade_id: Some(number.to_string().into()), ..fill }).unwrap();
            }
        }
        ledger.reach_view().unwrap();
        ledger.queues.iter().map(|queue| queue.lots.iter().count()).sum::<usize>()
    };
    assert_eq!((lots_kept(10), lots_kept(2_000)), (0, 0));
}
