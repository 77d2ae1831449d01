//! What both HTTP clients do on the wire, whatever they then make of an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use super::server::{Reply, Server, json_reply, open, reply};
use super::{ACCESS_TOKEN, API_KEY, WITHIN, http};
use crate::{BrokerageError, Gate, Kind, Timeouts};

/// The clients that send something.
const KINDS: [Kind; 2] = [Kind::Kite, Kind::AutoTrader];

/// A success of the kind with these rows.
fn success(kind: Kind, rows: &Value) -> Value {
    match kind {
        Kind::Kite => json!({"status": "success", "data": rows}),
        Kind::AutoTrader => json!({"status": true, "result": rows, "message": null, "commandId": null}),
        Kind::Paper => unreachable!("it sends nothing"),
    }
}

fn empty(kind: Kind) -> Reply {
    json_reply("200 OK", &success(kind, &json!([])))
}

fn debug(error: &BrokerageError) -> String {
    format!("{error} {error:?} {:?}", std::error::Error::source(error))
}

/// What a server with these replies makes of a look at the orders: the error, and how many requests there were.
async fn failure(kind: Kind, replies: Vec<Reply>) -> (String, usize) {
    let server = Server::start(replies).await;
    let error = server.open(kind).orders(WITHIN).await.unwrap_err();
    let debug = debug(&error);
    assert!(!debug.contains(API_KEY) && !debug.contains(ACCESS_TOKEN), "{debug}");
    (error.to_string(), server.requests().len())
}

/// A gate that counts how often it was passed, and refuses from some time on.
fn turnstile(leaves: usize) -> (Gate, Arc<AtomicUsize>) {
    let passed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&passed);
    let gate = Gate::new(move |_| {
        let leave = count.fetch_add(1, Ordering::SeqCst) < leaves;
        let refusal = BrokerageError::RateLimited { retry_after: Some(Duration::from_secs(2)) };
        Box::pin(std::future::ready(if leave { Ok(()) } else { Err(refusal) }))
    });
    (gate, passed)
}

