use super::desk::{d, ist};
use crate::{OwnRow, ReportedHolding, ReportedPosition, differences};

fn row(exchange: &str, symbol: &str, isin: &str, product: &str, quantity: &str) -> OwnRow {
    OwnRow {
        instrument_key: crate::key_for(exchange, symbol),
        exchange: exchange.to_owned(),
        symbol: symbol.to_owned(),
        isin: (!isin.is_empty()).then(|| isin.to_owned()),
        product: product.to_owned(),
        quantity: d(quantity),
    }
}

fn position(exchange: &str, symbol: &str, product: &str, quantity: &str) -> ReportedPosition {
    ReportedPosition {
        exchange: exchange.to_owned(),
        symbol: symbol.to_owned(),
        product: product.to_owned(),
        quantity: d(quantity),
        ..ReportedPosition::default()
    }
}

fn holding(symbol: &str, isin: &str, quantity: &str) -> ReportedHolding {
    ReportedHolding {
        exchange: "NSE".to_owned(),
        symbol: symbol.to_owned(),
        isin: Some(isin.to_owned()),
        quantity: d(quantity),
        ..ReportedHolding::default()
    }
}

/// Symbol, quantity and detail of each difference.
fn told(
    positions: &[OwnRow],
    holdings: &[OwnRow],
    their_positions: &[ReportedPosition],
    their_holdings: Option<&[ReportedHolding]>,
) -> Vec<(String, String, String)> {
    let at = ist("2025-06-17 15:00");
    let found = differences(positions, holdings, their_positions, their_holdings, at);
    found
        .into_iter()
        .map(|finding| {
            assert_eq!((finding.kind.as_str(), finding.since), ("broker_differs", Some(at)));
            (finding.symbol, finding.quantity.unwrap().to_string(), finding.detail)
        })
        .collect()
}

#[test]
fn shares_are_compared_as_one_over_rows_exchanges_and_products() {
    // Ten held, four of them sold today: the brokerage says it in its way, the rows in theirs.
    let positions = [row("NSE", "X", "I1", "CNC", "-4"), row("BSE", "X", "I1", "MIS", "2")];
    let holdings = [row("NSE", "X", "I1", "CNC", "10")];
    let same = told(
        &positions,
        &holdings,
        &[position("NSE", "X", "CNC", "-4"), position("NSE", "X", "MIS", "2")],
        Some(&[holding("X", "I1", "10")]),
    );
    assert_eq!(same, []);
    let missing = told(&positions, &holdings, &[], Some(&[holding("X", "I1", "10")]));
    let detail = "the brokerage has positions and holdings of 10, here it is 8".to_owned();
    assert_eq!(missing, [("X".to_owned(), "2".to_owned(), detail)]);
}

#[test]
fn a_contract_is_compared_by_product() {
    let ours = [row("NFO", "F", "", "NRML", "75"), row("NFO", "F", "", "MIS", "0")];
    let found = told(&ours, &[], &[position("NFO", "F", "MIS", "75")], None);
    let details: Vec<&str> = found.iter().map(|(_, _, detail)| detail.as_str()).collect();
    assert_eq!(
        details,
        [
            "the brokerage has a net MIS position of 75, here it is 0",
            "the brokerage has a net NRML position of 0, here it is 75"
        ]
    );
    assert_eq!(told(&ours, &[], &[position("NFO", "F", "NRML", "75")], None), []);
}

#[test]
fn shares_are_not_compared_while_the_brokerages_holdings_are_not_known() {
    let holdings = [row("NSE", "X", "I1", "CNC", "10")];
    assert_eq!(told(&[], &holdings, &[], None), []);
    assert_eq!(told(&[], &holdings, &[], Some(&[])).len(), 1, "an empty list is an answer");
}
