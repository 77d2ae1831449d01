use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ledger::Side;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const API_KEY: &str = "kiteapikey123456";
const ACCESS_TOKEN: &str = "s3cr3t-access-token";

/// One answer of Kite's own sample, an order filled with an odd average.
fn sample() -> Value {
    json!({
        "placed_by": "XXXXXX", "order_id": "300000000000000", "exchange_order_id": "400000000000000",
        "parent_order_id": null, "status": "COMPLETE", "status_message": null, "status_message_raw": null,
        "order_timestamp": "2021-05-31 15:20:27", "exchange_update_timestamp": "2021-05-31 15:20:29",
        "exchange_timestamp": "2021-05-31 15:20:28", "variety": "regular", "modified": false, "exchange": "NSE",
        "tradingsymbol": "IOC", "instrument_token": 415745, "order_type": "LIMIT", "transaction_type": "BUY",
        "validity": "DAY", "product": "CNC", "quantity": 3, "disclosed_quantity": 0, "price": 109.4,
        "trigger_price": 0, "average_price": serde_json::from_str::<Value>("109.33333333333333").unwrap(),
        "filled_quantity": 3, "pending_quantity": 0, "cancelled_quantity": 0, "market_protection": 0, "meta": {},
        "tag": null, "guid": "XXXXXX",
    })
}

fn with(changes: Value) -> Value {
    let mut order = sample();
    order.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    order
}

