use super::desk::{Desk, d, day};
use crate::{CorporateAction, CorporateActionKind};

fn action(kind: CorporateActionKind, ex_date: &str) -> CorporateAction {
    CorporateAction {
        isin: "INE1".to_owned(),
        kind,
        ex_date: day(ex_date),
        factor: None,
        new_isin: None,
        cost_fraction: None,
    }
}

/// Ten shares at 100, bought on a Thursday.
fn ten(actions: Vec<CorporateAction>) -> Desk {
    let desk = Desk::default().fill("2025-06-12 10:00", "NSE:X", "CNC", "B10@100").isin("NSE:X", "INE1");
    Desk { actions, ..desk }
}

fn factor(kind: CorporateActionKind, ex_date: &str, factor: &str) -> CorporateAction {
    CorporateAction { factor: Some(d(factor)), ..action(kind, ex_date) }
}

#[test]
fn a_split_applies_when_the_view_reaches_its_ex_date() {
    let desk = ten(vec![factor(CorporateActionKind::Split, "2025-06-17", "5")]);
    assert_eq!(desk.book("2025-06-17 07:59").holding("X").quantity, d("10"));
    let row = desk.book("2025-06-17 08:00").holding("X").clone();
    assert_eq!((row.quantity, row.avg_price), (d("50"), d("20")));
}

#[test]
fn fills_of_the_ex_date_are_in_new_shares() {
    let desk = ten(vec![factor(CorporateActionKind::Bonus, "2025-06-17", "2")]);
    let book = desk.fill("2025-06-17 09:15", "NSE:X", "CNC", "S15@60").book("2025-06-18 10:00");
    assert_eq!((book.realised(), book.lots()), (d("150"), vec![(d("5"), d("50"))]));
    assert_eq!(book.findings(), []);
}

#[test]
fn thirds_of_a_split_add_up_to_the_whole_cost() {
    let desk = ten(vec![factor(CorporateActionKind::Split, "2025-06-13", "3")]);
    let desk =
        (0..3).fold(desk, |desk, hour| desk.fill(&format!("2025-06-16 1{hour}:00"), "NSE:X", "CNC", "S1@40"));
    let book = desk.book("2025-06-17 10:00");
    assert_eq!(book.closings[0].entry_price, d("33.3333333333"));
    assert_eq!(book.closings[0].realised_pnl, d("6.6666666667"));
    assert_eq!(crate::realised(&book.closings, None, None).unwrap()[0].realised_pnl, d("20"));
    assert_eq!(book.holding("X").avg_price, d("33.3333333333"));
}

#[test]
fn an_adjusted_price_is_shown_with_ten_decimals_but_counted_exactly() {
    let desk = ten(vec![factor(CorporateActionKind::Split, "2025-06-13", "1.6")]);
    let desk = desk.fill("2025-06-13 09:30", "NSE:X", "CNC", "S16@80");
    let desk = desk.fill("2025-06-16 09:30", "NSE:Y", "CNC", "B1@0.12345678901");
    let closings = desk.fill("2025-06-17 09:30", "NSE:Y", "CNC", "S1@1").book("2025-06-17 10:00").closings;
    assert_eq!((closings[0].entry_price, closings[0].realised_pnl), (d("62.5"), d("280")));
    assert_eq!(closings[1].entry_price, d("0.12345678901"), "as it was traded");
    let desk = ten(vec![factor(CorporateActionKind::Split, "2025-06-13", "4096")]);
    let closings = desk.fill("2025-06-13 09:30", "NSE:X", "CNC", "S1@1").book("2025-06-13 10:00").closings;
    assert_eq!(closings[0].entry_price, d("0.0244140625"));
    let desk = ten(vec![factor(CorporateActionKind::Split, "2025-06-13", "32768")]);
    let closings = desk.fill("2025-06-13 09:30", "NSE:X", "CNC", "S1@1").book("2025-06-13 10:00").closings;
    assert_eq!((closings[0].entry_price, closings[0].buy_value), (d("0.0030517578"), d("0.0030517578125")));
}

