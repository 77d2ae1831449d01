use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::rows::{float32, holding, margin, order, position};
use super::{AutoTraderBook, FakeAutoTrader};
use crate::Answer;
use crate::fake_http::client::{Client, Reply};

const KEY: &str = "api-key: good\r\n";
const ORDERS: &str = "/trading/readPlatformOrders";

/// 2017-12-28 19:30:00 in India.
fn evening() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_514_469_600)
}

/// With the accounts `ACC_1`, which has an order, and `ACC_2`, which has nothing.
fn started() -> (FakeAutoTrader, Client) {
    let fake = FakeAutoTrader::start("good").unwrap();
    fake.with_book("ACC_1", |book| book.orders.push(order("1", "SBIN", evening()).into()));
    fake.set_book("ACC_2", AutoTraderBook::default());
    let client = Client::connect(&fake.base_url());
    (fake, client)
}

fn orders(client: &mut Client, account: &str) -> Reply {
    client.get(&format!("{ORDERS}?pseudoAccount={account}"), KEY)
}

fn assert_failure(reply: &Reply, status: u16, message: &str) {
    assert_eq!(
        (reply.status, reply.json()),
        (status, json!({"result": null, "message": message, "status": false, "commandId": null}))
    );
}

#[test]
fn each_pseudo_account_has_a_book_of_its_own() {
    let (fake, mut client) = started();
    fake.with_book("ACC_1", |book| {
        book.positions =
            vec![position("NIFTYFUT").bought(75, 25_000.0).into(), json!({"pseudoAccount": "odd"})];
        book.holdings = vec![holding("INFY", "INE009A01021", 5, 1400.0, 1500.5).into()];
        book.margins = vec![margin("EQUITY", 1000.0, 250.0).into()];
    });
    let mut result = |path: &str| {
        let answer = client.get(&format!("{path}?pseudoAccount=ACC_1"), KEY).json();
        assert_eq!((&answer["status"], &answer["message"]), (&json!(true), &Value::Null));
        answer["result"].clone()
    };
    let order = &result(ORDERS)[0];
    assert_eq!((&order["id"], &order["pseudoAccount"]), (&json!("1"), &json!("ACC_1")));
    let positions = result("/trading/readPlatformPositions");
    assert_eq!((&positions[0]["netQuantity"], &positions[1]["pseudoAccount"]), (&json!(75), &json!("odd")));
    assert_eq!(result("/trading/readPlatformHoldings")[0]["currentValue"], json!(7502.5));
    assert_eq!(result("/trading/readPlatformMargins")[0]["available"], 750);
    assert_eq!(orders(&mut client, "ACC_2").json()["result"], json!([]));
    assert_eq!(client.get("/trading/elsewhere", KEY).status, 404);
}

#[test]
fn an_account_may_be_asked_for_by_a_posted_form() {
    let (fake, mut client) = started();
    client.send(&format!(
        "POST {ORDERS} HTTP/1.1\r\n{KEY}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 19\r\n\r\n\
         pseudoAccount=ACC_1"
    ));
    assert_eq!(client.reply().unwrap().json()["result"][0]["id"], "1");
    assert_eq!(fake.log()[0].form, [("pseudoAccount".to_owned(), "ACC_1".to_owned())]);
    assert_eq!(client.get(ORDERS, KEY).status, 400, "no account at all");
}

#[test]
fn a_failure_about_an_account_is_a_false_status_with_http_200() {
    let (fake, mut client) = started();
    assert_failure(&orders(&mut client, "ACC_3"), 200, "Pseudo account ACC_3 does not exist");
    fake.fail("ACC_1", Some("Session expired, please login."));
    assert_failure(&orders(&mut client, "ACC_1"), 200, "Session expired, please login.");
    assert_eq!(orders(&mut client, "ACC_2").json()["status"], true);
    fake.fail("ACC_1", None);
    assert_eq!(orders(&mut client, "ACC_1").json()["status"], true);
}

#[test]
fn only_a_good_key_is_answered() {
    let (fake, mut client) = started();
    let path = format!("{ORDERS}?pseudoAccount=ACC_1");
    let mut status = |headers: &str| client.get(&path, headers).status;
    assert_eq!([status(""), status("api-key: bad\r\n"), status(KEY)], [403, 403, 200]);
    fake.expire_key("good");
    assert_eq!(status(KEY), 403);
    fake.renew_key("good");
    fake.renew_key("another");
    assert_eq!([status(KEY), status("api-key: another\r\n")], [200, 200]);
}

