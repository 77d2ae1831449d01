//! One rule a test, small enough to be checked by eye.

use super::desk::{Desk, d, day, ist};
use crate::{LedgerError, realised};

const FUT: &str = "NFO@NIFTY@futures@25-JUN-2025";

#[test]
fn a_fill_across_zero_is_split_and_the_excess_opens_the_other_way() {
    let desk = Desk::default().fill("2025-06-16 10:00", FUT, "NRML", "B10@100").fill(
        "2025-06-16 11:00",
        FUT,
        "NRML",
        "S15@110",
    );
    let book = desk.book("2025-06-16 12:00");
    assert_eq!((book.realised(), book.lots()), (d("100"), vec![(d("-5"), d("110"))]));
    assert_eq!(book.position("NIFTY", "NRML").direction, "SELL");
}

#[test]
fn a_partly_used_lot_stays_at_the_front() {
    let desk = Desk::default()
        .fill("2025-06-16 10:00", FUT, "NRML", "B10@100")
        .fill("2025-06-16 11:00", FUT, "NRML", "B10@200")
        .fill("2025-06-16 12:00", FUT, "NRML", "S4@300")
        .fill("2025-06-16 13:00", FUT, "NRML", "S4@300");
    assert_eq!(desk.book("2025-06-16 14:00").lots(), [(d("2"), d("100")), (d("10"), d("200"))]);
}

#[test]
fn trade_ids_of_one_instant_count_as_numbers() {
    let trade = |desk: Desk, id: &str, trade: &str| {
        let id = Some(id.into());
        desk.fill("2025-06-16 10:00", FUT, "NRML", trade).with(|fill| fill.trade_id = id)
    };
    let desk = trade(trade(trade(Desk::default(), "10", "B1@300"), "9", "B1@100"), "11", "S1@500");
    assert_eq!(desk.book("2025-06-16 12:00").lots(), [(d("1"), d("300"))]);
}

#[test]
fn both_exchanges_of_one_isin_are_one_holding_named_by_the_latest_fill() {
    let desk = Desk::default()
        .fill("2025-06-16 10:00", "NSE:GET&D", "CNC", "B10@100")
        .on(|terms| terms.isin = Some("INE1".to_owned()))
        .fill("2025-06-17 10:00", "BSE:GVT&D", "CNC", "B10@200")
        .isin("BSE:GVT&D", "INE1")
        .ltp("BSE:GVT&D", "250");
    let book = desk.book("2025-06-18 10:00");
    let row = book.holding("GVT&D");
    assert_eq!((row.quantity, row.avg_price, row.t1_qty), (d("20"), d("150"), d("10")));
    assert_eq!((row.exchange.as_str(), row.isin.as_deref()), ("BSE", Some("INE1")));
    assert_eq!((row.ltp, row.currentvalue, row.pnl), (Some(d("250")), Some(d("5000")), Some(d("2000"))));
    assert_eq!(book.holdings.len(), 1);
}

#[test]
fn the_isin_of_a_row_may_come_from_another_row_of_its_key() {
    let desk = Desk::default()
        .fill("2025-06-16 10:00", "NSE:X", "CNC", "B10@100")
        .fill("2025-06-17 10:00", "NSE:X", "CNC", "B10@200")
        .on(|terms| terms.isin = Some("INE1".to_owned()));
    let book = desk.book("2025-06-18 10:00");
    assert_eq!((book.holdings.len(), book.holding("X").quantity), (1, d("20")));
    assert_eq!(desk.book("2025-06-16 20:00").open_lots[0].isin, None, "what is later is not known yet");
}