#[tokio::test]
async fn an_empty_book_is_a_result() {
    for kind in KINDS {
        let server = Server::start(vec![empty(kind)]).await;
        assert_eq!(server.open(kind).orders(WITHIN).await.unwrap(), []);
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_refused_login_is_never_tried_again() {
    for kind in KINDS {
        for (status, text) in
            [("401 Unauthorized", "HTTP 401 Unauthorized"), ("403 Forbidden", "HTTP 403 Forbidden")]
        {
            let (error, requests) = failure(kind, vec![reply(status, "", ""), empty(kind)]).await;
            assert_eq!((error, requests), (format!("login refused: {text}"), 1), "{kind:?}");
        }
    }
}

#[tokio::test]
async fn a_rate_limit_tells_how_long_to_wait_and_is_never_tried_again() {
    for kind in KINDS {
        for (headers, expected) in [
            ("retry-after: 3\r\n", "too many requests, wait 3 s"),
            ("", "too many requests"),
            ("retry-after: 18446744073709551616\r\n", "too many requests, wait 86400 s"),
            (
                "date: Tue, 17 Jun 2025 10:00:00 GMT\r\nretry-after: Tue, 17 Jun 2025 10:00:09 GMT\r\n",
                "too many requests, wait 9 s",
            ),
        ] {
            let limited = vec![reply("429 Too Many Requests", headers, "<html>"), empty(kind)];
            assert_eq!(failure(kind, limited).await, (expected.to_owned(), 1), "{kind:?} {headers}");
        }
    }
}

#[tokio::test]
async fn a_gateways_page_is_tried_twice() {
    for kind in KINDS {
        let page = reply("200 OK", "content-type: text/html\r\n", "<html>");
        let expected = "brokerage unavailable: HTTP 200 OK with text/html instead of JSON".to_owned();
        assert_eq!(failure(kind, vec![page]).await, (expected, 2), "{kind:?}");
    }
}

#[tokio::test]
async fn a_short_fault_is_got_over() {
    for kind in KINDS {
        let page = reply("503 Service Unavailable", "content-type: text/html\r\n", "<html>");
        for fault in [reply("502 Bad Gateway", "", ""), page, Reply::Raw(String::new())] {
            let server = Server::start(vec![fault, empty(kind)]).await;
            assert_eq!(server.open(kind).orders(WITHIN).await.unwrap(), [], "{kind:?}");
            assert_eq!(server.requests().len(), 2, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn every_request_passes_the_gate_once_and_the_second_try_passes_it_again() {
    for kind in KINDS {
        let timeouts = Timeouts { pause: Duration::from_millis(10), ..Timeouts::default() };
        let (gate, passed) = turnstile(9);
        let server = Server::start(vec![reply("502 Bad Gateway", "", ""), empty(kind)]).await;
        server.open_with(kind, timeouts, gate).orders(WITHIN).await.unwrap();
        assert_eq!((passed.load(Ordering::SeqCst), server.requests().len()), (2, 2), "{kind:?}");
    }
}

#[tokio::test]
async fn a_gate_that_refuses_ends_the_reading_before_anything_is_sent() {
    for kind in KINDS {
        for leaves in [0, 1] {
            let timeouts = Timeouts { pause: Duration::from_millis(10), ..Timeouts::default() };
            let (gate, passed) = turnstile(leaves);
            let server = Server::start(vec![reply("502 Bad Gateway", "", "")]).await;
            let error = server.open_with(kind, timeouts, gate).orders(WITHIN).await.unwrap_err();
            assert_eq!(error.to_string(), "too many requests, wait 2 s");
            assert_eq!((passed.load(Ordering::SeqCst), server.requests().len()), (leaves + 1, leaves));
        }
    }
}

#[tokio::test]
async fn a_slow_server_is_given_up_in_time() {
    for kind in KINDS {
        let timeouts = Timeouts {
            request: Duration::from_millis(200),
            total: Duration::from_millis(500),
            pause: Duration::from_millis(10),
            ..Timeouts::default()
        };
        let server = Server::start(vec![Reply::Silence]).await;
        let brokerage = server.open_with(kind, timeouts, Gate::open());
        let begun = Instant::now();
        let error = brokerage.orders(WITHIN).await.unwrap_err();
        assert_eq!(error.to_string(), "brokerage unavailable: no answer from 127.0.0.1 within 0.2 s");
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        assert_eq!(server.requests().len(), 2, "{kind:?}");
    }
}

#[tokio::test]
async fn every_reading_ends_within_the_time_it_is_given() {
    for kind in KINDS {
        let server = Server::start(vec![Reply::Silence]).await;
        let brokerage = server.open(kind);
        let within = Duration::from_millis(150);
        let begun = Instant::now();
        brokerage.orders(within).await.unwrap_err();
        brokerage.trades(within).await.unwrap_err();
        brokerage.positions(within).await.unwrap_err();
        brokerage.holdings(within).await.unwrap_err();
        brokerage.margins(within).await.unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(3), "{kind:?} {:?}", begun.elapsed());
        let none = brokerage.orders(Duration::ZERO).await.unwrap_err().to_string();
        assert_eq!(none, "brokerage unavailable: no time is left to ask");
    }
}

#[tokio::test]
async fn a_refused_connection_is_transient_and_says_where() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    for kind in KINDS {
        let brokerage = open(kind, &format!("http://{address}"), Timeouts::default(), Gate::open());
        let error = brokerage.orders(WITHIN).await.unwrap_err();
        assert_eq!(error.to_string(), "brokerage unavailable: cannot connect to 127.0.0.1");
        let debug = debug(&error);
        assert!(std::error::Error::source(&error).is_some() && !debug.contains("pseudoAccount"), "{debug}");
    }
}

#[tokio::test]
async fn a_body_cut_short_is_no_book() {
    for kind in KINDS {
        let whole = success(kind, &json!([])).to_string();
        let cut = &whole[..whole.len() - 3];
        let broken = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{cut}",
            whole.len()
        );
        let expected = "brokerage unavailable: the connection to 127.0.0.1 broke off".to_owned();
        assert_eq!(failure(kind, vec![Reply::Raw(broken)]).await, (expected, 2));
        let (error, requests) =
            failure(kind, vec![reply("200 OK", "content-type: application/json\r\n", cut)]).await;
        assert!(error.starts_with("answer not understood: the answer is not JSON: EOF"), "{error}");
        assert_eq!(requests, 1);
    }
}

#[tokio::test]
async fn an_endless_answer_is_refused() {
    let huge = reply("200 OK", "content-type: application/json\r\n", &" ".repeat(crate::ANSWER_LIMIT + 1));
    for kind in KINDS {
        let server = Server::start(vec![huge.clone()]).await;
        let error = server.open(kind).orders(WITHIN).await.unwrap_err();
        assert_eq!(error.to_string(), "answer not understood: an answer of over 16777216 bytes");
    }
}

#[tokio::test]
async fn large_answers_wait_for_each_other_and_small_ones_for_none() {
    let spaces = |count: usize| reply("200 OK", "content-type: application/json\r\n", &" ".repeat(count));
    let (small, large) = (1 << 20, (1 << 20) + 1);
    let server = Server::start(vec![spaces(small), spaces(large), spaces(large)]).await;
    let http = http(Timeouts::default());
    let url = Url::parse(&format!("http://{}/", server.address())).unwrap();
    let get = async |limit| http.get(&url, &HeaderMap::new(), limit).await;
    let places = http.large_of("127.0.0.1");
    let others = places.acquire_many(places.available_permits().try_into().unwrap()).await.unwrap();
    assert_eq!(get(WITHIN).await.unwrap().body.len(), small);
    let error = get(Duration::from_millis(500)).await.unwrap_err();
    assert_eq!(error.to_string(), "brokerage unavailable: no answer from 127.0.0.1 within 0.5 s");
    drop(others);
    assert_eq!(get(WITHIN).await.unwrap().body.len(), large);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for kind in KINDS {
        let elsewhere = Server::start(vec![empty(kind)]).await;
        let location = format!("location: http://{}/\r\n", elsewhere.address());
        let (error, _) = failure(kind, vec![reply("302 Found", &location, "")]).await;
        assert_eq!(error, "brokerage unavailable: HTTP 302 Found");
        assert_eq!(elsewhere.requests().len(), 0, "the login went elsewhere");
    }
}

#[tokio::test]
async fn what_an_answer_repeats_of_the_login_appears_in_no_error() {
    let echo = format!("token {API_KEY}:{ACCESS_TOKEN}\nwas wrong");
    let kite = json!({"status": "error", "message": echo, "error_type": "InputException"});
    let (error, _) = failure(Kind::Kite, vec![json_reply("400 Bad Request", &kite)]).await;
    assert_eq!(error, "request refused: token ***:*** was wrong (InputException)");
    let autotrader = json!({"status": false, "message": format!("{API_KEY} is a wrong api key")});
    let (error, _) = failure(Kind::AutoTrader, vec![json_reply("200 OK", &autotrader)]).await;
    assert_eq!(error, "login refused: *** is a wrong api key");
    let kite =
        json!([{"order_id": "1", "exchange": "NSE", "tradingsymbol": "X", "transaction_type": ACCESS_TOKEN}]);
    let autotrader = json!([{"id": "1", "exchange": "NSE", "symbol": "X", "tradeType": API_KEY}]);
    for (kind, rows, field) in
        [(Kind::Kite, kite, "transaction_type"), (Kind::AutoTrader, autotrader, "tradeType")]
    {
        let (error, _) = failure(kind, vec![json_reply("200 OK", &success(kind, &rows))]).await;
        assert_eq!(error, format!("answer not understood: orders[0].{field}: \"***\" is no side"));
    }
}
