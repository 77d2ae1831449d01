//! The worked examples of `COUNTING.md`, in its order and with its numbers.

use rust_decimal::Decimal;

use super::desk::{Desk, d, day};
use crate::{Book, CorporateAction, CorporateActionKind, realised};

const NIFTY: &str = "NFO@NIFTY@futures@26-JUN-2025";
const LEAD: &str = "MCX:LEADMINI";

impl Book {
    /// Quantity and price of each holding.
    fn held(&self, symbol: &str) -> (Decimal, Decimal) {
        let row = self.holding(symbol);
        (row.quantity, row.avg_price)
    }
}

/// Example 1.
#[test]
fn the_filled_part_of_a_cancelled_order_counts_at_its_own_prices() {
    let book = Desk::default()
        .fill("2025-06-16 10:00", "NSE:TCS", "CNC", "B30@250.10")
        .fill("2025-06-16 10:05", "NSE:TCS", "CNC", "B20@250.20")
        .book("2025-06-17 10:00");
    assert_eq!(book.held("TCS"), (d("50"), d("250.14")));
}

/// Example 2.
#[test]
fn a_fill_without_a_price_makes_its_share_wait_and_no_other() {
    let book = Desk::default()
        .fill("2025-06-16 10:00", "NSE:TCS", "CNC", "B10@100")
        .fill("2025-06-17 10:00", "NSE:TCS", "CNC", "B5@0")
        .fill("2025-06-17 11:00", "NSE:TCS", "CNC", "S10@120")
        .fill("2025-06-17 12:00", "NSE:INFY", "CNC", "B1@1500")
        .book("2025-06-18 10:00");
    assert_eq!((book.held("TCS"), book.held("INFY")), ((d("10"), d("100")), (d("1"), d("1500"))));
    assert_eq!((book.findings(), book.realised()), (vec![("no_price", "TCS", Some(d("5")))], d("0")));
}

/// Example 3.
#[test]
fn within_a_second_the_smaller_trade_number_was_first() {
    let trade = |desk: Desk, id: &str, trade: &str| {
        desk.fill("2025-06-16 10:00", "NSE:TCS", "CNC", trade).with(|fill| fill.trade_id = Some(id.into()))
    };
    let desk = trade(trade(Desk::default(), "10", "B1@300"), "9", "B1@100");
    let book = desk.fill("2025-06-16 10:01", "NSE:TCS", "CNC", "S1@500").book("2025-06-17 10:00");
    assert_eq!((book.realised(), book.held("TCS")), (d("400"), (d("1"), d("300"))));
}

/// Example 4: 15 August 2025 is a Friday.
#[test]
fn a_holiday_and_a_weekend_keep_the_view_on_thursday_until_monday_at_eight() {
    let mut desk = Desk::default().fill("2025-08-14 10:00", "NSE:TCS", "CNC", "B10@100");
    desk.holidays.insert(day("2025-08-15"));
    for as_of in ["2025-08-15 12:00", "2025-08-18 07:59"] {
        let book = desk.book(as_of);
        assert_eq!(book.view_day, day("2025-08-14"));
        assert_eq!((book.position("TCS", "CNC").net_quantity, book.holdings.len()), (d("10"), 0));
    }
    for (as_of, unsettled) in [("2025-08-18 08:00", "10"), ("2025-08-19 08:00", "0")] {
        let book = desk.book(as_of);
        assert_eq!((book.positions.len(), book.holding("TCS").quantity), (0, d("10")));
        assert_eq!(book.holding("TCS").t1_qty, d(unsettled));
    }
}

