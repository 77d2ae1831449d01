use ledger::{Labels, ReportedHolding, ReportedMargin, ReportedOrder, ReportedPosition, Side};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::super::rows::Rows;
use super::super::{holding, margin, order, position};
use super::with;
use crate::BrokerageError;
use crate::tests::PSEUDO_ACCOUNT;

fn read<T>(rows: Value, read: fn(&Rows) -> Result<Vec<T>, BrokerageError>) -> Result<Vec<T>, String> {
    let rows = Rows::of(rows, PSEUDO_ACCOUNT).and_then(|rows| read(&rows));
    rows.map_err(|error| error.to_string().replace("answer not understood: ", ""))
}

fn ordered(changes: Value) -> Result<ReportedOrder, String> {
    read(json!([with(super::order(), changes)]), order::read).map(|mut orders| orders.remove(0))
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn number(text: &str) -> Option<Decimal> {
    Some(text.parse().unwrap())
}

#[test]
fn an_order_is_read_field_by_field() {
    let read = ordered(json!({})).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&read.raw).unwrap(), super::order());
    let expected = ReportedOrder {
        broker_order_id: "250617000000001".to_owned(),
        exchange_order_id: text("1500000159758742"),
        broker_parent_id: None,
        client_tag: text("pub-7"),
        other_tags: Vec::new(),
        iceberg: None,
        exchange: "NFO".to_owned(),
        symbol: "NIFTY2580724400CE".to_owned(),
        side: Side::Buy,
        product: "MIS".to_owned(),
        order_type: text("SL"),
        variety: "REGULAR".to_owned(),
        validity: text("DAY"),
        quantity: 75.into(),
        filled_quantity: 75.into(),
        pending_quantity: number("0"),
        disclosed_quantity: number("0"),
        average_price: number("12.325"),
        price: number("12.35"),
        trigger_price: number("12.3"),
        status: "COMPLETE".to_owned(),
        status_message: None,
        placed_at: Some("2025-06-17T09:45:00Z".parse().unwrap()),
        exchange_at: Some("2025-06-17T09:45:01Z".parse().unwrap()),
        is_amo: Some(false),
        labels: Labels {
            platform: text("KITE"),
            stock_broker: text("ZERODHA"),
            trading_account: text("XX1234"),
            client_id: text("C1"),
            independent_exchange: text("NFO"),
            independent_symbol: text("NIFTY_07-AUG-2025_CE_24400"),
            nest_request_id: text("N1"),
            comments: text("by hand"),
        },
        raw: read.raw.clone(),
    };
    assert_eq!(read, expected);
}

#[test]
fn products_and_order_types_are_put_into_our_words() {
    let product = |product: &str, variety: &str| {
        ordered(json!({"productType": product, "variety": variety})).unwrap().product
    };
    for (theirs, ours) in [
        ("INTRADAY", "MIS"),
        ("delivery", "CNC"),
        ("NORMAL", "NRML"),
        ("MIS", "MIS"),
        ("CNC", "CNC"),
        ("NRML", "NRML"),
        ("mtf", "MTF"),
        ("Something_New", "SOMETHING_NEW"),
    ] {
        assert_eq!(product(theirs, "REGULAR"), ours);
    }
    assert_eq!((product("INTRADAY", "bo"), product("NORMAL", "CO")), ("BO".to_owned(), "CO".to_owned()));
    for (theirs, ours) in
        [("LIMIT", "LIMIT"), ("market", "MARKET"), ("STOP_LOSS", "SL"), ("SL_MARKET", "SL-M"), ("ODD", "ODD")]
    {
        assert_eq!(ordered(json!({ "orderType": theirs })).unwrap().order_type.as_deref(), Some(ours));
    }
    assert_eq!(ordered(json!({"orderType": null})).unwrap().order_type, None);
}

#[test]
fn statuses_are_kept_and_unknown_ones_put_in_capitals() {
    for (theirs, ours) in [
        ("OPEN", "OPEN"),
        ("COMPLETE", "COMPLETE"),
        ("CANCELLED", "CANCELLED"),
        ("REJECTED", "REJECTED"),
        ("TRIGGER_PENDING", "TRIGGER_PENDING"),
        ("UNKNOWN", "UNKNOWN"),
        ("modify pending", "MODIFY_PENDING"),
    ] {
        assert_eq!(ordered(json!({ "status": theirs })).unwrap().status, ours);
    }
}

