//! Numbers worked out by hand, or shown by a broker for a real day.

use super::desk::{Desk, d, day, ist};
use crate::DiscrepancyKind;

const NIFTY: &str = "NFO@NIFTY@futures@25-JUN-2025";
const GOLD: &str = "MCX:GOLDGUINEA17DECFUT";
const LEAD: &str = "MCX:LEADMINI17DECFUT";

/// The order rows a deployment of the replaced system holds.
fn legacy() -> Desk {
    let with = |desk: Desk, strategy: &str| {
        let strategy = (!strategy.is_empty()).then(|| strategy.to_owned());
        desk.on(|terms| terms.strategy_id = strategy)
    };
    let desk =
        with(Desk::default().fill("2025-06-10 09:30", "NSE:RELIANCE", "CNC", "B10@2499.55"), "swing-1");
    let desk = with(desk.fill("2025-06-11 10:40", "NSE:RELIANCE", "CNC", "B5@2519.9"), "swing-1");
    let desk = with(desk.fill("2025-06-12 11:30", "NSE:RELIANCE", "CNC", "S8@2550.25"), "swing-1");
    let desk = with(desk.fill("2025-06-12 12:30", "NSE:M&M", "CNC", "B12@2998.4"), "");
    let desk = with(desk.fill("2025-06-16 10:00", NIFTY, "NRML", "S75@25101.5"), "index-1");
    with(desk.fill("2025-06-17 10:00", NIFTY, "NRML", "B150@24990"), "index-1")
}

#[test]
fn the_legacy_rows_on_the_day_after_the_last_trade() {
    let book = legacy().book("2025-06-18 23:59:59");
    assert_eq!(book.view_day, day("2025-06-18"));

    let reliance = book.holding("RELIANCE");
    assert_eq!((reliance.quantity, reliance.avg_price), (d("7"), d("2514.0857142857")));
    assert_eq!(reliance.strategy_id.as_deref(), Some("swing-1"));
    let mahindra = book.holding("M&M");
    assert_eq!((mahindra.quantity, mahindra.avg_price), (d("12"), d("2998.4")));
    assert_eq!((mahindra.strategy_id.as_deref(), mahindra.t1_qty), (None, d("0")));
    assert_eq!(book.holdings.len(), 2);

    let future = book.position("NIFTY", "NRML");
    assert_eq!((future.overnight_quantity, future.net_quantity), (d("75"), d("75")));
    assert_eq!((future.buy_quantity, future.buy_avg_price), (d("75"), d("24990")));
    assert_eq!((future.sell_quantity, future.sell_avg_price), (d("0"), d("0")));
    assert_eq!((future.direction, future.state, future.category), ("BUY", "OPEN", "NET"));
    assert_eq!((future.pnl, future.unrealised_pnl, future.realised_pnl), (None, None, d("0")));
    assert_eq!(future.strategy_id.as_deref(), Some("index-1"));
    assert_eq!(book.positions.len(), 1);
    assert_eq!(book.discrepancies, []);
}

#[test]
fn the_legacy_rows_on_the_day_the_future_was_turned() {
    let book = legacy().book("2025-06-17 23:59:59");
    let future = book.position("NIFTY", "NRML");
    assert_eq!((future.buy_quantity, future.sell_quantity), (d("150"), d("75")));
    assert_eq!((future.overnight_quantity, future.net_quantity), (d("-75"), d("75")));
    assert_eq!((future.realised_pnl, future.sell_avg_price), (d("8362.5"), d("25101.5")));
    assert_eq!(future.net_value, d("75") * d("25101.5") - d("150") * d("24990"));
}

#[test]
fn what_was_bought_the_trading_day_before_is_not_settled() {
    let book = legacy().book("2025-06-12 23:00");
    assert_eq!((book.holding("RELIANCE").quantity, book.holding("RELIANCE").t1_qty), (d("15"), d("5")));
    assert_eq!(book.position("RELIANCE", "CNC").net_quantity, d("-8"));
    assert_eq!(book.holdings.len(), 1, "what is bought today is a position");
    // 14 and 15 June are a weekend: Friday still sees Thursday's shares unsettled, Monday no longer.
    assert_eq!(legacy().book("2025-06-14 12:00").holding("M&M").t1_qty, d("12"));
    assert_eq!(legacy().book("2025-06-16 08:00").holding("M&M").t1_qty, d("0"));
}

/// A real day of a demo account: the broker's own answer for it is the expectation.
fn december() -> Desk {
    let on = |time: &str| format!("2017-12-28 {time}");
    Desk::default()
        .fill(&on("11:39:14"), GOLD, "NRML", "S3@23337")
        .fill(&on("12:00:28"), "NSE:SBIN", "CO", "B1@311")
        .fill(&on("13:08:49"), GOLD, "NRML", "B1@23388")
        .fill(&on("15:00:40"), "NSE:SBIN", "CO", "S1@309")
        .fill(&on("15:28:56"), GOLD, "NRML", "S1@23349")
        .fill(&on("19:28:27"), LEAD, "NRML", "B1@161.05")
        .fill(&on("19:37:12"), LEAD, "NRML", "S1@161.2")
        .ltp(GOLD, "23355")
        .close(GOLD, "23232")
        .multiplier(GOLD, "1")
        .ltp("NSE:SBIN", "308.4")
        .ltp(LEAD, "161.05")
        .close(LEAD, "0")
        .multiplier(LEAD, "1000")
}

