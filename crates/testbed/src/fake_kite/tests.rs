use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::rows::{holding, margins, order, position, trade};
use super::{FakeKite, KiteBook};
use crate::Answer;
use crate::fake_http::client::{Client, Reply};

const RAGHU: &str = "X-Kite-Version: 3\r\nAuthorization: token key:raghu\r\n";
const ASHA: &str = "X-Kite-Version: 3\r\nAuthorization: token key:asha\r\n";

/// 2017-12-28 19:30:00 in India.
fn evening() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_514_469_600)
}

fn started() -> (FakeKite, Client) {
    let kite = FakeKite::start().unwrap();
    let client = Client::connect(&kite.base_url());
    (kite, client)
}

fn assert_error(reply: &Reply, status: u16, error_type: &str) {
    let body = reply.json();
    assert_eq!((reply.status, &body["status"]), (status, &json!("error")), "{body}");
    assert_eq!(body["error_type"], error_type, "{body}");
    assert!(body["message"].is_string(), "{body}");
}

#[test]
fn each_login_has_a_book_of_its_own() {
    let (kite, mut client) = started();
    let bought = order("1", "SBIN", evening()).buy(10).filled(10, 310.5);
    let mut book = KiteBook {
        trades: vec![trade("7", &bought, 10, 310.5, evening()).into()],
        orders: vec![bought.into()],
        holdings: vec![holding("INFY", "INE009A01021", 5, 1400.0, 1500.5).into()],
        margins: margins(1000.0).into(),
        ..KiteBook::default()
    };
    book.add_position(position("SBIN").on("NSE", "CNC").bought(10, 310.5).last(311.0));
    kite.set_book("raghu", book.clone());
    kite.with_book("asha", |book| book.orders.push(order("2", "INFY", evening()).into()));

    let mut data = |path: &str, login: &str| client.get(path, login).json()["data"].clone();
    assert_eq!(data("/orders", RAGHU), json!(book.orders));
    assert_eq!(data("/trades", RAGHU), json!(book.trades));
    assert_eq!(data("/portfolio/positions", RAGHU), json!({"net": book.net, "day": book.day}));
    assert_eq!(data("/portfolio/holdings", RAGHU), json!(book.holdings));
    assert_eq!(data("/user/margins", RAGHU)["equity"]["net"], 1000);
    assert_eq!(data("/orders", ASHA)[0]["order_id"], "2");
    assert_eq!(data("/trades", ASHA), json!([]));
}

#[test]
fn a_login_without_a_book_gets_what_all_are_told() {
    let (kite, mut client) = started();
    let empty = client.get("/portfolio/positions", ASHA).json();
    assert_eq!(empty, json!({"status": "success", "data": {"net": [], "day": []}}));
    assert_eq!(client.get("/user/margins", ASHA).json()["data"]["commodity"]["net"], 0);
    kite.set_book("raghu", KiteBook::default());
    kite.respond(500, "{}");
    kite.respond_positions(200, "no JSON");
    kite.respond_holdings(503, "{}");
    assert_eq!(client.get("/orders", ASHA).status, 500);
    assert_eq!(client.get("/portfolio/positions", ASHA).body, "no JSON");
    assert_eq!(client.get("/portfolio/holdings", ASHA).status, 503);
    assert_eq!(client.get("/orders", RAGHU).json()["data"], json!([]), "it has a book of its own");
    assert_eq!(client.get("/trades", ASHA).status, 200);
}

#[test]
fn a_request_without_version_or_login_is_refused() {
    let (_kite, mut client) = started();
    let login = "Authorization: token key:raghu\r\n";
    assert_error(&client.get("/orders", login), 400, "InputException");
    assert_error(&client.get("/orders", &format!("X-Kite-Version: 2\r\n{login}")), 400, "InputException");
    for odd in [
        "",
        "Authorization: Bearer key:raghu\r\n",
        "Authorization: token key\r\n",
        "Authorization: token :\r\n",
    ] {
        assert_error(&client.get("/trades", &format!("X-Kite-Version: 3\r\n{odd}")), 403, "TokenException");
    }
    assert_error(&client.get("/quote", RAGHU), 404, "GeneralException");
    client.send(&format!("POST /orders HTTP/1.1\r\n{RAGHU}\r\n"));
    assert_error(&client.reply().unwrap(), 404, "GeneralException");
}