#[test]
fn a_sale_of_a_holding_is_a_negative_position_until_the_next_trading_day() {
    let desk = Desk::default()
        .fill("2025-06-12 10:00", "NSE:X", "CNC", "B10@100")
        .fill("2025-06-17 10:00", "NSE:X", "CNC", "S4@150")
        .ltp("NSE:X", "160");
    let book = desk.book("2025-06-17 12:00");
    let row = book.position("X", "CNC");
    assert_eq!((row.net_quantity, row.realised_pnl, row.pnl), (d("-4"), d("200"), Some(d("-40"))));
    assert_eq!(book.holding("X").quantity, d("10"));
    let book = desk.book("2025-06-18 12:00");
    assert_eq!((book.holding("X").quantity, book.positions.len()), (d("6"), 0));
}

#[test]
fn shares_sold_beyond_all_lots_have_an_unknown_cost_once_the_day_has_ended() {
    for product in ["CNC", "MIS"] {
        let desk = Desk::default().fill("2025-06-16 10:00", "NSE:X", "CNC", "B10@100").fill(
            "2025-06-17 10:00",
            "NSE:X",
            product,
            "S14@150",
        );
        assert_eq!(desk.book("2025-06-17 12:00").findings(), []);
        for as_of in ["2025-06-18 12:00", "2025-09-18 12:00"] {
            let book = desk.book(as_of);
            assert_eq!(book.findings(), [("unknown_cost", "X", Some(d("4")))], "it stays");
            assert_eq!(book.discrepancies[0].since, Some(ist("2025-06-17 10:00")));
            assert_eq!((book.realised(), book.holdings.len(), book.open_lots.len()), (d("500"), 0, 0));
        }
    }
}

#[test]
fn a_short_of_shares_bought_back_within_the_day_leaves_the_holding_alone() {
    let desk = Desk::default()
        .lot("2020-01-01 10:00", "NSE:X", "CNC", "10", "10")
        .fill("2025-06-17 10:00", "NSE:X", "CNC", "S4@150")
        .fill("2025-06-17 11:00", "NSE:X", "MIS", "B4@140");
    let book = desk.book("2025-06-18 12:00");
    assert_eq!((book.realised(), book.lots()), (d("40"), vec![(d("10"), d("10"))]));
    let today = desk.book("2025-06-17 12:00");
    assert_eq!(today.position("X", "CNC").realised_pnl, d("0"));
    assert_eq!(today.position("X", "MIS").realised_pnl, d("40"), "that of the closing fill");
}

#[test]
fn intraday_shares_left_over_night_are_carried_with_the_newest_lots() {
    let desk = Desk::default()
        .fill("2025-06-13 10:00", "NSE:X", "CNC", "B10@100")
        .fill("2025-06-16 10:00", "NSE:X", "MIS", "B5@200")
        .ltp("NSE:X", "210")
        .close("NSE:X", "205");
    assert_eq!(desk.book("2025-06-16 20:00").findings(), []);
    let book = desk.book("2025-06-17 10:00");
    let row = book.position("X", "MIS");
    assert_eq!((row.overnight_quantity, row.buy_avg_price), (d("5"), d("200")));
    assert_eq!((row.pnl, row.mtm, row.unrealised_pnl), (Some(d("50")), Some(d("25")), Some(d("50"))));
    assert_eq!((book.holding("X").quantity, book.holding("X").avg_price), (d("10"), d("100")));
    assert_eq!(book.findings(), [("mis_remainder", "X", Some(d("5")))]);
    assert_eq!(book.discrepancies[0].since, Some(ist("2025-06-16 10:00")));

    let squared = desk.fill("2025-06-17 11:00", "NSE:X", "MIS", "S5@220");
    let book = squared.book("2025-06-17 12:00");
    assert_eq!(book.position("X", "MIS").state, "CLOSED");
    assert_eq!(book.realised(), d("600"), "FIFO: of the oldest lots, whatever the product");
    assert_eq!(book.findings(), [("mis_remainder", "X", Some(d("5")))], "what the day was carried with");
    let book = squared.book("2025-06-18 12:00");
    assert_eq!((book.findings(), book.positions.len()), (vec![], 0));
    assert_eq!(book.holding("X").quantity, d("10"));
}