/// Example 5: 1 February 2025 is a Saturday on which the market was open.
#[test]
fn a_special_session_is_a_trading_day_of_the_accounts_that_traded_in_it() {
    let quiet = Desk::default().fill("2025-01-31 10:00", "NSE:TCS", "CNC", "B10@100");
    let busy = quiet.clone().fill("2025-02-01 11:00", "NSE:INFY", "CNC", "B1@1500");
    let saturday = quiet.book("2025-02-01 12:00");
    assert_eq!((saturday.view_day, saturday.holdings.len()), (day("2025-01-31"), 0));
    let saturday = busy.book("2025-02-01 12:00");
    assert_eq!(saturday.view_day, day("2025-02-01"));
    let unsettled = |book: &Book| (book.holding("TCS").quantity, book.holding("TCS").t1_qty);
    assert_eq!(unsettled(&saturday), (d("10"), d("10")));
    let monday = [&quiet, &busy].map(|desk| unsettled(&desk.book("2025-02-03 08:00")));
    assert_eq!(monday, [(d("10"), d("10")), (d("10"), d("0"))]);
}

/// Example 6.
#[test]
fn what_is_bought_and_sold_within_a_day_never_touches_older_shares() {
    let book = Desk::default()
        .fill("2025-06-16 10:00", "NSE:TCS", "CNC", "B100@500")
        .fill("2025-06-17 10:00", "NSE:TCS", "CNC", "B100@1000")
        .fill("2025-06-17 11:00", "NSE:TCS", "CNC", "S100@1010")
        .book("2025-06-18 10:00");
    assert_eq!((book.realised(), book.held("TCS")), (d("1000"), (d("100"), d("500"))));
    // Were it one queue over days, as a contract is, it would come out as plain FIFO.
    let plain = Desk::default()
        .fill("2025-06-16 10:00", NIFTY, "NRML", "B100@500")
        .fill("2025-06-17 10:00", NIFTY, "NRML", "B100@1000")
        .fill("2025-06-17 11:00", NIFTY, "NRML", "S100@1010")
        .book("2025-06-18 10:00");
    assert_eq!((plain.realised(), plain.lots()), (d("51000"), vec![(d("100"), d("1000"))]));
}

/// Example 7.
#[test]
fn a_days_buys_and_sales_pair_first_in_first_out_whatever_their_products() {
    let book = Desk::default()
        .fill("2025-06-16 10:00", "NSE:IDEA", "CNC", "B1@3.45")
        .fill("2025-06-16 10:01", "NSE:IDEA", "MIS", "B1@3.65")
        .fill("2025-06-16 10:02", "NSE:IDEA", "MIS", "S1@3.90")
        .fill("2025-06-16 10:03", "NSE:IDEA", "MIS", "B1@4.00")
        .fill("2025-06-16 10:04", "NSE:IDEA", "MIS", "S1@4.05")
        .book("2025-06-17 10:00");
    let pairs: Vec<_> = book.closings.iter().map(|pair| (pair.entry_price, pair.exit_price)).collect();
    assert_eq!(pairs, [(d("3.45"), d("3.9")), (d("3.65"), d("4.05"))]);
    assert_eq!((book.realised(), book.held("IDEA")), (d("0.85"), (d("1"), d("4"))));
    assert_eq!((book.positions.len(), book.findings()), (0, vec![]));
}

/// Example 8.
#[test]
fn shares_sold_and_bought_back_on_one_day_leave_the_holding_alone_but_for_the_row_they_stand_in() {
    let sold = Desk::default().fill("2025-06-12 10:00", "NSE:TCS", "CNC", "B10@100").fill(
        "2025-06-17 10:00",
        "NSE:TCS",
        "CNC",
        "S4@150",
    );
    let book = sold.clone().fill("2025-06-17 11:00", "NSE:TCS", "CNC", "B4@140").book("2025-06-18 10:00");
    assert_eq!((book.realised(), book.held("TCS"), book.findings()), (d("40"), (d("10"), d("100")), vec![]));
    let book = sold.fill("2025-06-17 11:00", "NSE:TCS", "MIS", "B4@140").book("2025-06-18 10:00");
    assert_eq!((book.realised(), book.held("TCS")), (d("40"), (d("6"), d("100"))));
    assert_eq!(book.position("TCS", "MIS").overnight_quantity, d("4"));
    assert_eq!(book.findings(), [("mis_remainder", "TCS", Some(d("4")))]);
}

