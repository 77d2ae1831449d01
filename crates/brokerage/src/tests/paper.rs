use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use ledger::{
    Iceberg, Labels, ReportedHolding, ReportedMargin, ReportedOrder, ReportedPosition, ReportedTrade, Side,
};
use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::WITHIN;
use super::mangling::{spoils, spoilt};
use crate::{Access, Brokerage, BrokerageError, Gate, Kind};

/// A paper book in a folder of its own, whose name has characters that a URL escapes.
struct Book {
    _folder: TempDir,
    path: PathBuf,
    brokerage: Box<dyn Brokerage>,
}

impl Book {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("paper büch #1.json");
        let shut = Gate::new(|_| {
            Box::pin(std::future::ready(Err(BrokerageError::RateLimited { retry_after: None })))
        });
        let access = Access {
            base_url: url::Url::from_file_path(&path).unwrap(),
            pseudo_account: "Raghu".to_owned(),
            api_key: "".into(),
            access_token: "".into(),
            gate: shut,
        };
        Self { brokerage: Kind::Paper.open(None, access).unwrap(), _folder: folder, path }
    }

    fn holding(content: impl AsRef<[u8]>) -> Self {
        let book = Self::new();
        fs::write(&book.path, content).unwrap();
        book
    }

    async fn orders(&self) -> Result<Vec<ReportedOrder>, String> {
        self.brokerage.orders(WITHIN).await.map_err(|error| error.to_string())
    }
}

