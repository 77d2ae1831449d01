use serde_json::{Value, json};

use super::{holding, position, sample, segment, trade};
use crate::tests::server::{Server, json_reply};
use crate::tests::{ACCESS_TOKEN, API_KEY, WITHIN};
use crate::{Brokerage, Kind};

/// A client of a server that has one answer, and the server.
async fn told(data: Value) -> (Box<dyn Brokerage>, Server) {
    let server = Server::start(vec![json_reply("200 OK", &json!({"status": "success", "data": data}))]).await;
    (server.open(Kind::Kite), server)
}

fn lines(server: &Server) -> Vec<String> {
    server.requests().iter().map(|head| head.lines().next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_list_is_asked_for_where_it_is() {
    let (kite, server) = told(json!([sample()])).await;
    assert_eq!(kite.orders(WITHIN).await.unwrap()[0].symbol, "IOC");
    assert_eq!(lines(&server), ["GET /orders HTTP/1.1"]);
    let (kite, server) = told(json!([trade()])).await;
    assert_eq!(kite.trades(WITHIN).await.unwrap()[0].symbol, "USDINR21JUNFUT");
    assert_eq!(lines(&server), ["GET /trades HTTP/1.1"]);
    let (kite, server) = told(json!({"net": [position()], "day": []})).await;
    assert_eq!(kite.positions(WITHIN).await.unwrap()[0].symbol, "LEADMINI17DECFUT");
    assert_eq!(lines(&server), ["GET /portfolio/positions HTTP/1.1"]);
    let (kite, server) = told(json!([holding()])).await;
    assert_eq!(kite.holdings(WITHIN).await.unwrap()[0].symbol, "ASHOKLEY");
    assert_eq!(lines(&server), ["GET /portfolio/holdings HTTP/1.1"]);
    let (kite, server) = told(json!({"equity": segment()})).await;
    assert_eq!(kite.margins(WITHIN).await.unwrap()[0].category, "EQUITY");
    assert_eq!(lines(&server), ["GET /user/margins HTTP/1.1"]);
}

#[tokio::test]
async fn the_login_goes_in_the_headers() {
    let (kite, server) = told(json!([])).await;
    kite.orders(WITHIN).await.unwrap();
    let head = server.requests().remove(0).to_ascii_lowercase();
    assert!(head.contains("\r\nx-kite-version: 3\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nauthorization: token {API_KEY}:{ACCESS_TOKEN}\r\n")), "{head}");
    assert!(head.contains("\r\nuser-agent: syncfleet/"), "{head}");
}

#[tokio::test]
async fn a_dead_login_is_told_in_kites_own_words_and_never_tried_again() {
    let body = json!({"status": "error", "message": "Incorrect `api_key` or `access_token`.", "error_type": "TokenException"});
    for status in ["403 Forbidden", "200 OK"] {
        let server = Server::start(vec![json_reply(status, &body)]).await;
        let error = server.open(Kind::Kite).margins(WITHIN).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "login refused: Incorrect `api_key` or `access_token`. (TokenException)"
        );
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn an_order_management_that_is_away_is_asked_twice() {
    let away = json!({"status": "error", "message": "OMS away", "error_type": "NetworkException"});
    let server = Server::start(vec![json_reply("503 Service Unavailable", &away)]).await;
    let error = server.open(Kind::Kite).trades(WITHIN).await.unwrap_err();
    assert_eq!(error.to_string(), "brokerage unavailable: OMS away (NetworkException)");
    assert_eq!(server.requests().len(), 2);
}