/// Shares bought on both exchanges, and two sales from them.
fn both_exchanges() -> Desk {
    Desk::default()
        .fill("2025-06-10 10:00", "NSE:INFY", "CNC", "B60@1400")
        .fill("2025-06-11 10:00", "BSE:INFY", "CNC", "B40@1500")
        .fill("2025-06-16 10:00", "NSE:INFY", "CNC", "S50@1600")
        .fill("2025-06-17 10:00", "NSE:INFY", "CNC", "S30@1650")
        .isin("NSE:INFY", "INE009A01021")
        .isin("BSE:INFY", "INE009A01021")
}

/// Example 9.
#[test]
fn the_oldest_shares_are_sold_first_on_whichever_exchange_they_were_bought() {
    let book = both_exchanges().book("2025-06-18 10:00");
    let pairs: Vec<_> =
        book.closings.iter().map(|lot| (lot.quantity, lot.entry_price, lot.realised_pnl)).collect();
    let (second, third) = ((d("10"), d("1400"), d("2500")), (d("20"), d("1500"), d("3000")));
    assert_eq!(pairs, [(d("50"), d("1400"), d("10000")), second, third]);
    assert_eq!((book.holdings.len(), book.held("INFY")), (1, (d("20"), d("1500"))));
}

/// Example 10.
#[test]
fn a_purchase_is_a_position_then_unsettled_then_a_holding_and_a_sale_goes_the_way_back() {
    let desk = Desk::default()
        .fill("2025-06-16 10:00", "NSE:TCS", "CNC", "B10@100")
        .fill("2025-06-18 10:00", "NSE:TCS", "CNC", "S4@150")
        .ltp("NSE:TCS", "160");
    let monday = desk.book("2025-06-16 16:00");
    assert_eq!((monday.position("TCS", "CNC").net_quantity, monday.holdings.len()), (d("10"), 0));
    let tuesday = desk.book("2025-06-17 16:00");
    assert_eq!((tuesday.positions.len(), tuesday.holding("TCS").t1_qty), (0, d("10")));
    let wednesday = desk.book("2025-06-18 16:00");
    let row = wednesday.position("TCS", "CNC");
    assert_eq!((row.net_quantity, row.realised_pnl, row.pnl), (d("-4"), d("200"), Some(d("-40"))));
    assert_eq!((wednesday.holding("TCS").quantity, wednesday.holding("TCS").t1_qty), (d("10"), d("0")));
    let thursday = desk.book("2025-06-19 16:00");
    assert_eq!((thursday.positions.len(), thursday.held("TCS")), (0, (d("6"), d("100"))));
}

/// Example 11.
#[test]
fn shares_sold_beyond_all_lots_are_a_finding_and_neither_a_profit_nor_a_short() {
    let desk = Desk::default().fill("2025-06-16 10:00", "NSE:TCS", "CNC", "B10@100");
    let desk = desk.fill("2025-06-17 10:00", "NSE:TCS", "CNC", "S14@150");
    assert_eq!(desk.book("2025-06-17 16:00").findings(), []);
    let book = desk.book("2025-06-18 10:00");
    assert_eq!(book.findings(), [("unknown_cost", "TCS", Some(d("4")))]);
    assert_eq!((book.realised(), book.holdings.len(), book.open_lots.len()), (d("500"), 0, 0));
}