/// An order, a trade, a position, a holding and a margin with every field there is.
fn whole() -> Value {
    json!({
        "orders": [{
            "broker_order_id": "1", "exchange_order_id": "2", "broker_parent_id": "3", "client_tag": "mine",
            "other_tags": ["a", "b"], "iceberg": {"leg": 1, "legs": 5, "total_quantity": 1000}, "exchange": "nse",
            "symbol": "SBIN", "side": "buy", "product": "CNC", "order_type": "LIMIT", "variety": "amo", "validity": "DAY",
            "quantity": 200, "filled_quantity": "50", "pending_quantity": 150, "disclosed_quantity": 0,
            "average_price": 462.95, "price": 463, "trigger_price": 0, "status": "trigger pending",
            "status_message": "waits", "placed_at": "2025-06-17T09:15:00+05:30", "exchange_at": "2025-06-17T03:45:01Z",
            "is_amo": true, "labels": {"platform": "PAPER", "stock_broker": "NOBODY", "trading_account": "T1",
            "client_id": "C1", "independent_exchange": "NSE", "independent_symbol": "SBIN", "nest_request_id": "N1",
            "comments": "by hand"}, "raw": {"from": "elsewhere"}, "invented": [1],
        }],
        "trades": [{
            "trade_id": "9", "broker_order_id": "1", "exchange_order_id": "2", "exchange": "NSE", "symbol": "SBIN",
            "side": "BUY", "product": "CNC", "quantity": 50, "price": 462.95, "at": "2025-06-17T03:45:01Z",
        }],
        "positions": [{
            "exchange": "NSE", "symbol": "SBIN", "product": "CNC", "instrument_token": 779521, "quantity": 50,
            "overnight_quantity": 0, "multiplier": 1, "average_price": 462.95, "last_price": 463, "close_price": 460,
            "buy_quantity": 50, "buy_price": 462.95, "buy_value": 23147.5, "sell_quantity": 0, "sell_price": 0,
            "sell_value": 0, "value": -23147.5, "pnl": 2.5, "mtm": 2.5, "realised": 0, "unrealised": 2.5,
        }],
        "holdings": [{
            "exchange": "BSE", "symbol": "INFY", "isin": "INE009A01021", "product": "CNC", "instrument_token": 408065,
            "quantity": 27, "t1_quantity": 2, "used_quantity": 1, "collateral_quantity": 5, "collateral_type": "stock",
            "haircut": 0.2, "average_price": 1400, "last_price": 1292.8, "close_price": 1268.9, "pnl": -2894.4,
        }],
        "margins": [{
            "category": "equity", "adhoc": 1, "available": 2, "collateral": 3, "exposure": 4, "funds": 5, "net": 6,
            "payin": 7, "payout": 8, "realised_mtm": 9, "span": 10, "total": 11, "unrealised_mtm": 12, "utilized": 13,
        }],
        "note": "passed over",
    })
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn number(text: &str) -> Option<Decimal> {
    Some(text.parse().unwrap())
}

#[tokio::test]
async fn an_order_is_read_by_the_names_of_our_own_fields() {
    let orders = Book::holding(whole().to_string()).orders().await.unwrap();
    let expected = ReportedOrder {
        broker_order_id: "1".to_owned(),
        exchange_order_id: text("2"),
        broker_parent_id: text("3"),
        client_tag: text("mine"),
        other_tags: vec!["a".to_owned(), "b".to_owned()],
        iceberg: Some(Iceberg { leg: 1, legs: 5, total_quantity: 1_000.into() }),
        exchange: "NSE".to_owned(),
        symbol: "SBIN".to_owned(),
        side: Side::Buy,
        product: "CNC".to_owned(),
        order_type: text("LIMIT"),
        variety: "AMO".to_owned(),
        validity: text("DAY"),
        quantity: 200.into(),
        filled_quantity: 50.into(),
        pending_quantity: number("150"),
        disclosed_quantity: number("0"),
        average_price: number("462.95"),
        price: number("463"),
        trigger_price: number("0"),
        status: "TRIGGER_PENDING".to_owned(),
        status_message: text("waits"),
        placed_at: Some("2025-06-17T03:45:00Z".parse().unwrap()),
        exchange_at: Some("2025-06-17T03:45:01Z".parse().unwrap()),
        is_amo: Some(true),
        labels: Labels {
            platform: text("PAPER"),
            stock_broker: text("NOBODY"),
            trading_account: text("T1"),
            client_id: text("C1"),
            independent_exchange: text("NSE"),
            independent_symbol: text("SBIN"),
            nest_request_id: text("N1"),
            comments: text("by hand"),
        },
        raw: r#"{"from":"elsewhere"}"#.to_owned(),
    };
    assert_eq!(orders, [expected]);
}

#[tokio::test]
async fn what_an_order_may_leave_out_is_none_and_raw_is_the_order_itself() {
    let bare = json!({"broker_order_id": "1", "exchange": "NSE", "symbol": "X", "side": "SELL", "product": "MIS",
                      "quantity": 1, "filled_quantity": 0, "status": "OPEN"});
    let order = Book::holding(json!({"orders": [bare]}).to_string()).orders().await.unwrap().remove(0);
    assert_eq!((order.variety.as_str(), order.average_price, order.placed_at), ("REGULAR", None, None));
    assert_eq!((order.labels, order.iceberg, order.is_amo), (Labels::default(), None, None));
    assert_eq!(serde_json::from_str::<Value>(&order.raw).unwrap(), bare);
}

#[tokio::test]
async fn the_other_lists_are_read_by_the_names_of_our_own_fields() {
    let book = Book::holding(whole().to_string());
    let trade = ReportedTrade {
        trade_id: "9".to_owned(),
        broker_order_id: "1".to_owned(),
        exchange_order_id: text("2"),
        exchange: "NSE".to_owned(),
        symbol: "SBIN".to_owned(),
        side: Side::Buy,
        product: "CNC".to_owned(),
        quantity: 50.into(),
        price: "462.95".parse().unwrap(),
        at: "2025-06-17T03:45:01Z".parse().unwrap(),
    };
    assert_eq!(book.brokerage.trades(WITHIN).await.unwrap(), [trade]);
    let position = ReportedPosition {
        exchange: "NSE".to_owned(),
        symbol: "SBIN".to_owned(),
        product: "CNC".to_owned(),
        instrument_token: Some(779_521),
        quantity: 50.into(),
        overnight_quantity: number("0"),
        multiplier: number("1"),
        average_price: number("462.95"),
        last_price: number("463"),
        close_price: number("460"),
        buy_quantity: number("50"),
        buy_price: number("462.95"),
        buy_value: number("23147.5"),
        sell_quantity: number("0"),
        sell_price: number("0"),
        sell_value: number("0"),
        value: number("-23147.5"),
        pnl: number("2.5"),
        mtm: number("2.5"),
        realised: number("0"),
        unrealised: number("2.5"),
    };
    assert_eq!(book.brokerage.positions(WITHIN).await.unwrap(), [position]);
    let holding = ReportedHolding {
        exchange: "BSE".to_owned(),
        symbol: "INFY".to_owned(),
        isin: text("INE009A01021"),
        product: text("CNC"),
        instrument_token: Some(408_065),
        quantity: 27.into(),
        t1_quantity: number("2"),
        used_quantity: number("1"),
        collateral_quantity: number("5"),
        collateral_type: text("stock"),
        haircut: number("0.2"),
        average_price: number("1400"),
        last_price: number("1292.8"),
        close_price: number("1268.9"),
        pnl: number("-2894.4"),
    };
    assert_eq!(book.brokerage.holdings(WITHIN).await.unwrap(), [holding]);
    let margin = ReportedMargin {
        category: "EQUITY".to_owned(),
        adhoc: number("1"),
        available: number("2"),
        collateral: number("3"),
        exposure: number("4"),
        funds: number("5"),
        net: number("6"),
        payin: number("7"),
        payout: number("8"),
        realised_mtm: number("9"),
        span: number("10"),
        total: number("11"),
        unrealised_mtm: number("12"),
        utilized: number("13"),
    };
    assert_eq!(book.brokerage.margins(WITHIN).await.unwrap(), [margin]);
}

#[tokio::test]
async fn a_list_that_is_not_there_is_empty_where_that_says_nothing_of_what_is_held() {
    let book = Book::holding(r#"{"orders": []}"#);
    assert_eq!(book.orders().await.unwrap(), []);
    assert_eq!(book.brokerage.trades(WITHIN).await.unwrap(), []);
    assert_eq!(book.brokerage.margins(WITHIN).await.unwrap(), []);
    let not_told = [
        book.brokerage.positions(WITHIN).await.unwrap_err().to_string(),
        book.brokerage.holdings(WITHIN).await.unwrap_err().to_string(),
    ];
    assert_eq!(
        not_told,
        ["request refused: the file tells no positions", "request refused: the file tells no holdings"]
    );
    let nothing = Book::holding(r#"{"orders": [], "positions": [], "holdings": []}"#);
    assert_eq!(nothing.brokerage.positions(WITHIN).await.unwrap(), []);
    fs::write(&book.path, r#"{"trades": null}"#).unwrap();
    assert_eq!(book.orders().await, Err("answer not understood: the file has no orders".to_owned()));
    let trades = book.brokerage.trades(WITHIN).await.unwrap_err().to_string();
    assert_eq!(trades, "answer not understood: trades is not a list");
}

#[tokio::test]
async fn the_file_is_read_anew_each_time() {
    let book = Book::new();
    let missing = book.orders().await.unwrap_err();
    assert!(missing.starts_with("brokerage unavailable: there is no file "), "{missing}");
    fs::write(&book.path, whole().to_string()).unwrap();
    assert_eq!(book.orders().await.unwrap().len(), 1);
    fs::write(&book.path, r#"{"orders": []}"#).unwrap();
    assert_eq!(book.orders().await.unwrap().len(), 0);
}

#[tokio::test]
async fn what_is_no_book_says_where() {
    for (content, expected) in [
        ("", "the file is not JSON: EOF while parsing a value at line 1 column 0"),
        (r#"{"orders": ["#, "the file is not JSON: EOF while parsing a list at line 1 column 12"),
        ("[]", "the file is not a JSON object"),
        (r#"{"orders": {}}"#, "orders is not a list"),
        (r#"{"orders": [{}]}"#, "orders[0].broker_order_id: missing"),
        (r#"{"orders": [], "error": "x"}"#, "error is not an object"),
        (r#"{"orders": [], "error": {"kind": "odd"}}"#, "error.kind: \"odd\" is no kind of error"),
        (r#"{"orders": [], "error": {}}"#, "error.kind: missing"),
    ] {
        let error = Book::holding(content).orders().await.unwrap_err();
        assert_eq!(error, format!("answer not understood: {expected}"));
    }
    let with = |name: &str, value: Value| {
        let mut book = whole();
        book["orders"][0][name] = value;
        Book::holding(book.to_string())
    };
    let error = with("raw", json!("{")).orders().await.unwrap_err();
    assert!(error.starts_with("answer not understood: orders[0].raw: not JSON: EOF"), "{error}");
    let error = with("placed_at", json!("2025-06-17 09:15:00")).orders().await.unwrap_err();
    assert_eq!(error, "answer not understood: orders[0].placed_at: \"2025-06-17 09:15:00\" is no time");
    let error = with("iceberg", json!({"leg": 1, "legs": 0})).orders().await.unwrap_err();
    assert_eq!(error, "answer not understood: orders[0].iceberg.legs: no count from 1");
}

#[tokio::test]
async fn a_folder_and_a_file_without_end_are_no_book() {
    let book = Book::new();
    fs::create_dir(&book.path).unwrap();
    let error = book.orders().await.unwrap_err();
    assert!(error.starts_with("answer not understood: "), "{error}");
    let book = Book::new();
    fs::File::create(&book.path).unwrap().set_len(crate::ANSWER_LIMIT as u64 + 1).unwrap();
    let error = book.orders().await.unwrap_err();
    assert!(error.ends_with(" has over 16777216 bytes"), "{error}");
}

#[tokio::test]
async fn a_book_may_ask_for_any_error_and_every_reading_fails_so() {
    for (error, expected) in [
        (json!({"kind": "auth", "message": "log in"}), "login refused: log in"),
        (json!({"kind": "rate_limited", "retry_after": 5}), "too many requests, wait 5 s"),
        (json!({"kind": "rate_limited"}), "too many requests"),
        (json!({"kind": "transient", "message": "away"}), "brokerage unavailable: away"),
        (json!({"kind": "rejected", "message": "no"}), "request refused: no"),
        (json!({"kind": "malformed"}), "answer not understood: the paper book says so"),
    ] {
        let mut book = whole();
        book["error"] = error;
        let book = Book::holding(book.to_string());
        assert_eq!(book.orders().await.unwrap_err(), expected);
        assert_eq!(book.brokerage.trades(WITHIN).await.unwrap_err().to_string(), expected);
        assert_eq!(book.brokerage.positions(WITHIN).await.unwrap_err().to_string(), expected);
        assert_eq!(book.brokerage.holdings(WITHIN).await.unwrap_err().to_string(), expected);
        assert_eq!(book.brokerage.margins(WITHIN).await.unwrap_err().to_string(), expected);
    }
    let mut calm = whole();
    calm["error"] = Value::Null;
    assert_eq!(Book::holding(calm.to_string()).orders().await.unwrap().len(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_never_ends_to_open_is_given_up_in_time() {
    let book = Book::new();
    let made = std::process::Command::new("mkfifo").arg(&book.path).status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: no mkfifo");
        return;
    }
    let error = book.brokerage.orders(Duration::from_millis(100)).await.unwrap_err().to_string();
    assert!(error.ends_with(" was not read in time"), "{error}");
    // The thread that waits in the background is let go: a writer has come.
    drop(fs::OpenOptions::new().write(true).open(&book.path).unwrap());
}

proptest! {
    #[test]
    fn a_spoilt_book_is_an_error_or_whole(spoils in spoils()) {
        let mut whole = whole();
        let order = whole["orders"][0].clone();
        whole["orders"] = json!([order, order, order]);
        let body = spoilt(&whole, &spoils).body;
        let told = serde_json::from_slice::<Value>(&body).ok();
        let told = told.and_then(|book| Some(book.get("orders")?.as_array()?.len()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        if let Ok(orders) = runtime.block_on(Book::holding(&body).orders()) {
            prop_assert_eq!(Some(orders.len()), told);
        }
    }
}