#[test]
fn accounts_and_keys_have_limits_of_their_own() {
    let (fake, mut client) = started();
    let long = Duration::from_secs(600);
    fake.limit_account(1, long);
    let mut status = |account: &str| orders(&mut client, account).status;
    assert_eq!([status("ACC_1"), status("ACC_1"), status("ACC_2")], [200, 429, 200]);
    fake.limit_account(100, long);
    fake.limit_key(2, long);
    assert_eq!([status("ACC_1"), status("ACC_2"), status("ACC_1")], [200, 200, 429]);
    assert_eq!(fake.refused(), 2);
    assert_eq!(fake.most_within(long, |request| request.parameter("pseudoAccount") == Some("ACC_1")), 4);
}

#[test]
fn scripted_answers_come_before_the_books() {
    let (fake, mut client) = started();
    fake.next(
        ORDERS,
        vec![Answer::json(200, json!({"status": true, "result": null})).cut(5), Answer::html(502)],
    );
    assert_eq!(orders(&mut client, "ACC_1").body, r#"{"res"#);
    assert!(client.reply().is_none(), "closed after it");
    let mut client = Client::connect(&fake.base_url());
    assert_eq!([orders(&mut client, "ACC_2").status, orders(&mut client, "ACC_2").status], [502, 200]);
    fake.always(ORDERS, Some(Answer::html(503)));
    assert_eq!(orders(&mut client, "ACC_2").status, 503);
    fake.always(ORDERS, None);
    assert_eq!(orders(&mut client, "ACC_2").status, 200);
}

#[test]
fn rows_have_all_documented_fields() {
    let check = |row: Value, names: &str| {
        let mut names: Vec<_> = names.split_whitespace().collect();
        let mut found: Vec<_> = row.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, names);
    };
    check(
        order("1", "SBIN", evening()).into(),
        "id tradeType orderType productType variety validity quantity disclosedQuantity price triggerPrice amo \
         statusMessage publisherId pseudoAccount tradingAccount stockBroker exchange symbol independentExchange \
         independentSymbol modifiedTime createdTime comments parentOrderId exchangeOrderId averagePrice clientId \
         rawStatus platformTime exchangeTime pendingQuantity filledQuantity platform status nestRequestId",
    );
    check(
        position("SBIN").into(),
        "id buyQuantity sellQuantity netQuantity type pnl mtm atPnl buyValue sellValue netValue buyAvgPrice \
         sellAvgPrice pseudoAccount tradingAccount stockBroker exchange symbol independentExchange \
         independentSymbol category ltp platform accountId overnightQuantity multiplier realisedPnl unrealisedPnl \
         state direction",
    );
    check(
        holding("SBIN", "INE062A01020", 1, 1.0, 1.0).into(),
        "id isin collateralType instrumentToken product quantity collateralQty t1Qty totalQty pnl haircut avgPrice \
         ltp currentValue pseudoAccount tradingAccount stockBroker exchange symbol platform",
    );
    check(
        margin("ALL", 0.0, 0.0).into(),
        "category funds utilized available total net span exposure collateral payin payout adhoc realisedMtm \
         unrealisedMtm pseudoAccount tradingAccount stockBroker",
    );
}

#[test]
fn times_are_milliseconds_and_prices_can_be_java_floats() {
    assert!((float32(12.3) - 12.300_000_190_734_863).abs() < 1e-15);
    let order = order("1", "SBIN", evening()).sell(10).filled(4, float32(12.3));
    let row = Value::from(order.clone().updated(evening() + Duration::from_millis(5)));
    assert_eq!([&row["createdTime"], &row["exchangeTime"]], [1_514_469_600_000_i64, 1_514_469_600_005]);
    assert_eq!(row["averagePrice"].to_string(), "12.300000190734863");
    assert_eq!([&row["filledQuantity"], &row["pendingQuantity"]], [4, 6]);
    let cancelled = Value::from(order.cancelled());
    assert_eq!([&cancelled["status"], &cancelled["rawStatus"]], ["CANCELLED", "CANCELLED"]);
}

#[test]
fn a_position_has_its_sums_and_its_direction() {
    let carried = position("NIFTYFUT").carried(-75, 25_000.0).bought(150, 24_990.0).last(25_010.0);
    let row = Value::from(carried.clone().day());
    assert_eq!([&row["netQuantity"], &row["overnightQuantity"]], [75, -75]);
    assert_eq!([&row["realisedPnl"], &row["unrealisedPnl"], &row["pnl"]], [750, 1500, 2250]);
    assert_eq!([&row["category"], &row["state"], &row["direction"]], ["DAY", "OPEN", "LONG"]);
    let flat = Value::from(carried.sold(75, 25_000.0));
    assert_eq!([&flat["category"], &flat["state"], &flat["direction"]], ["NET", "CLOSED", "NEUTRAL"]);
}