/// Example 12.
#[test]
fn intraday_shares_left_over_night_stay_in_their_row_with_the_newest_lots() {
    let desk = Desk::default().fill("2025-06-13 10:00", "NSE:TCS", "CNC", "B10@100").fill(
        "2025-06-16 10:00",
        "NSE:TCS",
        "MIS",
        "B5@200",
    );
    let book = desk.book("2025-06-17 10:00");
    let row = book.position("TCS", "MIS");
    assert_eq!((row.overnight_quantity, row.buy_avg_price), (d("5"), d("200")));
    assert_eq!(book.held("TCS"), (d("10"), d("100")));
    assert_eq!(book.findings(), [("mis_remainder", "TCS", Some(d("5")))]);
    let book = desk.fill("2025-06-17 11:00", "NSE:TCS", "MIS", "S5@220").book("2025-06-18 10:00");
    assert_eq!((book.realised(), book.findings()), (d("600"), vec![]));
    assert_eq!((book.positions.len(), book.held("TCS")), (0, (d("10"), d("150"))));
}

/// Example 13.
#[test]
fn margin_shares_are_delivered_and_their_holding_is_marked_while_all_of_it_is_margin() {
    let desk = Desk::default().fill("2025-06-16 10:00", "NSE:TCS", "MTF", "B10@100");
    let book = desk.book("2025-06-17 10:00");
    assert_eq!((book.holding("TCS").product.as_str(), book.held("TCS")), ("MTF", (d("10"), d("100"))));
    let book = desk.fill("2025-06-17 10:00", "NSE:TCS", "CNC", "B10@120").book("2025-06-18 10:00");
    assert_eq!((book.holding("TCS").product.as_str(), book.held("TCS")), ("CNC", (d("20"), d("110"))));
}

/// Example 14.
#[test]
fn a_contract_is_one_queue_over_days() {
    let book = Desk::default()
        .fill("2025-06-16 10:00", NIFTY, "NRML", "B75@11000")
        .fill("2025-06-17 10:00", NIFTY, "NRML", "B75@11100")
        .fill("2025-06-17 11:00", NIFTY, "NRML", "S75@11050")
        .book("2025-06-17 16:00");
    assert_eq!((book.realised(), book.lots()), (d("3750"), vec![(d("75"), d("11100"))]));
}

/// Example 15.
#[test]
fn a_contract_is_one_queue_over_products_too() {
    let desk = Desk::default()
        .fill("2018-08-09 10:00", "NFO:INDUSINDBK18AUGFUT", "NRML", "S1@1354.85")
        .fill("2018-08-13 10:00", "NFO:INDUSINDBK18AUGFUT", "MIS", "B1@1373.75")
        .fill("2018-08-13 11:00", "NFO:INDUSINDBK18AUGFUT", "MIS", "S1@1374.20");
    let today = desk.book("2018-08-13 16:00");
    assert_eq!((today.realised(), today.position("INDUSINDBK18AUGFUT", "MIS").state), (d("-18.9"), "CLOSED"));
    let tomorrow = desk.book("2018-08-14 10:00");
    let row = tomorrow.position("INDUSINDBK18AUGFUT", "NRML");
    assert_eq!((row.net_quantity, row.sell_avg_price), (d("-1"), d("1374.2")));
}

/// Example 16.
#[test]
fn a_purchase_across_zero_closes_the_short_and_opens_a_long() {
    let book = Desk::default()
        .fill("2025-06-16 10:00", NIFTY, "NRML", "S75@25101.50")
        .fill("2025-06-17 10:00", NIFTY, "NRML", "B150@24990")
        .book("2025-06-17 16:00");
    let row = book.position("NIFTY", "NRML");
    assert_eq!((row.overnight_quantity, row.net_quantity), (d("-75"), d("75")));
    assert_eq!((row.buy_quantity, row.sell_quantity), (d("150"), d("75")));
    assert_eq!((book.realised(), book.lots()), (d("8362.5"), vec![(d("75"), d("24990"))]));
}