#[test]
fn an_expired_login_is_refused_until_it_is_renewed() {
    let (kite, mut client) = started();
    kite.with_book("raghu", |book| book.orders.push(order("1", "SBIN", evening()).into()));
    kite.expire_login("raghu");
    let refused = client.get("/orders", RAGHU);
    assert_eq!(
        (refused.status, refused.json()),
        (
            403,
            json!({
                "status": "error",
                "message": "Incorrect `api_key` or `access_token`.",
                "error_type": "TokenException",
            })
        )
    );
    assert_eq!(client.get("/orders", ASHA).status, 200, "the others are good");
    kite.renew_login("raghu");
    assert_eq!(client.get("/orders", RAGHU).json()["data"][0]["order_id"], "1", "the book is still there");
}

#[test]
fn scripted_answers_come_before_the_books() {
    let (kite, mut client) = started();
    kite.next("/trades", vec![Answer::html(502)]);
    kite.always("/orders", Some(Answer::html(503)));
    assert_eq!(client.get("/trades", RAGHU).status, 502);
    assert_eq!(client.get("/trades", RAGHU).status, 200);
    assert_eq!(client.get("/orders", ASHA).status, 503);
    kite.always("/orders", None);
    assert_eq!(client.get("/orders", ASHA).status, 200);
}

#[test]
fn requests_beyond_the_limit_of_an_api_key_are_refused() {
    let (kite, mut client) = started();
    kite.limit(2, Duration::from_secs(600));
    assert_eq!([client.get("/orders", RAGHU).status, client.get("/trades", ASHA).status], [200, 200]);
    assert_error(&client.get("/orders", ASHA), 429, "NetworkException");
    let other = "X-Kite-Version: 3\r\nAuthorization: token other:asha\r\n";
    assert_eq!(client.get("/orders", other).status, 200, "another key");
    assert_eq!(kite.refused(), 1);
    let of_key =
        |request: &crate::Request| request.header("authorization").is_some_and(|a| a.contains("key:"));
    assert_eq!(kite.most_within(Duration::from_secs(600), of_key), 3);
    assert_eq!(kite.log().len(), 4);
}

#[test]
fn headers_and_delay_are_those_of_orders_only() {
    let (kite, mut client) = started();
    kite.set_book("raghu", KiteBook::default());
    kite.add_header("Retry-After", "7");
    kite.delay(Duration::from_millis(100));
    for login in [RAGHU, ASHA] {
        let begun = Instant::now();
        assert!(client.get("/orders", login).head.contains("Retry-After: 7\r\n"));
        assert!(begun.elapsed() >= Duration::from_millis(100));
    }
    assert!(!client.get("/portfolio/holdings", ASHA).head.contains("Retry-After"));
    assert_eq!(kite.requests(), 2);
    assert_eq!(kite.last_authorization().as_deref(), Some("token key:asha"));
}

