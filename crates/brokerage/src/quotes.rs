use std::collections::BTreeMap;

use ledger::{Quote, ReportedHolding, ReportedPosition};

/// What positions and holdings say of their instruments: one quote of each, by exchange and symbol.
///
/// Of several quotes of one instrument the first counts, positions before holdings, and later ones fill its gaps.
pub fn quotes(positions: &[ReportedPosition], holdings: &[ReportedHolding]) -> Vec<Quote> {
    let told =
        positions.iter().map(ReportedPosition::quote).chain(holdings.iter().map(ReportedHolding::quote));
    let mut quotes: BTreeMap<(String, String), Quote> = BTreeMap::new();
    for quote in told {
        let name = (quote.exchange.clone(), quote.symbol.clone());
        match quotes.get_mut(&name) {
            Some(known) => known.fill_gaps(quote),
            None => drop(quotes.insert(name, quote)),
        }
    }
    quotes.into_values().collect()
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::*;

    fn position(symbol: &str, last: Option<u32>, close: Option<u32>) -> ReportedPosition {
        ReportedPosition {
            exchange: "MCX".to_owned(),
            symbol: symbol.to_owned(),
            multiplier: Some(Decimal::from(1_000)),
            last_price: last.map(Decimal::from),
            close_price: close.map(Decimal::from),
            ..ReportedPosition::default()
        }
    }

    fn holding(exchange: &str, symbol: &str, last: Option<u32>) -> ReportedHolding {
        ReportedHolding {
            exchange: exchange.to_owned(),
            symbol: symbol.to_owned(),
            isin: Some("INE062A01020".to_owned()),
            last_price: last.map(Decimal::from),
            close_price: Some(Decimal::from(9)),
            collateral_quantity: Some(Decimal::from(2)),
            ..ReportedHolding::default()
        }
    }

    /// Exchange, symbol, last and close price of each quote.
    fn told(positions: &[ReportedPosition], holdings: &[ReportedHolding]) -> Vec<String> {
        let text = |price: Option<Decimal>| price.map_or_else(|| "?".to_owned(), |price| price.to_string());
        let quotes = quotes(positions, holdings).into_iter();
        let lines = quotes.map(|quote| {
            format!(
                "{} {} {} {}",
                quote.exchange,
                quote.symbol,
                text(quote.last_price),
                text(quote.close_price)
            )
        });
        lines.collect()
    }

    #[test]
    fn the_first_quote_of_an_instrument_counts_and_later_ones_fill_its_gaps() {
        let positions = [position("LEAD", Some(161), None), position("LEAD", Some(7), Some(160))];
        assert_eq!(told(&positions, &[]), ["MCX LEAD 161 160"]);
    }

    #[test]
    fn positions_go_before_holdings_and_exchanges_are_apart() {
        let holdings = [holding("MCX", "LEAD", Some(1)), holding("NSE", "LEAD", None)];
        assert_eq!(told(&[position("LEAD", None, Some(160))], &holdings), ["MCX LEAD 1 160", "NSE LEAD ? 9"]);
        let quote = quotes(&[position("LEAD", None, None)], &holdings).remove(0);
        assert_eq!(quote.isin.as_deref(), Some("INE062A01020"));
        assert_eq!((quote.multiplier, quote.collateral_quantity), (Some(1_000.into()), Some(2.into())));
    }

    #[test]
    fn nothing_reported_is_nothing_told() {
        assert_eq!(quotes(&[], &[]), []);
    }
}