#[test]
fn an_order_of_numbers_as_text_and_of_ids_as_numbers_is_read_alike() {
    let order = ordered(json!({
        "id": 250_617_000_000_001_i64, "parentOrderId": 7, "quantity": "75.00001", "filledQuantity": "74.9999",
        "averagePrice": "12.3", "platformTime": null, "exchangeTime": "2025-06-17T15:15:01+05:30",
    }))
    .unwrap();
    assert_eq!(
        (order.broker_order_id.as_str(), order.broker_parent_id.as_deref()),
        ("250617000000001", Some("7"))
    );
    assert_eq!((order.quantity, order.filled_quantity), (75.into(), 75.into()));
    assert_eq!(order.average_price, number("12.3"));
    let placed = order.placed_at.unwrap().to_rfc3339();
    assert_eq!(placed, "2025-06-17T09:44:59+00:00", "when AutoTrader took it");
    assert_eq!(order.exchange_at.unwrap().to_rfc3339(), "2025-06-17T09:45:01+00:00");
    assert_eq!(ordered(json!({"quantity": 0.5})).unwrap().quantity, "0.5".parse().unwrap());
    assert_eq!(ordered(json!({"averagePrice": 0})).unwrap().average_price, None);
}

#[test]
fn an_id_that_is_filled_in_for_none_is_none() {
    for none in
        [json!(null), json!(""), json!("0"), json!(0), json!("000"), json!("NA"), json!("n/a"), json!("null")]
    {
        let order = ordered(json!({"exchangeOrderId": none, "parentOrderId": none})).unwrap();
        assert_eq!((order.exchange_order_id, order.broker_parent_id), (None, None), "{none}");
    }
    assert_eq!(ordered(json!({"exchangeOrderId": "100"})).unwrap().exchange_order_id.as_deref(), Some("100"));
}

#[test]
fn one_bad_order_spoils_the_book_and_is_named() {
    for (changes, expected) in [
        (json!({"id": null}), "orders[1].id: missing"),
        (json!({"id": 1.5}), "orders[1].id: 1.5 is not text"),
        (json!({"tradeType": "HOLD"}), "orders[1].tradeType: \"HOLD\" is no side"),
        (json!({"productType": null}), "orders[1].productType: missing"),
        (json!({"quantity": null}), "orders[1].quantity: missing"),
        (json!({"filledQuantity": -1}), "orders[1].filledQuantity: -1 is less than nothing"),
        (json!({"averagePrice": "many"}), "orders[1].averagePrice: \"many\" is not a number"),
        (json!({"exchangeTime": "15:15:01"}), "orders[1].exchangeTime: \"15:15:01\" is no time"),
        (json!({"amo": "no"}), "orders[1].amo: \"no\" is not true or false"),
        (json!({"status": ""}), "orders[1].status: missing"),
        (json!({"rawStatus": "\0"}), "orders[1].*: holds a NUL character"),
        (json!({"symbol": "X".repeat(201)}), "orders[1].symbol: 201 bytes are more than 200"),
        (json!({"pseudoAccount": "Asha"}), "orders[1].pseudoAccount: \"Asha\" was not asked for"),
    ] {
        let book = json!([super::order(), with(super::order(), changes), super::order()]);
        assert_eq!(read(book, order::read).unwrap_err(), expected);
    }
    let capitals = json!({"pseudoAccount": PSEUDO_ACCOUNT.to_uppercase()});
    assert!(ordered(capitals).is_ok());
}

#[test]
fn a_position_is_read_field_by_field() {
    let expected = ReportedPosition {
        exchange: "MCX".to_owned(),
        symbol: "LEADMINI17DECFUT".to_owned(),
        product: "NRML".to_owned(),
        instrument_token: None,
        quantity: (-2).into(),
        overnight_quantity: number("-2"),
        multiplier: number("1000"),
        average_price: number("161"),
        last_price: number("160.95"),
        close_price: None,
        buy_quantity: number("1"),
        buy_price: number("161.05"),
        buy_value: number("161050"),
        sell_quantity: number("3"),
        sell_price: number("161"),
        sell_value: number("483000"),
        value: number("321950"),
        pnl: number("10"),
        mtm: number("11"),
        realised: number("13"),
        unrealised: number("-14"),
    };
    assert_eq!(read(json!([super::position()]), position::read).unwrap(), [expected]);
}

