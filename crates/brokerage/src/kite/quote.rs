//! From Kite's positions and holdings to quotes: what they say of instruments. Quantities and profits are ours to
//! compute.

use ledger::Quote;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::Value;

use super::envelope;
use super::field::Fields;
use crate::BrokerageError;

/// Reads `{"net": […], "day": […]}`.
///
/// # Errors
///
/// [`BrokerageError::Malformed`] naming list, index and field if any position cannot be read, or if there is no `net`.
pub(super) fn read_positions(data: Value) -> Result<Vec<Quote>, BrokerageError> {
    let Value::Object(mut lists) = data else {
        return Err(BrokerageError::malformed("data is not an object"));
    };
    let mut quotes = read("net", envelope::list(lists.remove("net").unwrap_or_default(), "net")?)?;
    if let Some(day) = lists.remove("day") {
        quotes.extend(read("day", envelope::list(day, "day")?)?);
    }
    Ok(quotes)
}

/// Reads a list of holdings.
///
/// # Errors
///
/// [`BrokerageError::Malformed`] naming index and field if any holding cannot be read.
pub(super) fn read_holdings(data: Value) -> Result<Vec<Quote>, BrokerageError> {
    read("holdings", envelope::list(data, "data")?)
}

fn read(list: &'static str, elements: Vec<Value>) -> Result<Vec<Quote>, BrokerageError> {
    let elements = elements.iter().enumerate();
    elements.map(|(index, element)| quote(&Fields::of(list, index, element)?)).collect()
}

fn quote(fields: &Fields<'_>) -> Result<Quote, BrokerageError> {
    // Kite writes 0 for a price it does not know.
    let price = |name| Ok(fields.number(name)?.filter(|price| !price.is_zero()));
    Ok(Quote {
        exchange: fields.required_text("exchange")?.to_ascii_uppercase(),
        symbol: fields.required_text("tradingsymbol")?.to_owned(),
        isin: fields.text("isin")?.map(str::to_owned),
        instrument_token: fields.number("instrument_token")?.and_then(|token| token.to_i64()),
        multiplier: fields.number("multiplier")?.filter(|multiplier| *multiplier > Decimal::ZERO),
        last_price: price("last_price")?,
        close_price: price("close_price")?,
        collateral_quantity: fields.number("collateral_quantity")?,
        collateral_type: fields.text("collateral_type")?.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn data(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    fn decimal(text: &str) -> Option<Decimal> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_position_tells_prices_and_multiplier_and_nothing_of_unknown_fields() {
        let positions = r#"{"net": [{"tradingsymbol": "LEADMINI17DECFUT", "exchange": "mcx", "instrument_token": 53496327,
            "product": "NRML", "quantity": 1, "overnight_quantity": 0, "multiplier": 1000, "average_price": 161.05,
            "close_price": 0, "last_price": 161.05, "value": -161050, "new": {"from": 2031}}], "day": []}"#;
        let quotes = read_positions(data(positions)).unwrap();
        let expected = Quote {
            exchange: "MCX".to_owned(),
            symbol: "LEADMINI17DECFUT".to_owned(),
            instrument_token: Some(53_496_327),
            multiplier: decimal("1000"),
            last_price: decimal("161.05"),
            ..Quote::default()
        };
        assert_eq!(quotes, [expected]);
    }

    #[test]
    fn a_holding_tells_isin_token_and_collateral() {
        let holdings = r#"[{"tradingsymbol": "ASHOKLEY", "exchange": "NSE", "instrument_token": 54273,
            "isin": "INE208A01029", "product": "CNC", "collateral_quantity": 2, "collateral_type": "MARGIN",
            "average_price": 103.08333333333299, "last_price": 117.70, "close_price": 118.6,
            "mtf": {"quantity": 0}}]"#;
        let quotes = read_holdings(data(holdings)).unwrap();
        let expected = Quote {
            exchange: "NSE".to_owned(),
            symbol: "ASHOKLEY".to_owned(),
            isin: Some("INE208A01029".to_owned()),
            instrument_token: Some(54_273),
            multiplier: None,
            last_price: decimal("117.70"),
            close_price: decimal("118.6"),
            collateral_quantity: decimal("2"),
            collateral_type: Some("MARGIN".to_owned()),
        };
        assert_eq!(quotes, [expected]);
        assert_eq!(quotes[0].last_price.unwrap().to_string(), "117.70", "digit for digit");
    }

    #[test]
    fn what_is_not_understood_is_an_error_and_never_an_empty_answer() {
        for (text, expected) in [
            ("[]", "data is not an object"),
            ("{}", "net is not a list"),
            (r#"{"net": [], "day": {}}"#, "day is not a list"),
            (r#"{"net": [7]}"#, "net[0] is not an object"),
            (r#"{"net": [{"exchange": "NSE"}]}"#, "net[0].tradingsymbol: missing"),
            (
                r#"{"net": [{"exchange": "NSE", "tradingsymbol": "X", "last_price": "x"}]}"#,
                "net[0].last_price: \"x\" is not a number",
            ),
        ] {
            let error = read_positions(data(text)).unwrap_err().to_string();
            assert_eq!(error, format!("answer not understood: {expected}"));
        }
        assert!(read_holdings(data("{}")).is_err());
        assert_eq!(read_holdings(data("[]")).unwrap(), []);
    }

    #[test]
    fn the_sample_answers_are_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/kiteconnect_mocks");
        for (sample, holdings) in [("2017-12-28", 43), ("head", 2)] {
            let read = |name: &str| {
                let file = folder.join(sample).join(name);
                match std::fs::read_to_string(&file) {
                    Ok(text) => Some(data(&text)["data"].clone()),
                    Err(_) => {
                        eprintln!("SKIPPED: {} is not there", file.display());
                        None
                    }
                }
            };
            let (Some(positions), Some(held)) = (read("positions.json"), read("holdings.json")) else {
                return;
            };
            let positions = read_positions(positions).unwrap();
            assert_eq!(positions.len(), 6);
            assert!(positions.iter().all(|quote| quote.last_price.is_some() && quote.multiplier.is_some()));
            let held = read_holdings(held).unwrap();
            assert_eq!(held.len(), holdings, "{sample}");
            assert!(held.iter().all(|quote| quote.last_price.is_some() && quote.isin.is_some()));
        }
    }
}