#[test]
fn intraday_shares_are_carried_only_as_far_as_there_are_lots() {
    // Of 5 bought intraday 3 were delivered against: the CNC sale took them inside the day.
    let desk = Desk::default().fill("2025-06-16 10:00", "NSE:X", "MIS", "B5@200").fill(
        "2025-06-16 11:00",
        "NSE:X",
        "CNC",
        "S3@210",
    );
    let book = desk.book("2025-06-17 10:00");
    assert_eq!(book.position("X", "MIS").overnight_quantity, d("2"));
    assert_eq!(book.holdings.len(), 0);
}

#[test]
fn what_is_bought_today_is_not_dealt_the_holdings_lots() {
    let desk = Desk::default()
        .fill("2025-06-13 10:00", "NSE:X", "CNC", "B100@10")
        .fill("2025-06-16 10:00", "NSE:X", "MIS", "B20@20")
        .fill("2025-06-17 10:00", "NSE:X", "CNC", "B50@30")
        .ltp("NSE:X", "40");
    let book = desk.book("2025-06-17 12:00");
    assert_eq!(book.position("X", "MIS").buy_avg_price, d("20"), "carried with the newest of the morning");
    // Now 70 lots are the rows': CNC is dealt first and gets the oldest of them.
    assert_eq!(book.position("X", "CNC").unrealised_pnl, Some(d("20") * d("20") + d("30") * d("10")));
    assert_eq!(book.position("X", "MIS").unrealised_pnl, Some(d("20") * d("10")));
    let total: rust_decimal::Decimal = book.positions.iter().map(|row| row.pnl.unwrap()).sum();
    assert_eq!(total, d("900"), "realised and unrealised of the queue");

    // The sale eats the holding's lots from the front and half of what is carried; the rest is still carried.
    let book = desk.fill("2025-06-17 11:00", "NSE:X", "CNC", "S160@35").book("2025-06-17 12:00");
    assert_eq!(book.lots(), [(d("10"), d("20"))]);
    assert_eq!((book.holding("X").quantity, book.position("X", "CNC").net_quantity), (d("100"), d("-110")));
    assert_eq!(book.position("X", "MIS").unrealised_pnl, Some(d("20") * d("20")));
}

#[test]
fn products_of_one_contract_share_the_queue_but_not_the_row() {
    let desk = Desk::default()
        .fill("2025-06-16 10:00", FUT, "NRML", "B100@1000")
        .fill("2025-06-17 10:00", FUT, "MIS", "B100@1100")
        .fill("2025-06-17 11:00", FUT, "MIS", "S100@1150")
        .ltp(FUT, "1200");
    let book = desk.book("2025-06-17 12:00");
    let (carried, intraday) = (book.position("NIFTY", "NRML"), book.position("NIFTY", "MIS"));
    assert_eq!((carried.overnight_quantity, carried.buy_avg_price), (d("100"), d("1000")));
    assert_eq!((carried.realised_pnl, carried.unrealised_pnl), (d("0"), Some(d("10000"))));
    assert_eq!((intraday.state, intraday.realised_pnl), ("CLOSED", d("15000")));
    let pnl = carried.pnl.unwrap() + intraday.pnl.unwrap();
    assert_eq!(pnl, d("25000"), "realised and unrealised of the queue");
    let tomorrow = desk.book("2025-06-18 12:00");
    assert_eq!(tomorrow.position("NIFTY", "NRML").buy_avg_price, d("1100"));
}