/// Example 17.
#[test]
fn a_contract_long_in_one_product_and_short_in_another_has_two_rows_and_no_open_lot() {
    let book = Desk::default()
        .fill("2025-06-16 10:00", NIFTY, "NRML", "B75@25000")
        .fill("2025-06-16 11:00", NIFTY, "MIS", "S75@25010")
        .book("2025-06-17 10:00");
    let (long, short) = (book.position("NIFTY", "NRML"), book.position("NIFTY", "MIS"));
    assert_eq!((long.overnight_quantity, long.buy_avg_price), (d("75"), d("25000")));
    assert_eq!((short.overnight_quantity, short.sell_avg_price), (d("-75"), d("25010")));
    assert_eq!((book.realised(), book.open_lots.len()), (d("750"), 0));
    assert_eq!(book.findings(), [("mis_remainder", "NIFTY", Some(d("75")))]);
}

/// Example 18.
#[test]
fn an_expired_contract_stays_until_its_settlement_is_entered_as_a_trade() {
    let desk = Desk::default().fill("2025-06-16 10:00", NIFTY, "NRML", "S75@25000");
    assert_eq!(desk.book("2025-06-26 20:00").findings(), []);
    let book = desk.book("2025-06-27 08:00");
    assert_eq!(book.findings(), [("expired_unsettled", "NIFTY", Some(d("-75")))]);
    assert_eq!((book.position("NIFTY", "NRML").state, book.realised()), ("OPEN", d("0")));
    let book = desk.fill("2025-06-26 15:30", NIFTY, "NRML", "B75@24900").book("2025-06-27 08:00");
    assert_eq!((book.findings(), book.positions.len(), book.realised()), (vec![], 0, d("7500")));
}

/// Example 19.
#[test]
fn a_lot_of_a_commodity_counts_with_its_multiplier_and_with_one_where_that_is_unknown() {
    let desk = Desk::default().fill("2025-06-16 18:00", LEAD, "NRML", "B1@161.05").fill(
        "2025-06-16 19:00",
        LEAD,
        "NRML",
        "S1@161.20",
    );
    let unknown = desk.book("2025-06-16 20:00");
    assert_eq!(unknown.position("LEADMINI", "NRML").realised_pnl, d("0.15"));
    assert_eq!(unknown.findings(), [("unknown_multiplier", "LEADMINI", None)]);
    let known = desk.multiplier(LEAD, "1000").book("2025-06-16 20:00");
    assert_eq!((known.position("LEADMINI", "NRML").realised_pnl, known.findings()), (d("150"), vec![]));
}

/// Example 20.
#[test]
fn an_opening_lot_gives_a_sale_its_cost() {
    let desk = Desk::default().fill("2025-06-16 10:00", "NSE:TCS", "CNC", "S40@410");
    let without = desk.book("2025-06-17 10:00");
    assert_eq!(
        (without.findings(), without.realised()),
        (vec![("unknown_cost", "TCS", Some(d("40")))], d("0"))
    );
    let with = desk.lot("2021-03-05 00:00", "NSE:TCS", "CNC", "100", "350").book("2025-06-17 10:00");
    assert_eq!(
        (with.findings(), with.realised(), with.held("TCS")),
        (vec![], d("2400"), (d("60"), d("350")))
    );
}

/// Example 21.
#[test]
fn an_opening_lot_dated_today_is_no_trade_of_today() {
    let book = Desk::default()
        .lot("2025-06-17 00:00", "NSE:TCS", "CNC", "10", "50")
        .fill("2025-06-17 10:00", "NSE:TCS", "CNC", "B10@100")
        .fill("2025-06-17 11:00", "NSE:TCS", "CNC", "S10@110")
        .book("2025-06-18 10:00");
    assert_eq!((book.realised(), book.held("TCS")), (d("100"), (d("10"), d("50"))));
}

/// Ten shares at 100, bought on a Thursday; what happens to them on the Tuesday after.
fn ten(kind: CorporateActionKind, change: impl FnOnce(&mut CorporateAction)) -> Desk {
    let mut action = CorporateAction {
        isin: "INE1".to_owned(),
        kind,
        ex_date: day("2025-06-17"),
        factor: None,
        new_isin: None,
        cost_fraction: None,
    };
    change(&mut action);
    let desk = Desk::default().fill("2025-06-12 10:00", "NSE:OLD", "CNC", "B10@100");
    let desk = desk.isin("NSE:OLD", "INE1").isin("NSE:NEW", "INE2");
    Desk { actions: vec![action], ..desk }
}

