//! A trading desk to write tests with: fills in a line each, then a book.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use rust_decimal::Decimal;

use crate::*;

pub(super) fn d(text: &str) -> Decimal {
    text.parse().unwrap_or_else(|_| panic!("{text} is no decimal"))
}

pub(super) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// `2025-06-17 09:15` or `2025-06-17 09:15:30`, on clocks in India.
pub(super) fn ist(text: &str) -> DateTime<Utc> {
    let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S")
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M"))
        .unwrap_or_else(|_| panic!("{text} is no time"));
    ist::at(time.date(), time.time())
}

#[derive(Debug, Clone, Default)]
pub(super) struct Desk {
    pub(super) fills: Vec<Fill>,
    pub(super) lots: Vec<OpeningLot>,
    pub(super) actions: Vec<CorporateAction>,
    pub(super) instruments: Vec<Instrument>,
    pub(super) holidays: BTreeSet<NaiveDate>,
}

impl Desk {
    /// One fill: `at` in IST, `what` = `EX:SYMBOL` or a whole key, product, `B`/`S` quantity `@` price.
    pub(super) fn fill(mut self, at: &str, what: &str, product: &str, trade: &str) -> Self {
        self.fills.push(fill(at, what, product, trade));
        self
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut Fill)) -> Self {
        change(self.fills.last_mut().unwrap());
        self
    }

    /// Changes the terms of the last fill.
    pub(super) fn on(self, change: impl FnOnce(&mut Terms)) -> Self {
        self.with(|fill| change(Arc::make_mut(&mut fill.terms)))
    }

    pub(super) fn lot(mut self, at: &str, what: &str, product: &str, quantity: &str, price: &str) -> Self {
        let (exchange, symbol, key) = instrument(what);
        self.lots.push(OpeningLot {
            instrument_key: key,
            exchange,
            symbol,
            isin: None,
            product: product.to_owned(),
            quantity: d(quantity),
            price: d(price),
            opened_at: ist(at),
        });
        self
    }

    pub(super) fn ltp(mut self, what: &str, last: &str) -> Self {
        self.instrument(what).last_price = Some(d(last));
        self
    }

    pub(super) fn close(mut self, what: &str, close: &str) -> Self {
        self.instrument(what).close_price = Some(d(close));
        self
    }

    pub(super) fn multiplier(mut self, what: &str, multiplier: &str) -> Self {
        self.instrument(what).multiplier = Some(d(multiplier));
        self
    }

    pub(super) fn isin(mut self, what: &str, isin: &str) -> Self {
        self.instrument(what).isin = Some(isin.to_owned());
        self
    }

    pub(super) fn book(&self, as_of: &str) -> Book {
        self.book_at(ist(as_of))
    }

    pub(super) fn book_at(&self, as_of: DateTime<Utc>) -> Book {
        self.try_book(as_of).unwrap()
    }

    pub(super) fn try_book(&self, as_of: DateTime<Utc>) -> Result<Book, LedgerError> {
        generate(&Input {
            fills: &self.fills,
            opening_lots: &self.lots,
            corporate_actions: &self.actions,
            instruments: &self.instruments,
            holidays: &self.holidays,
            as_of,
        })
    }

    fn instrument(&mut self, what: &str) -> &mut Instrument {
        let (exchange, symbol, key) = instrument(what);
        let known = self.instruments.iter().position(|known| known.instrument_key == key);
        let index = known.unwrap_or_else(|| {
            self.instruments.push(Instrument {
                instrument_key: key,
                exchange,
                symbol,
                ..Instrument::default()
            });
            self.instruments.len() - 1
        });
        &mut self.instruments[index]
    }
}

pub(super) fn fill(at: &str, what: &str, product: &str, trade: &str) -> Fill {
    let (exchange, symbol, key) = instrument(what);
    let (side, rest) = trade.split_at(1);
    let (quantity, price) = rest.split_once('@').unwrap();
    let terms =
        Terms { exchange, instrument_key: key, symbol, product: product.to_owned(), ..Terms::default() };
    Fill {
        at: ist(at),
        trade_id: None,
        order_id: None,
        terms: Arc::new(terms),
        side: if side == "B" { Side::Buy } else { Side::Sell },
        quantity: d(quantity),
        price: Some(d(price)),
    }
}

fn instrument(what: &str) -> (String, String, String) {
    if let Some((exchange, symbol)) = what.split_once(':') {
        return (exchange.to_owned(), symbol.to_owned(), key_for(exchange, symbol));
    }
    let key = InstrumentKey::parse(what).unwrap();
    (key.exchange, key.name, what.to_owned())
}

impl Book {
    pub(super) fn position(&self, symbol: &str, product: &str) -> &Position {
        let mut rows = self.positions.iter().filter(|row| row.symbol == symbol && row.product == product);
        let row = rows.next().unwrap_or_else(|| panic!("no {symbol} {product} in {:#?}", self.positions));
        assert!(rows.next().is_none(), "two rows of {symbol} {product}");
        row
    }

    pub(super) fn holding(&self, symbol: &str) -> &Holding {
        self.holdings
            .iter()
            .find(|row| row.symbol == symbol)
            .unwrap_or_else(|| panic!("no holding of {symbol} in {:#?}", self.holdings))
    }

    pub(super) fn findings(&self) -> Vec<(&str, &str, Option<Decimal>)> {
        let found = self.discrepancies.iter();
        found.map(|found| (found.kind.as_str(), found.symbol.as_str(), found.quantity)).collect()
    }

    /// Quantity and price of the open lots.
    pub(super) fn lots(&self) -> Vec<(Decimal, Decimal)> {
        self.open_lots.iter().map(|lot| (lot.quantity, lot.price.rounded())).collect()
    }

    pub(super) fn realised(&self) -> Decimal {
        self.closings.iter().map(|closing| closing.realised_pnl).sum()
    }
}