fn read(order: Value) -> Result<ReportedOrder, String> {
    order::read_book(vec![order]).map(|mut book| book.remove(0)).map_err(|error| error.to_string())
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn at(text: &str) -> Option<chrono::DateTime<chrono::Utc>> {
    Some(text.parse().unwrap())
}

#[test]
fn an_order_is_read_field_by_field() {
    let order = read(sample()).unwrap();
    let raw: Value = serde_json::from_str(&order.raw).unwrap();
    assert_eq!(raw, sample());
    assert_eq!(
        order,
        ReportedOrder {
            broker_order_id: "300000000000000".to_owned(),
            exchange_order_id: Some("400000000000000".to_owned()),
            broker_parent_id: None,
            client_tag: None,
            exchange: "NSE".to_owned(),
            symbol: "IOC".to_owned(),
            side: Side::Buy,
            product: "CNC".to_owned(),
            order_type: Some("LIMIT".to_owned()),
            variety: "REGULAR".to_owned(),
            validity: Some("DAY".to_owned()),
            quantity: decimal("3"),
            filled_quantity: decimal("3"),
            pending_quantity: Some(decimal("0")),
            disclosed_quantity: Some(decimal("0")),
            average_price: Some(decimal("109.33333333333333")),
            price: Some(decimal("109.4")),
            trigger_price: Some(decimal("0")),
            status: "COMPLETE".to_owned(),
            status_message: None,
            placed_at: at("2021-05-31T09:50:27Z"),
            exchange_at: at("2021-05-31T09:50:28Z"),
            raw: order.raw.clone(),
        }
    );
}

#[test]
fn empty_texts_and_a_price_of_zero_are_no_values() {
    let order = read(with(json!({
        "exchange_order_id": "", "parent_order_id": " ", "status_message": "", "exchange_timestamp": "", "price": "",
        "exchange_update_timestamp": "2021-05-31 15:20:29", "average_price": 0, "variety": null,
    })))
    .unwrap();
    assert_eq!((order.exchange_order_id, order.broker_parent_id, order.status_message), (None, None, None));
    assert_eq!((order.average_price, order.price), (None, None));
    assert_eq!((order.exchange_at, order.variety.as_str()), (at("2021-05-31T09:50:29Z"), "REGULAR"));
    let never_sent = with(json!({"exchange_timestamp": null, "exchange_update_timestamp": null}));
    assert_eq!(read(never_sent).unwrap().exchange_at, None);
}

#[test]
fn numbers_come_as_numbers_or_as_text() {
    let order =
        read(with(json!({"quantity": "3", "filled_quantity": 1.0, "average_price": "12.30"}))).unwrap();
    assert_eq!((order.quantity, order.filled_quantity), (decimal("3"), decimal("1")));
    assert_eq!(order.average_price.unwrap().to_string(), "12.30");
}

#[test]
fn unknown_statuses_are_kept_in_capitals() {
    for (text, expected) in [
        ("TRIGGER PENDING", "TRIGGER_PENDING"),
        ("open", "OPEN"),
        ("AMO REQ RECEIVED", "AMO_REQ_RECEIVED"),
        (" Some  new word ", "SOME_NEW_WORD"),
    ] {
        assert_eq!(read(with(json!({ "status": text }))).unwrap().status, expected);
    }
}

#[test]
fn a_leg_names_the_order_it_belongs_to() {
    let cover = read(with(json!({"parent_order_id": "171228000912853"}))).unwrap();
    assert_eq!(cover.broker_parent_id.as_deref(), Some("171228000912853"));
    let slice = read(with(json!({"tags": ["autoslice", "autoslice:1953367517640548352"]}))).unwrap();
    assert_eq!(slice.broker_parent_id.as_deref(), Some("1953367517640548352"));
    let tagged = read(with(json!({"tag": "mine", "tags": ["mine", 5, "autoslice:"]}))).unwrap();
    assert_eq!((tagged.broker_parent_id, tagged.client_tag.as_deref()), (None, Some("mine")));
}

#[test]
fn one_bad_order_spoils_the_book_and_is_named() {
    for (changes, expected) in [
        (json!({"order_id": null}), "orders[1].order_id: missing"),
        (json!({"order_id": 300}), "orders[1].order_id: 300 is not text"),
        (json!({"tradingsymbol": ""}), "orders[1].tradingsymbol: missing"),
        (json!({"quantity": null}), "orders[1].quantity: missing"),
        (json!({"filled_quantity": "many"}), "orders[1].filled_quantity: \"many\" is not a number"),
        (json!({"filled_quantity": -1}), "orders[1].filled_quantity: -1 is less than nothing"),
        (json!({"average_price": {}}), "orders[1].average_price: an object is not a number"),
        (json!({"transaction_type": "HOLD"}), "orders[1].transaction_type: \"HOLD\" is no side"),
        (json!({"order_timestamp": "15:20:28"}), "orders[1].order_timestamp: \"15:20:28\" is no time"),
        (json!({"status": " "}), "orders[1].status: missing"),
        (json!({"guid": "\u{0}"}), "orders[1].*: holds a NUL character"),
    ] {
        let error = order::read_book(vec![sample(), with(changes), sample()]).unwrap_err();
        assert_eq!(error.to_string(), format!("answer not understood: {expected}"));
    }
    let error = order::read_book(vec![Value::Null]).unwrap_err();
    assert_eq!(error.to_string(), "answer not understood: orders[0] is not an object");
}

#[test]
fn every_sample_book_is_read() {
    let samples =
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/kiteconnect_mocks"));
    for (folder, count) in [("head", 10), ("2017-12-28", 7)] {
        let path = samples.join(folder).join("orders.json");
        let Ok(body) = std::fs::read(&path) else {
            eprintln!("skipped: no sample book at {}", path.display());
            continue;
        };
        let answer: Value = serde_json::from_slice(&body).unwrap();
        let book = order::read_book(answer["data"].as_array().unwrap().clone()).unwrap();
        assert_eq!(book.len(), count);
        assert!(book.iter().all(|order| order.placed_at.is_some()));
        assert!(book.iter().all(|order| order.average_price.is_some() != order.filled_quantity.is_zero()));
    }
}

/// What a server does with one connection.
#[derive(Clone)]
enum Reply {
    /// Sends these bytes and closes.
    Raw(String),
    /// Never answers.
    Silence,
}

fn reply(status: &str, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Raw(format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    ))
}

fn json_reply(status: &str, body: &Value) -> Reply {
    reply(status, "content-type: application/json\r\n", &body.to_string())
}

fn book() -> Reply {
    json_reply("200 OK", &json!({"status": "success", "data": [sample()]}))
}