#[test]
fn a_rename_moves_the_lots_and_keeps_their_dates() {
    let rename = CorporateAction {
        new_isin: Some("INE2".to_owned()),
        ..action(CorporateActionKind::Rename, "2025-06-13")
    };
    let desk = ten(vec![rename]).fill("2025-06-16 10:00", "NSE:Y", "CNC", "S4@150").isin("NSE:Y", "INE2");
    let book = desk.book("2025-06-17 10:00");
    assert_eq!((book.realised(), book.findings()), (d("200"), vec![]));
    let row = book.holding("Y");
    assert_eq!((row.isin.as_deref(), row.quantity), (Some("INE2"), d("6")));
    let thursday = desk.book("2025-06-13 10:00");
    assert_eq!(thursday.holdings[0].t1_qty, d("10"), "bought on the trading day before");
}

#[test]
fn a_merger_exchanges_shares_at_their_cost_and_queues_by_date() {
    let merger = CorporateAction {
        new_isin: Some("INE2".to_owned()),
        ..factor(CorporateActionKind::Merger, "2025-06-17", "0.5")
    };
    let desk = ten(vec![merger]).fill("2025-06-13 10:00", "NSE:Y", "CNC", "B5@300").isin("NSE:Y", "INE2");
    let book = desk.book("2025-06-17 10:00");
    assert_eq!(book.lots(), [(d("5"), d("200")), (d("5"), d("300"))]);
    assert_eq!((book.holdings.len(), book.holding("Y").avg_price), (1, d("250")));
}

#[test]
fn a_demerger_moves_a_part_of_the_cost_to_the_child() {
    let demerger = CorporateAction {
        new_isin: Some("INE2".to_owned()),
        cost_fraction: Some(d("0.3")),
        ..factor(CorporateActionKind::Demerger, "2025-06-17", "0.5")
    };
    let desk = ten(vec![demerger]).isin("NSE:CHILD", "INE2").ltp("NSE:CHILD", "70");
    let book = desk.book("2025-06-17 10:00");
    assert_eq!((book.holding("X").quantity, book.holding("X").avg_price), (d("10"), d("70")));
    let child = book.holding("CHILD");
    assert_eq!((child.quantity, child.avg_price, child.pnl), (d("5"), d("60"), Some(d("50"))));
}

#[test]
fn actions_of_one_day_apply_in_the_order_of_their_kinds() {
    let rename = CorporateAction {
        new_isin: Some("INE2".to_owned()),
        ..action(CorporateActionKind::Rename, "2025-06-17")
    };
    let split = factor(CorporateActionKind::Split, "2025-06-17", "2");
    for actions in [vec![rename.clone(), split.clone()], vec![split, rename]] {
        let book = ten(actions).book("2025-06-17 10:00");
        assert_eq!((book.holdings[0].isin.as_deref(), book.holdings[0].quantity), (Some("INE2"), d("20")));
    }
}

#[test]
fn opening_lots_of_the_ex_date_are_already_in_new_shares() {
    let desk = ten(vec![factor(CorporateActionKind::Split, "2025-06-17", "5")]);
    let book = desk.lot("2025-06-17 10:00", "NSE:X", "CNC", "7", "21").book("2025-06-17 12:00");
    assert_eq!(book.lots(), [(d("50"), d("20")), (d("7"), d("21"))]);
}

#[test]
fn a_carried_intraday_row_is_split_with_its_lots() {
    let desk = ten(vec![factor(CorporateActionKind::Split, "2025-06-17", "2")]);
    let book = desk.fill("2025-06-16 10:00", "NSE:X", "MIS", "B3@120").book("2025-06-17 10:00");
    assert_eq!((book.position("X", "MIS").overnight_quantity, book.holding("X").quantity), (d("6"), d("20")));
    assert_eq!(book.position("X", "MIS").buy_avg_price, d("60"));
}

#[test]
fn an_action_without_its_numbers_changes_nothing() {
    let nothing = vec![
        action(CorporateActionKind::Split, "2025-06-13"),
        factor(CorporateActionKind::Bonus, "2025-06-13", "0"),
        factor(CorporateActionKind::Demerger, "2025-06-13", "1"),
    ];
    assert_eq!(ten(nothing).book("2025-06-17 10:00").lots(), [(d("10"), d("100"))]);
}

#[test]
fn kinds_are_read_as_they_are_written() {
    for kind in ["split", "bonus", "demerger", "merger", "rename"] {
        assert_eq!(CorporateActionKind::parse(&kind.to_uppercase()).unwrap().as_str(), kind);
    }
    assert_eq!(CorporateActionKind::parse("dividend"), None);
}