#[test]
fn a_contract_long_in_one_product_and_short_in_another_is_costed_by_each_rows_own_fills() {
    let desk = Desk::default().fill("2025-06-16 10:00", FUT, "NRML", "B75@1000").fill(
        "2025-06-16 11:00",
        FUT,
        "MIS",
        "S75@1010",
    );
    let book = desk.book("2025-06-17 12:00");
    let (long, short) = (book.position("NIFTY", "NRML"), book.position("NIFTY", "MIS"));
    assert_eq!((long.overnight_quantity, long.buy_avg_price), (d("75"), d("1000")));
    assert_eq!((short.overnight_quantity, short.sell_avg_price), (d("-75"), d("1010")));
    assert_eq!((book.realised(), book.open_lots.len()), (d("750"), 0));
    assert_eq!(book.findings(), [("mis_remainder", "NIFTY", Some(d("75")))]);
}

#[test]
fn a_contract_past_its_expiry_stays_and_is_told() {
    let desk = Desk::default()
        .fill("2025-06-16 10:00", FUT, "NRML", "S75@1000")
        .fill("2025-06-16 11:00", "NFO@NIFTY@options@25-JUN-2025@put@24000", "NRML", "B75@10")
        .fill("2025-06-17 11:00", "NFO@NIFTY@options@25-JUN-2025@put@24000", "NRML", "S75@10");
    assert_eq!(desk.book("2025-06-25 20:00").findings(), []);
    let book = desk.book("2025-06-26 08:00");
    assert_eq!(book.findings(), [("expired_unsettled", "NIFTY", Some(d("-75")))]);
    assert_eq!(book.discrepancies[0].since, Some(ist("2025-06-16 10:00")));
    assert_eq!(book.positions.len(), 1);
    assert_eq!(book.positions[0].state, "OPEN");
}

#[test]
fn the_instruments_row_knows_the_expiry_better_than_the_key() {
    let mut desk = Desk::default().fill("2025-06-16 10:00", FUT, "NRML", "S75@1000").ltp(FUT, "1");
    desk.instruments[0].expiry = Some(day("2025-06-24"));
    assert_eq!(desk.book("2025-06-25 20:00").findings().len(), 1);
}

#[test]
fn a_fill_without_a_price_stops_its_queue_and_no_other() {
    let desk = Desk::default()
        .fill("2025-06-16 10:00", "NSE:X", "CNC", "B10@100")
        .fill("2025-06-17 10:00", "NSE:X", "CNC", "B5@0")
        .fill("2025-06-17 11:00", "NSE:X", "CNC", "S10@120")
        .fill("2025-06-17 11:00", "NSE:Y", "CNC", "B1@7");
    let book = desk.book("2025-06-18 12:00");
    assert_eq!(book.findings(), [("no_price", "X", Some(d("5")))]);
    assert_eq!((book.holding("X").quantity, book.holding("Y").quantity), (d("10"), d("1")));
    assert_eq!((book.fills_seen, book.view_day), (4, day("2025-06-18")));
}

#[test]
fn fractional_rows_are_withheld_and_named() {
    let desk = Desk::default()
        .fill("2025-06-16 10:00", "NSE:X", "CNC", "B10.5@100")
        .fill("2025-06-17 10:00", "NSE:X", "MIS", "B1@100")
        .fill("2025-06-17 10:00", "NSE:Y", "CNC", "B1@100");
    let book = desk.book("2025-06-17 12:00");
    assert_eq!(book.findings(), [("fraction", "X", Some(d("10.5")))]);
    assert_eq!(book.positions.iter().map(|row| row.symbol.as_str()).collect::<Vec<_>>(), ["Y"]);
    assert_eq!(
        (book.holdings.len(), book.open_lots.len()),
        (0, 3),
        "lots are exact whatever a column can hold"
    );
    assert!(book.withheld[0].instrument_keys.contains("NSE@X@equities"));
}

#[test]
fn an_opening_lot_exists_from_its_day_on_whatever_its_hour() {
    let desk = Desk::default().lot("2025-06-17 15:00", "NSE:X", "CNC", "10", "0");
    assert_eq!(desk.book("2025-06-16 20:00").holdings.len(), 0);
    let book = desk.book("2025-06-17 09:00");
    assert_eq!((book.holding("X").quantity, book.holding("X").avg_price), (d("10"), d("0")));
    assert_eq!(book.holding("X").t1_qty, d("0"));
}

