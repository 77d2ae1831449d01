use std::time::{Duration, Instant};

use serde_json::json;

use super::client::Client;
use super::connections::{KEPT_MAX, OPEN_MAX};
use super::{Answer, FakeHttp};
use crate::wait_until;

const SOON: Duration = Duration::from_secs(20);

/// Answers every request with its path.
fn echo() -> FakeHttp {
    FakeHttp::start("a test", |request| Answer::bytes(200, "text/plain", request.path.clone())).unwrap()
}

fn status_of(text: &str) -> u16 {
    let http = echo();
    let mut client = Client::connect(&http.base_url());
    client.send(text);
    let reply = client.reply().unwrap();
    assert!(client.reply().is_none(), "closed after it");
    reply.status
}

#[test]
fn several_requests_are_answered_on_one_connection() {
    let http = echo();
    let mut client = Client::connect(&http.base_url());
    for path in ["/first", "/second", "/third"] {
        let reply = client.get(path, "");
        assert_eq!((reply.status, reply.body.as_str()), (200, path));
        assert!(reply.head.contains("Connection: keep-alive\r\n"), "{}", reply.head);
    }
    client.send("GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n");
    assert_eq!([client.reply().unwrap().body, client.reply().unwrap().body], ["/a", "/b"]);
}

#[test]
fn a_connection_is_closed_for_a_client_that_asks_for_it() {
    assert_eq!(status_of("GET / HTTP/1.1\r\nConnection: Close\r\n\r\n"), 200);
    assert_eq!(status_of("GET / HTTP/1.0\r\n\r\n"), 200);
}