#[test]
fn an_order_has_all_documented_fields_and_the_quirks_of_kite() {
    let row = Value::from(order("220524001859672", "SBIN", evening()));
    let names = "account_id placed_by order_id exchange_order_id parent_order_id status status_message \
        status_message_raw order_timestamp exchange_timestamp exchange_update_timestamp variety modified exchange \
        tradingsymbol instrument_token order_type transaction_type validity validity_ttl product quantity \
        disclosed_quantity price trigger_price average_price filled_quantity pending_quantity cancelled_quantity \
        market_protection meta tag tags guid auction_number terminal_id";
    let missing: Vec<_> = names.split_whitespace().filter(|name| row.get(name).is_none()).collect();
    assert_eq!(missing, [""; 0]);
    assert_eq!(row["order_timestamp"], "2017-12-28 19:30:00");

    let placed = order("1", "NIFTYFUT", evening()).on("NFO", "NRML").sell(75).limit(25_010.5);
    let partial = Value::from(placed.clone().filled(50, 25_011.0));
    assert_eq!((&partial["status"], &partial["pending_quantity"]), (&json!("OPEN"), &json!(25)));
    assert_eq!(Value::from(placed.clone().filled(75, 25_011.0))["status"], "COMPLETE");
    let cancelled = Value::from(placed.clone().filled(50, 25_011.0).cancelled());
    assert_eq!([&cancelled["cancelled_quantity"], &cancelled["pending_quantity"]], [25, 25]);
    let rejected = Value::from(placed.rejected("RMS:Margin Exceeds"));
    assert!(rejected["exchange_timestamp"].is_null() && rejected["exchange_order_id"].is_null());
}

#[test]
fn a_trade_is_one_of_its_order() {
    let order = order("1", "NIFTYFUT", evening()).on("NFO", "NRML").sell(75);
    let row = trade("9", &order, 25, 25_011.05, evening() + Duration::from_secs(61));
    let trade = Value::from(row);
    assert_eq!(trade["order_timestamp"], "19:30:00");
    assert_eq!(trade["fill_timestamp"], "2017-12-28 19:31:01");
    assert_eq!((&trade["transaction_type"], &trade["product"]), (&json!("SELL"), &json!("NRML")));
    let order = Value::from(order);
    for same in ["order_id", "exchange_order_id", "tradingsymbol", "instrument_token", "exchange"] {
        assert_eq!(trade[same], order[same]);
    }
}

/// The two rows are those of Kite's own sample answer.
#[test]
fn a_position_is_worked_out_as_kite_does() {
    let gold = position("GOLDGUINEA17DECFUT").on("MCX", "NRML").carried(3, 23_057.0, 23_232.0);
    let gold = gold.bought(1, 23_388.0).sold(4, 23_340.0).last(23_355.0);
    let told = |row: &Value, names: &str| {
        names.split(' ').map(|name| row[name].to_string()).collect::<Vec<_>>().join(" ")
    };
    let net = Value::from(gold.clone());
    assert_eq!(told(&net, "quantity overnight_quantity average_price value pnl m2m"), "0 3 0 801 801 276");
    assert_eq!(told(&net, "buy_quantity buy_price buy_value buy_m2m"), "4 23139.75 92559 93084");
    assert_eq!(told(&net, "sell_quantity sell_price sell_value sell_m2m"), "4 23340 93360 93360");
    let day = Value::from(gold.today());
    assert_eq!(
        told(&day, "quantity overnight_quantity average_price value pnl m2m"),
        "-3 0 23340 69972 -93 -93"
    );
    assert_eq!(told(&day, "day_buy_value buy_m2m close_price"), "23388 23388 23232");

    let lead =
        position("LEADMINI17DECFUT").on("MCX", "NRML").multiplier(1000.0).bought(1, 161.05).last(161.05);
    let lead = Value::from(lead.with(json!({"instrument_token": 53_496_327})));
    assert_eq!(told(&lead, "quantity average_price buy_value value pnl"), "1 161.05 161050 -161050 0");
    assert_eq!(lead["instrument_token"], 53_496_327);
}

#[test]
fn a_position_that_was_only_carried_is_not_in_the_day_list() {
    let mut book = KiteBook::default();
    book.add_position(position("NIFTYFUT").carried(-75, 25_000.0, 25_010.0).last(25_020.0));
    assert_eq!((book.net.len(), book.day.len()), (1, 0));
    assert_eq!(book.net[0]["quantity"], -75);
    book.add_position(position("NIFTYFUT").on("NFO", "MIS").sold(75, 25_000.0));
    assert_eq!((book.net.len(), book.day.len()), (2, 1));
}