#[test]
fn an_opening_lot_is_never_matched_as_if_it_were_traded_on_its_day() {
    let desk = Desk::default()
        .lot("2025-06-17 09:00", "NSE:X", "CNC", "10", "50")
        .fill("2025-06-17 10:00", "NSE:X", "CNC", "B10@100")
        .fill("2025-06-17 11:00", "NSE:X", "CNC", "S10@110");
    assert_eq!(desk.book("2025-06-18 12:00").realised(), d("100"));
}

#[test]
fn a_negative_opening_lot_of_shares_is_an_unknown_cost() {
    let desk = Desk::default().lot("2025-06-16 09:00", "NSE:X", "CNC", "-10", "50");
    assert_eq!(desk.book("2025-06-16 20:00").findings(), []);
    assert_eq!(desk.book("2025-06-17 20:00").findings(), [("unknown_cost", "X", Some(d("10")))]);
}

#[test]
fn opening_lots_of_both_signs_do_not_match_each_other() {
    let desk = Desk::default()
        .lot("2025-06-13 10:00", FUT, "NRML", "10", "100")
        .lot("2025-06-13 10:00", FUT, "MIS", "-4", "120")
        .fill("2025-06-16 10:00", FUT, "MIS", "B4@110");
    let before = desk.book("2025-06-16 09:00");
    assert_eq!((before.open_lots.len(), before.closings.len()), (2, 0));
    assert_eq!(before.position("NIFTY", "NRML").buy_avg_price, d("100"));
    assert_eq!(before.position("NIFTY", "MIS").sell_avg_price, d("120"));
    let after = desk.book("2025-06-16 12:00");
    assert_eq!((after.realised(), after.lots()), (d("40"), vec![(d("10"), d("100"))]));
}

#[test]
fn margin_lots_alone_are_an_mtf_holding() {
    let desk = Desk::default().fill("2025-06-16 10:00", "NSE:X", "MTF", "B10@100");
    assert_eq!(desk.book("2025-06-17 10:00").holding("X").product, "MTF");
    let desk = desk.fill("2025-06-16 11:00", "NSE:X", "CNC", "B1@100");
    assert_eq!(desk.book("2025-06-17 10:00").holding("X").product, "CNC");
}

#[test]
fn what_is_not_needed_is_not_missing_and_what_is_needed_is_unknown() {
    let desk = Desk::default().fill("2025-06-16 10:00", FUT, "NRML", "B2@100").fill(
        "2025-06-16 11:00",
        FUT,
        "NRML",
        "S1@110",
    );
    let open = desk.book("2025-06-16 11:30");
    assert_eq!((open.positions[0].pnl, open.positions[0].mtm), (None, None));
    assert_eq!((open.positions[0].unrealised_pnl, open.positions[0].realised_pnl), (None, d("10")));
    let flat = desk.fill("2025-06-16 12:00", FUT, "NRML", "S1@120").ltp(FUT, "0").book("2025-06-16 13:00");
    let row = &flat.positions[0];
    assert_eq!((row.pnl, row.mtm, row.ltp), (Some(d("30")), Some(d("30")), None));
    assert_eq!((row.unrealised_pnl, row.realised_pnl), (Some(d("0")), d("30")));
}

#[test]
fn a_strategy_is_named_only_if_everything_behind_the_row_is_its_own() {
    let of = |strategy: Option<&str>| {
        let strategy = strategy.map(str::to_owned);
        Desk::default()
            .fill("2025-06-16 10:00", FUT, "NRML", "B1@100")
            .on(|terms| terms.strategy_id = Some("a".to_owned()))
            .fill("2025-06-17 10:00", FUT, "NRML", "B1@100")
            .on(|terms| terms.strategy_id = strategy)
            .book("2025-06-17 11:00")
    };
    assert_eq!(of(Some("a")).positions[0].strategy_id.as_deref(), Some("a"));
    assert_eq!(of(Some("b")).positions[0].strategy_id, None);
    assert_eq!(of(None).positions[0].strategy_id, None);
}