#[test]
fn the_average_of_a_position_is_that_of_the_side_that_is_open() {
    let average = |quantity: i32| {
        let changed = with(super::position(), json!({ "netQuantity": quantity }));
        read(json!([changed]), position::read).unwrap()[0].average_price
    };
    assert_eq!((average(5), average(-5), average(0)), (number("161.05"), number("161"), number("0")));
}

#[test]
fn only_net_positions_are_returned_and_day_ones_alone_are_half_an_answer() {
    let of = |category: &str| with(super::position(), json!({ "category": category }));
    assert_eq!(read(json!([of("DAY"), of("NET"), of("day"), of("net")]), position::read).unwrap().len(), 2);
    assert_eq!(read(json!([]), position::read), Ok(Vec::new()));
    let alone = read(json!([of("DAY")]), position::read);
    assert_eq!(alone, Err("positions of category DAY and none of NET".to_owned()));
    let odd = read(json!([of("NET"), of("WEEK")]), position::read);
    assert_eq!(odd, Err("positions[1].category: \"WEEK\" is neither NET nor DAY".to_owned()));
    let none = read(json!([with(of("NET"), json!({"category": null}))]), position::read);
    assert_eq!(none, Err("positions[0].category: missing".to_owned()));
    let foreign = with(of("DAY"), json!({"pseudoAccount": "Asha"}));
    let foreign = read(json!([of("NET"), foreign]), position::read);
    assert_eq!(foreign, Err("positions[1].pseudoAccount: \"Asha\" was not asked for".to_owned()));
}

#[test]
fn a_holding_is_read_field_by_field() {
    let expected = ReportedHolding {
        exchange: "BSE".to_owned(),
        symbol: "SBIN".to_owned(),
        isin: text("INE062A01020"),
        product: text("CNC"),
        instrument_token: Some(779_521),
        quantity: 21.into(),
        t1_quantity: number("2"),
        used_quantity: None,
        collateral_quantity: number("3"),
        collateral_type: text("stock"),
        haircut: number("0.2"),
        average_price: number("801.7812"),
        last_price: number("762.45"),
        close_price: None,
        pnl: number("-629.3"),
    };
    assert_eq!(read(json!([super::holding()]), holding::read).unwrap(), [expected]);
}

#[test]
fn without_a_total_a_holding_is_what_is_settled_and_what_is_not() {
    let held = |changes: Value| {
        let holdings = read(json!([with(super::holding(), changes)]), holding::read);
        holdings.map(|holdings| holdings[0].quantity)
    };
    assert_eq!(held(json!({"totalQty": null})), Ok(18.into()));
    assert_eq!(held(json!({"totalQty": null, "t1Qty": null})), Ok(16.into()));
    assert_eq!(
        held(json!({"totalQty": null, "quantity": null})),
        Err("holdings[0].quantity: missing".to_owned())
    );
    assert_eq!(held(json!({"totalQty": 0})), Ok(0.into()));
}

#[test]
fn a_token_that_is_no_number_is_none() {
    let odd = with(super::holding(), json!({"instrumentToken": "NSE_EQ|INE062A01020"}));
    assert_eq!(read(json!([odd]), holding::read).unwrap()[0].instrument_token, None);
}

#[test]
fn a_margin_is_read_field_by_field() {
    let expected = ReportedMargin {
        category: "EQUITY".to_owned(),
        adhoc: number("11"),
        available: number("99725.0547"),
        collateral: number("8"),
        exposure: number("7"),
        funds: number("1"),
        net: number("5"),
        payin: number("9"),
        payout: number("10"),
        realised_mtm: number("12"),
        span: number("6"),
        total: number("4"),
        unrealised_mtm: number("13"),
        utilized: number("2"),
    };
    assert_eq!(read(json!([super::margin()]), margin::read).unwrap(), [expected]);
    let nameless = with(super::margin(), json!({"category": ""}));
    assert_eq!(read(json!([nameless]), margin::read), Err("margins[0].category: missing".to_owned()));
}

#[test]
fn what_is_no_list_is_not_understood() {
    for result in [json!({}), json!("[]"), json!(true)] {
        assert_eq!(read(result, order::read), Err("result is not a list".to_owned()));
    }
}