#[test]
fn a_request_that_cannot_be_used_is_refused() {
    let long = "x".repeat(70_000);
    assert_eq!(status_of("nonsense\r\n\r\n"), 400);
    assert_eq!(status_of("POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n"), 400);
    assert_eq!(status_of("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), 411);
    assert_eq!(status_of("POST / HTTP/1.1\r\nContent-Length: 9000000\r\n\r\n"), 413);
    let http = echo();
    let mut client = Client::connect(&http.base_url());
    // Exactly the limit: what is unread when the server closes would take the answer with it.
    client.send(&format!("GET /{long}")[..64 * 1024]);
    assert_eq!(client.reply().unwrap().status, 431);
    assert!(http.log().is_empty());
}

#[test]
fn a_request_is_logged_with_its_query_headers_and_form() {
    let http = echo();
    let begun = Instant::now();
    let mut client = Client::connect(&http.base_url());
    client.send(
        "POST /read?a=one+two HTTP/1.1\r\nX-Kite-Version: 3\r\nContent-Length: 21\r\n\
         Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n\r\npseudoAccount=M%26M_1",
    );
    assert_eq!(client.reply().unwrap().body, "/read");
    client.send("POST /read HTTP/1.1\r\nContent-Length: 3\r\nContent-Type: text/plain\r\n\r\na=b");
    assert_eq!(client.reply().unwrap().body, "/read");
    let [form, text] = &http.log()[..] else { panic!("two requests") };
    assert_eq!((form.method.as_str(), form.path.as_str()), ("POST", "/read"));
    assert_eq!((form.parameter("a"), form.parameter("pseudoAccount")), (Some("one two"), Some("M&M_1")));
    assert_eq!(form.header("x-kite-version"), Some("3"));
    assert!(form.at >= begun && text.at >= form.at);
    assert_eq!(text.form, [], "no form");
}

#[test]
fn requests_are_counted_within_a_window() {
    let http = echo();
    let mut client = Client::connect(&http.base_url());
    for path in ["/a", "/b", "/a", "/a"] {
        client.get(path, "");
    }
    let long = Duration::from_secs(600);
    assert_eq!(http.most_within(long, |_| true), 4);
    assert_eq!(http.most_within(long, |request| request.path == "/a"), 3);
    assert_eq!(http.most_within(Duration::from_nanos(1), |request| request.path == "/b"), 1);
    assert_eq!(http.most_within(long, |_| false), 0);
}

#[test]
fn scripted_answers_come_in_turn_and_then_it_is_as_before() {
    let http = echo();
    http.next("/a", vec![Answer::json(429, json!({})).header("Retry-After", "7"), Answer::html(502)]);
    http.next("/a", vec![Answer::json(500, json!(null))]);
    let mut client = Client::connect(&http.base_url());
    assert_eq!(client.get("/b", "").status, 200, "another path");
    let limited = client.get("/a", "");
    assert!(limited.status == 429 && limited.head.contains("Retry-After: 7\r\n"), "{limited:?}");
    let page = client.get("/a?x=1", "");
    assert!(page.status == 502 && page.head.contains("Content-Type: text/html\r\n"), "{page:?}");
    assert_eq!([client.get("/a", "").status, client.get("/a", "").status], [500, 200]);
}

#[test]
fn an_answer_for_always_stays_until_it_is_taken_back() {
    let http = echo();
    http.always("/a", Some(Answer::html(503)));
    http.next("/a", vec![Answer::html(504)]);
    let mut client = Client::connect(&http.base_url());
    let mut status = || client.get("/a", "").status;
    assert_eq!([status(), status(), status()], [504, 503, 503], "the next ones come first");
    http.always("/a", None);
    assert_eq!(status(), 200);
}

#[test]
fn a_cut_answer_ends_before_its_length() {
    let http = echo();
    http.next("/a", vec![Answer::bytes(200, "text/plain", "0123456789").cut(4)]);
    let mut client = Client::connect(&http.base_url());
    let reply = client.get("/a", "");
    assert_eq!((reply.body.as_str(), reply.length), ("0123", 10));
    assert!(client.reply().is_none(), "closed after it");
}

#[test]
fn a_silent_answer_holds_the_connection_until_the_server_is_dropped() {
    let http = echo();
    http.next("/a", vec![Answer::silence()]);
    let mut client = Client::connect(&http.base_url());
    client.send("GET /a HTTP/1.1\r\n\r\n");
    assert!(client.is_quiet());
    assert_eq!(Client::connect(&http.base_url()).get("/a", "").status, 200, "others are answered");
    drop(http);
    assert!(client.reply().is_none());
}

#[test]
fn a_hang_up_closes_the_connection_without_a_byte() {
    let http = echo();
    http.next("/a", vec![Answer::hang_up()]);
    let mut client = Client::connect(&http.base_url());
    client.send("GET /a HTTP/1.1\r\n\r\n");
    assert!(client.reply().is_none());
    assert_eq!(http.log().len(), 1);
}

#[test]
fn a_delayed_answer_comes_later_and_does_not_hold_up_the_end() {
    let http = echo();
    http.next("/a", vec![Answer::html(200).after(Duration::from_millis(100))]);
    http.next("/a", vec![Answer::html(200).after(Duration::from_secs(1000))]);
    let mut client = Client::connect(&http.base_url());
    let begun = Instant::now();
    client.get("/a", "");
    assert!(begun.elapsed() >= Duration::from_millis(100));
    client.send("GET /a HTTP/1.1\r\n\r\n");
    wait_until("two requests", SOON, || http.log().len() == 2);
    drop(http);
    assert!(begun.elapsed() < SOON);
    assert!(client.reply().is_none());
}

#[test]
fn one_connection_too_many_waits_until_another_has_left() {
    let http = echo();
    let mut others: Vec<_> = (0..OPEN_MAX).map(|_| Client::connect(&http.base_url())).collect();
    let reply = others[OPEN_MAX - 1].get("/crowded", "");
    assert!(reply.head.contains("Connection: close\r\n"), "an idle one keeps no place in a crowd: {reply:?}");
    others.push(Client::connect(&http.base_url()));
    let mut late = Client::connect(&http.base_url());
    late.send("GET /late HTTP/1.1\r\n\r\n");
    assert!(late.is_quiet());
    others.truncate(KEPT_MAX);
    assert_eq!(late.reply().unwrap().body, "/late");
}

#[test]
fn a_silent_answer_keeps_no_place_when_its_client_has_left() {
    let http = echo();
    http.next("/a", vec![Answer::silence(); OPEN_MAX]);
    let mut silenced: Vec<_> = (0..OPEN_MAX).map(|_| Client::connect(&http.base_url())).collect();
    for client in &mut silenced {
        client.send("GET /a HTTP/1.1\r\n\r\n");
    }
    wait_until("all of them silent", SOON, || http.log().len() == OPEN_MAX);
    drop(silenced);
    assert_eq!(Client::connect(&http.base_url()).get("/a", "").status, 200);
}