#[test]
fn realised_profit_is_told_per_instrument_and_range_of_days() {
    let desk = Desk::default()
        .fill("2025-06-12 10:00", "NSE:X", "CNC", "B10@100")
        .fill("2025-06-16 10:00", "NSE:X", "CNC", "S4@150")
        .fill("2025-06-17 10:00", "BSE:X2", "CNC", "S6@160")
        .isin("NSE:X", "INE1")
        .isin("BSE:X2", "INE1")
        .fill("2025-06-17 10:00", "MCX:LEAD", "NRML", "S2@100.5")
        .fill("2025-06-17 11:00", "MCX:LEAD", "NRML", "B1@100")
        .multiplier("MCX:LEAD", "1000");
    let closings = desk.book("2025-06-18 10:00").closings;
    let rows = realised(&closings, None, None).unwrap();
    let [share, lead] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((share.symbol.as_str(), share.isin.as_deref()), ("X2", Some("INE1")));
    assert_eq!((share.quantity, share.realised_pnl), (d("10"), d("560")));
    assert_eq!((share.buy_value, share.sell_value), (d("1000"), d("1560")));
    assert_eq!((lead.quantity, lead.buy_value, lead.sell_value), (d("1"), d("100000"), d("100500")));
    assert_eq!((lead.realised_pnl, lead.isin.as_deref()), (d("500"), None));

    let on = |from, to| realised(&closings, Some(day(from)), Some(day(to))).unwrap();
    assert_eq!(on("2025-06-16", "2025-06-16")[0].realised_pnl, d("200"));
    assert_eq!(on("2025-06-16", "2025-06-16")[0].symbol, "X2", "names are of the latest fill of all");
    assert_eq!(on("2025-06-18", "2025-06-30"), []);
}

#[test]
fn rows_serialize_by_the_column_names_with_exact_numbers() {
    let desk = Desk::default().fill("2025-06-16 10:00", "NSE:X", "CNC", "B3@100.10").fill(
        "2025-06-17 10:00",
        "NSE:X",
        "CNC",
        "B1@0.123456789012345678",
    );
    let book = desk.book("2025-06-17 11:00");
    let row = serde_json::to_string(&book.positions[0]).unwrap();
    assert!(row.contains(r#""type":"CNC","buy_quantity":1,"#), "{row}");
    assert!(row.contains(r#""buy_value":0.123456789012345678,"#), "{row}");
    assert!(row.contains(r#""buy_avg_price":0.123456789,"#), "{row}");
    assert!(row.contains(r#""ltp":null"#), "{row}");
    let row = serde_json::to_string(&book.holdings[0]).unwrap();
    assert!(
        row.contains(r#""quantity":3,"totalqty":3,"t1_qty":3,"product":"CNC","avg_price":100.1,"#),
        "{row}"
    );
}

#[test]
fn numbers_too_large_are_an_error_that_names_the_instrument() {
    let huge = "79228162514264337593543950335";
    let desk = Desk::default().fill("2025-06-16 10:00", FUT, "NRML", &format!("B{huge}@{huge}")).fill(
        "2025-06-16 11:00",
        FUT,
        "NRML",
        &format!("B{huge}@{huge}"),
    );
    let error = desk.try_book(ist("2025-06-17 10:00")).unwrap_err();
    assert_eq!(error, LedgerError::Overflow { instrument_key: FUT.to_owned() });
}

#[test]
fn an_account_without_anything_has_an_empty_book() {
    let book = Desk::default().book("2025-06-17 10:00");
    assert_eq!((book.view_day, book.fills_seen), (day("2025-06-17"), 0));
    assert!(book.positions.is_empty() && book.holdings.is_empty() && book.discrepancies.is_empty());
}