/// Example 22.
#[test]
fn a_split_divides_the_price_from_eight_on_its_ex_date_and_sales_of_that_day_are_in_new_shares() {
    let desk = ten(CorporateActionKind::Split, |action| action.factor = Some(d("5")));
    assert_eq!(desk.book("2025-06-17 07:59").held("OLD"), (d("10"), d("100")));
    assert_eq!(desk.book("2025-06-17 08:00").held("OLD"), (d("50"), d("20")));
    let sold = desk.fill("2025-06-17 10:00", "NSE:OLD", "CNC", "S15@30").book("2025-06-18 10:00");
    assert_eq!((sold.realised(), sold.held("OLD")), (d("150"), (d("35"), d("20"))));
}

/// Example 23.
#[test]
fn a_bonus_spreads_the_cost_over_more_shares() {
    let desk = ten(CorporateActionKind::Bonus, |action| action.factor = Some(d("2")));
    assert_eq!(desk.book("2025-06-17 10:00").held("OLD"), (d("20"), d("50")));
}

/// Example 24.
#[test]
fn a_rename_changes_the_isin_and_nothing_else() {
    let desk = ten(CorporateActionKind::Rename, |action| action.new_isin = Some("INE2".to_owned()));
    let book = desk.fill("2025-06-17 10:00", "NSE:NEW", "CNC", "S4@150").book("2025-06-18 10:00");
    assert_eq!((book.realised(), book.holdings.len()), (d("200"), 1));
    assert_eq!((book.held("NEW"), book.findings()), ((d("6"), d("100")), vec![]));
    assert_eq!(book.holding("NEW").isin.as_deref(), Some("INE2"));
}

/// Example 25.
#[test]
fn a_merger_exchanges_shares_at_their_whole_cost_and_keeps_their_dates() {
    let desk = ten(CorporateActionKind::Merger, |action| {
        (action.factor, action.new_isin) = (Some(d("0.5")), Some("INE2".to_owned()));
    });
    let book = desk.fill("2025-06-13 10:00", "NSE:NEW", "CNC", "B5@300").book("2025-06-17 10:00");
    assert_eq!((book.holdings.len(), book.held("NEW")), (1, (d("10"), d("250"))));
    assert_eq!(book.lots(), [(d("5"), d("200")), (d("5"), d("300"))]);
}

/// Example 26.
#[test]
fn a_demerger_moves_its_part_of_the_cost_to_the_child() {
    let desk = ten(CorporateActionKind::Demerger, |action| {
        (action.factor, action.new_isin) = (Some(d("0.5")), Some("INE2".to_owned()));
        action.cost_fraction = Some(d("0.3"));
    });
    let book = desk.ltp("NSE:NEW", "70").book("2025-06-17 10:00");
    assert_eq!((book.held("OLD"), book.held("NEW")), ((d("10"), d("70")), (d("5"), d("60"))));
}

/// Example 27.
#[test]
fn the_average_of_a_row_is_of_all_its_buys_and_the_total_profit_is_the_same_either_way() {
    let book = Desk::default()
        .fill("2025-06-16 10:00", "NSE:TCS", "CNC", "B50@280")
        .fill("2025-06-16 10:01", "NSE:TCS", "CNC", "S50@287")
        .fill("2025-06-16 10:02", "NSE:TCS", "CNC", "B70@283")
        .ltp("NSE:TCS", "280")
        .book("2025-06-16 16:00");
    let row = book.position("TCS", "CNC");
    assert_eq!((row.buy_quantity, row.buy_avg_price, row.buy_value), (d("120"), d("281.75"), d("33810")));
    assert_eq!((row.sell_quantity, row.sell_avg_price, row.sell_value), (d("50"), d("287"), d("14350")));
    assert_eq!((row.net_quantity, row.net_value, row.pnl), (d("70"), d("-19460"), Some(d("140"))));
    assert_eq!((row.realised_pnl, row.unrealised_pnl), (d("350"), Some(d("-210"))));
    assert_eq!(book.lots(), [(d("70"), d("283"))]);
}

