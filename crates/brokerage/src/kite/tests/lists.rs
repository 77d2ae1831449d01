use ledger::{ReportedHolding, ReportedMargin, ReportedPosition, ReportedTrade, Side};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::super::{holding, margin, position, trade};
use super::with;
use crate::BrokerageError;

fn number(text: &str) -> Option<Decimal> {
    Some(text.parse().unwrap())
}

fn said<T: std::fmt::Debug>(outcome: Result<T, BrokerageError>) -> String {
    outcome.unwrap_err().to_string().replace("answer not understood: ", "")
}

fn read_trade(changes: Value) -> Result<Vec<ReportedTrade>, BrokerageError> {
    trade::read(json!([with(super::trade(), changes)]))
}

#[test]
fn a_trade_is_read_field_by_field() {
    let expected = ReportedTrade {
        trade_id: "40000000".to_owned(),
        broker_order_id: "500000000000000".to_owned(),
        exchange_order_id: Some("600000000000000".to_owned()),
        exchange: "CDS".to_owned(),
        symbol: "USDINR21JUNFUT".to_owned(),
        side: Side::Sell,
        product: "MIS".to_owned(),
        quantity: Decimal::ONE,
        price: "72.755".parse().unwrap(),
        at: "2021-05-31T05:48:27Z".parse().unwrap(),
    };
    assert_eq!(read_trade(json!({})).unwrap(), [expected]);
}

#[test]
fn the_time_of_a_trade_is_that_of_its_fill_else_the_exchanges_and_never_the_orders() {
    let at = |changes| read_trade(changes).map(|trades| trades[0].at.to_rfc3339());
    assert_eq!(at(json!({"fill_timestamp": null})).unwrap(), "2021-05-31T05:48:26+00:00");
    let none =
        json!({"fill_timestamp": "", "exchange_timestamp": null, "order_timestamp": "2021-05-31 11:18:27"});
    assert_eq!(said(at(none)), "trades[0].fill_timestamp: missing");
    assert_eq!(
        said(at(json!({"fill_timestamp": "11:18:27"}))),
        "trades[0].fill_timestamp: \"11:18:27\" is no time"
    );
}

#[test]
fn a_trade_without_price_or_quantity_spoils_the_list() {
    for (changes, expected) in [
        (json!({"average_price": 0}), "trades[0].average_price: missing"),
        (json!({"average_price": null}), "trades[0].average_price: missing"),
        (json!({"quantity": 0}), "trades[0].quantity: nothing"),
        (json!({"quantity": -1}), "trades[0].quantity: -1 is less than nothing"),
        (json!({"trade_id": ""}), "trades[0].trade_id: missing"),
        (json!({"order_id": null}), "trades[0].order_id: missing"),
        (json!({"transaction_type": "B"}), "trades[0].transaction_type: \"B\" is no side"),
    ] {
        assert_eq!(said(read_trade(changes)), expected);
    }
    assert_eq!(said(trade::read(json!({}))), "data is not a list");
}

#[test]
fn a_position_is_read_field_by_field() {
    let expected = ReportedPosition {
        exchange: "MCX".to_owned(),
        symbol: "LEADMINI17DECFUT".to_owned(),
        product: "NRML".to_owned(),
        instrument_token: Some(53_496_327),
        quantity: Decimal::NEGATIVE_ONE,
        overnight_quantity: number("-2"),
        multiplier: number("1000"),
        average_price: number("161.05"),
        last_price: number("161.05"),
        close_price: None,
        buy_quantity: number("4"),
        buy_price: number("161.05"),
        buy_value: number("161050"),
        sell_quantity: number("5"),
        sell_price: number("6"),
        sell_value: number("7"),
        value: number("-161050"),
        pnl: number("1"),
        mtm: number("2"),
        realised: number("0"),
        unrealised: number("3"),
    };
    let positions = position::read(json!({"net": [super::position()], "day": [{"not": "read"}]})).unwrap();
    assert_eq!(positions, [expected]);
}

#[test]
fn positions_are_two_lists_and_only_the_net_one_is_returned() {
    for (data, expected) in [
        (json!([]), "data is not an object"),
        (json!({}), "net is not a list"),
        (json!({"net": null, "day": []}), "net is not a list"),
        (json!({"net": []}), "day is not a list"),
        (json!({"net": [], "day": {}}), "day is not a list"),
        (json!({"net": [7], "day": []}), "net[0] is not an object"),
        (json!({"net": [{"exchange": "NSE"}], "day": []}), "net[0].tradingsymbol: missing"),
    ] {
        assert_eq!(said(position::read(data)), expected);
    }
    let read = |changes: Value| position::read(json!({"net": [with(super::position(), changes)], "day": []}));
    assert_eq!(said(read(json!({"quantity": null}))), "net[0].quantity: missing");
    assert_eq!(said(read(json!({"product": null}))), "net[0].product: missing");
    assert_eq!(said(read(json!({"last_price": "x"}))), "net[0].last_price: \"x\" is not a number");
    assert_eq!(read(json!({"multiplier": 0})).unwrap()[0].multiplier, None);
    assert_eq!(position::read(json!({"net": [], "day": []})).unwrap(), []);
}