/// Serves the replies in turn, the last one for ever, and keeps what was asked.
struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, requests) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let kept = Arc::clone(&requests);
        tokio::spawn(async move {
            let mut connections = Vec::new();
            for turn in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let head = request(&mut stream).await;
                kept.lock().unwrap().push(head);
                match &replies[turn.min(replies.len() - 1)] {
                    // A client that has seen enough may be gone before the end.
                    Reply::Raw(bytes) => drop(stream.write_all(bytes.as_bytes()).await),
                    Reply::Silence => connections.push(stream),
                }
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn kite(&self) -> Kite {
        kite(&format!("http://{}", self.address))
    }
}

/// The head of the request; a GET has nothing else.
async fn request(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

fn kite(base_url: &str) -> Kite {
    let timeouts = Timeouts { pause: Duration::from_millis(10), ..Timeouts::default() };
    new(base_url, API_KEY, ACCESS_TOKEN, timeouts).unwrap()
}

fn new(
    base_url: &str,
    api_key: &str,
    access_token: &str,
    timeouts: Timeouts,
) -> Result<Kite, BrokerageError> {
    // The first test to come installs it, for all of them.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Kite::new(base_url.parse().unwrap(), api_key.into(), access_token.into(), timeouts)
}

/// What a server with these replies makes of a fetch: the error's text, and how many requests there were.
async fn failure(replies: Vec<Reply>) -> (String, usize) {
    let server = Server::start(replies).await;
    let error = server.kite().orders().await.unwrap_err();
    let debug = format!("{error:?} {:?}", std::error::Error::source(&error));
    assert!(!debug.contains(API_KEY) && !debug.contains(ACCESS_TOKEN), "{debug}");
    (error.to_string(), server.requests().len())
}

#[tokio::test]
async fn a_book_is_fetched_with_the_login_in_its_headers() {
    let server = Server::start(vec![book()]).await;
    let kite: Box<dyn Brokerage> = Box::new(server.kite());
    let orders = kite.orders().await.unwrap();
    assert_eq!((kite.name(), orders.len(), orders[0].symbol.as_str()), ("kite", 1, "IOC"));
    let requests = server.requests();
    let head = requests[0].to_ascii_lowercase();
    assert!(requests.len() == 1 && head.starts_with("get /orders http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nx-kite-version: 3\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nauthorization: token {API_KEY}:{ACCESS_TOKEN}\r\n")), "{head}");
}

#[tokio::test]
async fn an_empty_book_is_a_result() {
    let server = Server::start(vec![json_reply("200 OK", &json!({"status": "success", "data": []}))]).await;
    assert_eq!(server.kite().orders().await.unwrap(), []);
}

#[tokio::test]
async fn a_dead_login_is_never_tried_again() {
    let body = json!({"status": "error", "message": "Incorrect `api_key` or `access_token`.", "error_type": "TokenException"});
    let expected = "login refused: Incorrect `api_key` or `access_token`. (TokenException)".to_owned();
    assert_eq!(failure(vec![json_reply("403 Forbidden", &body), book()]).await, (expected.clone(), 1));
    assert_eq!(failure(vec![json_reply("200 OK", &body), book()]).await, (expected, 1));
}

#[tokio::test]
async fn a_rate_limit_tells_how_long_to_wait() {
    let limited = |headers: &str| vec![reply("429 Too Many Requests", headers, ""), book()];
    assert_eq!(failure(limited("retry-after: 3\r\n")).await, ("too many requests, wait 3 s".to_owned(), 1));
    assert_eq!(failure(limited("")).await, ("too many requests".to_owned(), 1));
    let absurd = failure(limited("retry-after: 18446744073709551615\r\n")).await;
    assert_eq!(absurd, ("too many requests, wait 86400 s".to_owned(), 1));
}

#[tokio::test]
async fn a_gateways_page_is_tried_twice() {
    let page = reply("200 OK", "content-type: text/html\r\n", "<html>");
    let expected = "brokerage unavailable: HTTP 200 OK with text/html instead of JSON".to_owned();
    assert_eq!(failure(vec![page]).await, (expected, 2));
}

#[tokio::test]
async fn a_short_fault_is_got_over() {
    let away = json!({"status": "error", "message": "OMS away", "error_type": "NetworkException"});
    for fault in [json_reply("503 Service Unavailable", &away), reply("502 Bad Gateway", "", "")] {
        let server = Server::start(vec![fault, book()]).await;
        assert_eq!(server.kite().orders().await.unwrap().len(), 1);
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn a_slow_server_is_given_up_in_time() {
    let timeouts = Timeouts {
        request: Duration::from_millis(300),
        total: Duration::from_millis(1_000),
        pause: Duration::from_millis(10),
        ..Timeouts::default()
    };
    let server = Server::start(vec![Reply::Silence]).await;
    let kite = new(&format!("http://{}", server.address), API_KEY, ACCESS_TOKEN, timeouts).unwrap();
    let error = tokio::time::timeout(Duration::from_secs(5), kite.orders()).await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "brokerage unavailable: no answer from 127.0.0.1 within 0.3 s");
}

#[tokio::test]
async fn a_refused_connection_is_transient() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let error = kite(&format!("http://{address}")).orders().await.unwrap_err();
    assert_eq!(error.to_string(), "brokerage unavailable: cannot connect to 127.0.0.1");
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn a_body_cut_short_is_no_book() {
    let whole = json!({"status": "success", "data": [sample()]}).to_string();
    let cut = &whole[..whole.len() - 20];
    let broken = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{cut}",
        whole.len()
    );
    let expected = "brokerage unavailable: the connection to 127.0.0.1 broke off".to_owned();
    assert_eq!(failure(vec![Reply::Raw(broken)]).await, (expected, 2));
    let (error, requests) = failure(vec![reply("200 OK", "content-type: application/json\r\n", cut)]).await;
    assert!(error.starts_with("answer not understood: the answer is not JSON: EOF"), "{error}");
    assert_eq!(requests, 1);
}

#[tokio::test]
async fn an_endless_answer_is_refused() {
    let huge = reply("200 OK", "content-type: application/json\r\n", &" ".repeat(crate::ANSWER_LIMIT + 1));
    let server = Server::start(vec![huge]).await;
    let kite =
        new(&format!("http://{}", server.address), API_KEY, ACCESS_TOKEN, Timeouts::default()).unwrap();
    let error = kite.orders().await.unwrap_err();
    assert_eq!(error.to_string(), "answer not understood: an answer of over 16777216 bytes");
}

#[tokio::test]
async fn secrets_appear_in_no_text() {
    let echo = format!("token {API_KEY}:{ACCESS_TOKEN}\nwas wrong");
    let body = json!({"status": "error", "message": echo, "error_type": "InputException"});
    let (error, _) = failure(vec![json_reply("400 Bad Request", &body)]).await;
    assert_eq!(error, "request refused: token ***:*** was wrong (InputException)");
    let spoiled = with(json!({"quantity": format!("x{ACCESS_TOKEN}")}));
    let (error, _) =
        failure(vec![json_reply("200 OK", &json!({"status": "success", "data": [spoiled]}))]).await;
    assert_eq!(error, "answer not understood: orders[0].quantity: \"x***\" is not a number");
    let debug = format!("{:?}", kite("http://127.0.0.1:1"));
    assert_eq!(debug, r#"Kite { orders_url: "http://127.0.0.1:1/orders", .. }"#);
}

#[test]
fn the_endpoint_keeps_the_path_of_the_base() {
    for (base, expected) in [
        ("https://api.kite.trade", "https://api.kite.trade/orders"),
        ("http://h:8080/fake/kite/", "http://h:8080/fake/kite/orders"),
    ] {
        assert_eq!(endpoint(&base.parse().unwrap(), &["orders"]).unwrap().as_str(), expected);
    }
    for base in ["ftp://h/", "data:x", "http://user@h/", "http://:pw@h/", "http://h/?q", "http://h/#f"] {
        let error = endpoint(&base.parse().unwrap(), &["orders"]).unwrap_err();
        assert!(matches!(error, BrokerageError::Rejected { .. }), "{base}");
    }
}

#[test]
fn an_unusable_login_is_told_before_anything_is_sent() {
    for (api_key, access_token) in [("", "t"), ("k", " "), ("k", "two\nlines"), ("k\u{0}", "t")] {
        let error = new("http://127.0.0.1:1", api_key, access_token, Timeouts::default()).unwrap_err();
        assert!(matches!(error, BrokerageError::Auth { .. }), "{error}");
    }
    assert!(new("http://127.0.0.1:1", "k\n", " t ", Timeouts::default()).is_ok());
}

fn positions() -> Reply {
    let position = json!({"exchange": "MCX", "tradingsymbol": "LEADMINI17DECFUT", "last_price": 161.05,
                          "close_price": 0, "multiplier": 1000});
    json_reply("200 OK", &json!({"status": "success", "data": {"net": [position], "day": []}}))
}

fn holdings() -> Reply {
    let holding =
        json!({"exchange": "NSE", "tradingsymbol": "SBIN", "isin": "INE062A01020", "last_price": 762.45});
    let gaps = json!({"exchange": "MCX", "tradingsymbol": "LEADMINI17DECFUT", "last_price": 1, "close_price": 160.5});
    json_reply("200 OK", &json!({"status": "success", "data": [holding, gaps]}))
}

/// Symbols with last and close prices, why the rest is missing, and how many requests it took.
async fn quoted(replies: Vec<Reply>) -> (Vec<String>, Vec<String>, usize) {
    let server = Server::start(replies).await;
    let Quotes { told, missing } = server.kite().quotes(Duration::from_secs(5)).await;
    let told = told.into_iter().map(|quote| {
        let text = |price: Option<Decimal>| price.map_or_else(|| "?".to_owned(), |price| price.to_string());
        format!("{} {} {}", quote.symbol, text(quote.last_price), text(quote.close_price))
    });
    (told.collect(), missing.iter().map(ToString::to_string).collect(), server.requests().len())
}

#[tokio::test]
async fn prices_come_from_positions_and_holdings_and_positions_go_before() {
    let server = Server::start(vec![positions(), holdings()]).await;
    let quotes = server.kite().quotes(Duration::from_secs(5)).await;
    let paths: Vec<String> =
        server.requests().iter().map(|head| head.lines().next().unwrap().to_owned()).collect();
    assert_eq!(paths, ["GET /portfolio/positions HTTP/1.1", "GET /portfolio/holdings HTTP/1.1"]);
    assert_eq!(quotes.told.len(), 2, "{quotes:?}");
    let (told, missing, _) = quoted(vec![positions(), holdings()]).await;
    assert_eq!(told, ["LEADMINI17DECFUT 161.05 160.5", "SBIN 762.45 ?"]);
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn what_did_not_come_is_missing_and_what_came_is_told() {
    let down = || reply("503 Service Unavailable", "", "");
    let (told, missing, requests) = quoted(vec![down(), down(), holdings()]).await;
    assert_eq!((told.len(), missing.len(), requests), (2, 1, 3), "{missing:?}");
    let no_list = json_reply("200 OK", &json!({"status": "success", "data": {"net": null}}));
    let (told, missing, _) = quoted(vec![no_list.clone(), no_list]).await;
    assert!(told.is_empty());
    assert_eq!(
        missing,
        ["answer not understood: net is not a list", "answer not understood: data is not a list"]
    );
}

#[tokio::test]
async fn a_dead_login_is_asked_for_no_further_prices() {
    let dead = json!({"status": "error", "message": "Bye.", "error_type": "TokenException"});
    let (told, missing, requests) = quoted(vec![json_reply("403 Forbidden", &dead)]).await;
    assert_eq!((told.len(), requests), (0, 1));
    assert_eq!(missing, ["login refused: Bye. (TokenException)"]);
}

#[tokio::test]
async fn prices_that_do_not_come_are_given_up_in_time() {
    let server = Server::start(vec![Reply::Silence]).await;
    let begun = std::time::Instant::now();
    let quotes = server.kite().quotes(Duration::from_millis(200)).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!((quotes.told.len(), quotes.missing.len()), (0, 2), "{quotes:?}");
}
