use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;

use super::super::*;
use super::server::{Reply, Server, book, json_reply, kite, new, reply};
use super::{ACCESS_TOKEN, API_KEY};

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