/// Example 28.
#[test]
fn pnl_counts_from_the_cost_and_mtm_from_yesterdays_close() {
    let desk = Desk::default().fill("2025-06-16 10:00", NIFTY, "NRML", "B75@25000").close(NIFTY, "25100");
    let unknown = desk.book("2025-06-17 10:00").position("NIFTY", "NRML").clone();
    assert_eq!((unknown.pnl, unknown.mtm), (None, None));
    let book = desk.ltp(NIFTY, "25150").book("2025-06-17 10:00");
    let row = book.position("NIFTY", "NRML");
    assert_eq!((row.net_value, row.pnl, row.mtm), (d("-1875000"), Some(d("11250")), Some(d("3750"))));
}

/// Example 29.
#[test]
fn a_profit_belongs_to_the_day_of_the_closing_fill() {
    let closings = both_exchanges().book("2025-06-18 10:00").closings;
    let earned = |from: &str, to: &str| {
        let rows = realised(&closings, Some(day(from)), Some(day(to))).unwrap();
        let sums = |row: &crate::Realised| (row.quantity, row.buy_value, row.sell_value, row.realised_pnl);
        rows.iter().map(sums).collect::<Vec<_>>()
    };
    let monday = (d("50"), d("70000"), d("80000"), d("10000"));
    assert_eq!(earned("2025-06-16", "2025-06-16"), [monday]);
    assert_eq!(earned("2025-06-16", "2025-06-17"), [(d("80"), d("114000"), d("129500"), d("15500"))]);
    assert_eq!(earned("2025-06-01", "2025-06-15"), []);
}

/// Example 30.
#[test]
fn a_strategys_rows_are_those_of_an_account_with_its_fills_alone() {
    let of = |desk: Desk, strategy: &str| {
        let strategy = Some(strategy.to_owned());
        desk.on(|terms| terms.strategy_id = strategy)
    };
    let desk = of(Desk::default().fill("2025-06-16 10:00", NIFTY, "NRML", "B75@24000"), "A");
    let desk = of(desk.fill("2025-06-17 10:00", NIFTY, "NRML", "S75@24100"), "B");
    let account = desk.book("2025-06-17 16:00");
    let row = account.position("NIFTY", "NRML");
    assert_eq!((row.net_quantity, row.realised_pnl, row.strategy_id.as_deref()), (d("0"), d("7500"), None));
    let own = |strategy: &str| {
        let mut own = desk.clone();
        own.fills.retain(|fill| fill.terms.strategy_id.as_deref() == Some(strategy));
        let row = own.book("2025-06-17 16:00").position("NIFTY", "NRML").clone();
        (row.net_quantity, row.realised_pnl)
    };
    assert_eq!((own("A"), own("B")), ((d("75"), d("0")), (d("-75"), d("0"))));
}

/// Example 31.
#[test]
fn a_third_of_a_price_is_rounded_where_it_is_shown_and_never_where_it_is_added() {
    let desk = ten(CorporateActionKind::Split, |action| action.factor = Some(d("3")));
    let desk = desk
        .fill("2025-06-18 10:00", "NSE:OLD", "CNC", "S1@40")
        .fill("2025-06-18 11:00", "NSE:OLD", "CNC", "S1@40")
        .fill("2025-06-18 12:00", "NSE:OLD", "CNC", "S1@40");
    let book = desk.book("2025-06-18 16:00");
    assert_eq!(book.held("OLD"), (d("30"), d("33.3333333333")));
    assert!(book.closings.iter().all(|closing| closing.realised_pnl == d("6.6666666667")));
    assert_eq!(realised(&book.closings, None, None).unwrap()[0].realised_pnl, d("20"));
}