#[test]
fn the_december_day_without_opening_lots() {
    let book = december().book("2017-12-28 19:30");
    let gold = book.position("GOLDGUINEA17DECFUT", "NRML");
    assert_eq!(
        (gold.net_quantity, gold.realised_pnl, gold.unrealised_pnl),
        (d("-3"), d("-51"), Some(d("-42")))
    );
    assert_eq!((gold.net_value, gold.pnl, gold.mtm), (d("69972"), Some(d("-93")), Some(d("-93"))));
    assert_eq!((gold.buy_avg_price, gold.sell_avg_price), (d("23388"), d("23340")));

    let sbin = book.position("SBIN", "CO");
    assert_eq!((sbin.net_quantity, sbin.pnl, sbin.realised_pnl), (d("0"), Some(d("-2")), d("-2")));
    assert_eq!((sbin.mtm, sbin.direction, sbin.state), (Some(d("-2")), "NONE", "CLOSED"));

    let lead = book.position("LEADMINI17DECFUT", "NRML");
    assert_eq!((lead.net_quantity, lead.multiplier, lead.net_value), (d("1"), d("1000"), d("-161050")));
    assert_eq!((lead.pnl, lead.mtm), (Some(d("0")), Some(d("0"))));
    assert_eq!((book.positions.len(), book.fills_seen), (3, 6));
    assert_eq!(book.discrepancies, []);
}

#[test]
fn the_december_day_with_three_carried_contracts() {
    let book = december().lot("2017-12-27 20:00", GOLD, "NRML", "3", "23057").book("2017-12-28 19:30");
    let gold = book.position("GOLDGUINEA17DECFUT", "NRML");
    assert_eq!((gold.net_quantity, gold.overnight_quantity), (d("0"), d("3")));
    assert_eq!((gold.realised_pnl, gold.unrealised_pnl), (d("801"), Some(d("0"))));
    assert_eq!((gold.pnl, gold.mtm, gold.net_value), (Some(d("801")), Some(d("276")), d("801")));
    assert_eq!((gold.buy_quantity, gold.buy_avg_price, gold.buy_value), (d("4"), d("23139.75"), d("92559")));
    assert_eq!(gold.state, "CLOSED");
}

#[test]
fn a_fill_after_the_instant_does_not_exist() {
    let book = december().book("2017-12-28 19:37:11");
    assert_eq!(book.position("LEADMINI17DECFUT", "NRML").net_quantity, d("1"));
    let book = december().book_at(ist("2017-12-28 19:37:12"));
    let lead = book.position("LEADMINI17DECFUT", "NRML");
    assert_eq!((lead.net_quantity, lead.realised_pnl), (d("0"), d("150")));
}

/// 100 held for years at 500; 100 bought at 1000 and sold at 1010 within a day.
#[test]
fn a_days_own_pairs_come_before_older_lots() {
    let desk = Desk::default()
        .fill("2025-06-16 10:00", "NSE:X", "CNC", "B100@500")
        .fill("2025-06-17 10:00", "NSE:X", "CNC", "B100@1000")
        .fill("2025-06-17 11:00", "NSE:X", "CNC", "S100@1010");
    let book = desk.book("2025-06-18 12:00");
    assert_eq!(book.realised(), d("1000"));
    assert_eq!((book.holding("X").quantity, book.holding("X").avg_price), (d("100"), d("500")));

    let same_day = desk.book("2025-06-17 12:00");
    assert_eq!(same_day.position("X", "CNC").realised_pnl, d("1000"));
    assert_eq!(same_day.position("X", "CNC").state, "CLOSED");
    assert_eq!(same_day.holding("X").quantity, d("100"));
}

#[test]
fn an_unknown_multiplier_counts_as_one_and_is_told() {
    let mut desk = december();
    desk.instruments.retain(|known| known.symbol != "LEADMINI17DECFUT");
    let book = desk.book("2017-12-28 19:30");
    let lead = book.position("LEADMINI17DECFUT", "NRML");
    assert_eq!((lead.multiplier, lead.net_value), (d("1"), d("-161.05")));
    assert_eq!(book.findings(), [("unknown_multiplier", "LEADMINI17DECFUT", None)]);
    assert_eq!(book.discrepancies[0].kind, DiscrepancyKind::UnknownMultiplier);
    assert_eq!(book.discrepancies[0].since, Some(ist("2017-12-28 19:28:27")));
}
