use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::json;

use super::super::*;
use super::server::{Reply, Server, json_reply, reply};

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
