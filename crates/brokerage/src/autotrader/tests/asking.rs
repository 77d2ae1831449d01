use serde_json::{Value, json};

use super::{holding, margin, order, position};
use crate::tests::server::{Server, json_reply};
use crate::tests::{ACCESS_TOKEN, API_KEY, WITHIN};
use crate::{Brokerage, BrokerageError, Kind};

/// A client of a server that has one answer, and the server.
async fn told(result: Value) -> (Box<dyn Brokerage>, Server) {
    let body = json!({"status": true, "result": result, "message": null, "commandId": "7"});
    let server = Server::start(vec![json_reply("200 OK", &body)]).await;
    (server.open(Kind::AutoTrader), server)
}

fn line(server: &Server) -> String {
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    requests[0].lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn each_list_is_asked_for_where_it_is_and_of_the_account_alone() {
    let (brokerage, server) = told(json!([order()])).await;
    assert_eq!(brokerage.orders(WITHIN).await.unwrap().len(), 1);
    let query = "?pseudoAccount=Raghu%20%26%20S%C3%B6hne%2B HTTP/1.1";
    assert_eq!(line(&server), format!("GET /trading/readPlatformOrders{query}"));
    let (brokerage, server) = told(json!([position()])).await;
    assert_eq!(brokerage.positions(WITHIN).await.unwrap().len(), 1);
    assert_eq!(line(&server), format!("GET /trading/readPlatformPositions{query}"));
    let (brokerage, server) = told(json!([holding()])).await;
    assert_eq!(brokerage.holdings(WITHIN).await.unwrap().len(), 1);
    assert_eq!(line(&server), format!("GET /trading/readPlatformHoldings{query}"));
    let (brokerage, server) = told(json!([margin()])).await;
    assert_eq!(brokerage.margins(WITHIN).await.unwrap().len(), 1);
    assert_eq!(line(&server), format!("GET /trading/readPlatformMargins{query}"));
}

#[tokio::test]
async fn the_api_key_goes_in_a_header_and_an_access_token_nowhere() {
    let (brokerage, server) = told(json!([])).await;
    brokerage.orders(WITHIN).await.unwrap();
    let head = server.requests().remove(0).to_ascii_lowercase();
    assert!(head.contains(&format!("\r\napi-key: {API_KEY}\r\n")), "{head}");
    assert!(!head.contains(ACCESS_TOKEN), "{head}");
}

#[tokio::test]
async fn trades_are_refused_without_a_request() {
    let (brokerage, server) = told(json!([])).await;
    let error = brokerage.trades(WITHIN).await.unwrap_err();
    assert!(matches!(error, BrokerageError::Rejected { .. }), "{error}");
    assert_eq!(error.to_string(), "request refused: the brokerage autotrader does not offer trades");
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn a_failure_under_http_200_is_tried_again_only_if_it_may_be_over_soon() {
    for (message, expected, requests) in [
        ("Session expired, please login", "login refused: Session expired, please login", 1),
        ("Too many requests", "too many requests", 1),
        ("Pseudo account is not live", "request refused: Pseudo account is not live", 1),
        ("Unable to connect", "brokerage unavailable: Unable to connect", 2),
    ] {
        let body = json!({"status": false, "message": message, "result": null, "commandId": null});
        let server = Server::start(vec![json_reply("200 OK", &body)]).await;
        let error = server.open(Kind::AutoTrader).holdings(WITHIN).await.unwrap_err();
        assert_eq!((error.to_string(), server.requests().len()), (expected.to_owned(), requests));
    }
}