fn held(changes: Value) -> ReportedHolding {
    holding::read(json!([with(super::holding(), changes)])).unwrap().remove(0)
}

/// Quantity, T1, used and product.
fn quantities(changes: Value) -> String {
    let held = held(changes);
    let text =
        |quantity: Option<Decimal>| quantity.map_or_else(|| "?".to_owned(), |quantity| quantity.to_string());
    let product = held.product.unwrap_or_default();
    format!("{} {} {} {product}", held.quantity, text(held.t1_quantity), text(held.used_quantity))
}

#[test]
fn a_holding_is_read_field_by_field() {
    let expected = ReportedHolding {
        exchange: "NSE".to_owned(),
        symbol: "ASHOKLEY".to_owned(),
        isin: Some("INE208A01029".to_owned()),
        product: Some("CNC".to_owned()),
        instrument_token: Some(54_273),
        quantity: 12.into(),
        t1_quantity: number("0"),
        used_quantity: number("0"),
        collateral_quantity: number("2"),
        collateral_type: Some("margin".to_owned()),
        haircut: None,
        average_price: number("103.5"),
        last_price: number("117.5"),
        close_price: None,
        pnl: number("140"),
    };
    let changes = json!({"collateral_quantity": 2, "collateral_type": "margin", "close_price": 0});
    assert_eq!(held(changes), expected);
}

#[test]
fn all_that_is_held_is_what_was_there_when_the_day_began() {
    for (reading, changes, expected) in [
        ("all of it is in the demat account", json!({}), "10 0 0 CNC"),
        (
            "bought yesterday, as real answers say it",
            json!({"quantity": 0, "realised_quantity": 0, "t1_quantity": 3, "opening_quantity": 3}),
            "3 3 0 CNC",
        ),
        (
            "bought yesterday, as the documentation says it",
            json!({"quantity": 3, "realised_quantity": 0, "t1_quantity": 3, "opening_quantity": 3}),
            "3 3 0 CNC",
        ),
        (
            "some bought yesterday, without an opening quantity",
            json!({"quantity": 10, "t1_quantity": 3, "opening_quantity": null}),
            "13 3 0 CNC",
        ),
        (
            "all sold today",
            json!({"quantity": 0, "realised_quantity": 0, "used_quantity": 40, "opening_quantity": 40}),
            "40 0 40 CNC",
        ),
        (
            "some sold today, without an opening quantity",
            json!({"quantity": 7, "realised_quantity": 7, "used_quantity": 3, "opening_quantity": null}),
            "10 0 3 CNC",
        ),
        (
            "all pledged, and opening quantity without it",
            json!({"quantity": 0, "realised_quantity": 0, "collateral_quantity": 50, "opening_quantity": 0}),
            "50 0 0 CNC",
        ),
        (
            "some pledged, and opening quantity with it",
            json!({"quantity": 10, "collateral_quantity": 50, "opening_quantity": 60}),
            "60 0 0 CNC",
        ),
        (
            "sold today, before there was a used quantity",
            json!({"quantity": 0, "realised_quantity": 0, "used_quantity": null, "opening_quantity": 1}),
            "1 0 ? CNC",
        ),
        ("a quantity that the rest does not explain", json!({"quantity": 20}), "20 0 0 CNC"),
        (
            "an answer of 2017",
            json!({"opening_quantity": null, "used_quantity": null, "t1_quantity": 0}),
            "10 0 ? CNC",
        ),
        (
            "an answer without a breakdown",
            json!({"opening_quantity": null, "realised_quantity": null}),
            "10 0 0 CNC",
        ),
    ] {
        assert_eq!(quantities(changes), expected, "{reading}");
    }
}

#[test]
fn financed_shares_are_held_beside_the_accounts_own() {
    let mtf = json!({"quantity": 30, "used_quantity": 0, "average_price": 110, "value": 3300});
    let mixed = held(json!({ "mtf": mtf }));
    assert_eq!((mixed.quantity, mixed.product.as_deref()), (40.into(), Some("CNC")));
    assert_eq!(mixed.average_price, number("108.375"), "(10 * 103.5 + 30 * 110) / 40");
    assert_eq!(mixed.pnl, number("365"), "140 + 30 * 7.5");
    let none_own =
        json!({"quantity": 0, "realised_quantity": 0, "opening_quantity": 0, "average_price": 0, "pnl": 0});
    let financed = held(with(none_own, json!({ "mtf": mtf })));
    assert_eq!((financed.quantity, financed.product.as_deref()), (30.into(), Some("MTF")));
    assert_eq!((financed.average_price, financed.pnl), (number("110"), number("225")));
    let sold = json!({"quantity": 20, "used_quantity": 10, "average_price": 110});
    assert_eq!(quantities(json!({ "mtf": sold })), "40 0 10 CNC");
    assert_eq!(held(json!({ "mtf": sold })).pnl, number("290"), "140 + 20 * 7.5");
    assert_eq!(quantities(json!({"mtf": {"quantity": 0}})), "10 0 0 CNC");
    assert_eq!(quantities(json!({ "mtf": null })), "10 0 0 CNC");
}

#[test]
fn what_is_not_told_of_financed_shares_leaves_average_and_profit_open() {
    let mixed = held(json!({"mtf": {"quantity": 30}}));
    assert_eq!((mixed.quantity, mixed.average_price, mixed.pnl), (40.into(), None, None));
    let odd = json!({"mtf": {"quantity": 2, "average_price": 100}, "last_price": 0});
    assert_eq!(held(odd.clone()).average_price, number("102.9166666667"), "rounded to 10 places");
    assert_eq!(held(odd).pnl, None, "no last price");
}

#[test]
fn a_holding_that_cannot_be_read_spoils_the_list() {
    for (changes, expected) in [
        (json!({"quantity": null}), "holdings[0].quantity: missing"),
        (json!({"quantity": -1}), "holdings[0].quantity: -1 is less than nothing"),
        (json!({"mtf": []}), "holdings[0].mtf is not an object"),
        (json!({"mtf": {"quantity": "x"}}), "holdings[0].mtf.quantity: \"x\" is not a number"),
        (
            json!({"quantity": 7e28, "t1_quantity": 7e28, "realised_quantity": null}),
            "holdings[0].quantity: too large",
        ),
        (json!({"isin": "I".repeat(201)}), "holdings[0].isin: 201 bytes are more than 200"),
    ] {
        assert_eq!(said(holding::read(json!([with(super::holding(), changes)]))), expected);
    }
    assert_eq!(said(holding::read(json!({}))), "data is not a list");
    assert_eq!(holding::read(json!([])).unwrap(), []);
}

#[test]
fn a_segment_is_read_field_by_field() {
    let expected = ReportedMargin {
        category: "COMMODITY".to_owned(),
        adhoc: number("1"),
        available: number("99725.05"),
        collateral: number("2"),
        exposure: number("38981.25"),
        funds: number("245431.6"),
        net: number("99725.05"),
        payin: number("3"),
        payout: number("5"),
        realised_mtm: number("761.7"),
        span: number("101989"),
        total: number("245431.60"),
        unrealised_mtm: number("4"),
        utilized: number("145706.55"),
    };
    assert_eq!(margin::read(json!({ "commodity": super::segment() })).unwrap(), [expected]);
}

#[test]
fn only_a_segment_that_is_there_and_enabled_gives_a_row() {
    let disabled = || with(super::segment(), json!({"enabled": false}));
    let categories = |data| {
        let margins = margin::read(data).unwrap().into_iter();
        margins.map(|margin| margin.category).collect::<Vec<_>>()
    };
    let both = json!({"equity": super::segment(), "commodity": super::segment()});
    assert_eq!(categories(both), ["EQUITY", "COMMODITY"]);
    assert_eq!(categories(json!({"equity": super::segment(), "commodity": null})), ["EQUITY"]);
    assert_eq!(categories(json!({"equity": disabled(), "commodity": super::segment()})), ["COMMODITY"]);
    assert_eq!(categories(json!({"equity": disabled(), "commodity": disabled()})), [""; 0]);
}

#[test]
fn margins_of_no_segment_are_not_understood() {
    for (data, expected) in [
        (json!({}), "margins of neither equity nor commodity"),
        (json!({"equity": null}), "margins of neither equity nor commodity"),
        (json!([]), "margins is not an object"),
        (json!({"equity": []}), "margins.equity is not an object"),
        (json!({"equity": {}}), "margins.equity.available: missing"),
        (json!({"equity": {"available": {}}}), "margins.equity.utilised: missing"),
        (json!({"equity": {"enabled": "yes"}}), "margins.equity.enabled: \"yes\" is not true or false"),
        (
            json!({"equity": {"available": {"cash": {}}, "utilised": {}}}),
            "margins.equity.available.cash: an object is not a number",
        ),
    ] {
        assert_eq!(said(margin::read(data)), expected);
    }
}
