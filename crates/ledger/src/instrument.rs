use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use crate::instrument_key::{InstrumentKey, is_cash};

/// What is known about an instrument beside its trades.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instrument {
    /// The key of the instrument.
    pub instrument_key: String,
    /// Exchange segment.
    pub exchange: String,
    /// The current trading symbol.
    pub symbol: String,
    /// The ISIN, where it has one.
    pub isin: Option<String>,
    /// The last day of a contract; else the day written in the key counts.
    pub expiry: Option<NaiveDate>,
    /// Rupees per point and unit of quantity (1000 for a lot of LEADMINI); not the lot size.
    pub multiplier: Option<Decimal>,
    /// The last traded price; 0 is unknown.
    pub last_price: Option<Decimal>,
    /// The close of the trading day before; 0 is unknown.
    pub close_price: Option<Decimal>,
}

/// Instruments by key, whatever the order they came in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Instruments {
    by_key: BTreeMap<String, Instrument>,
}

impl Instruments {
    /// All that is known of each, where several rows are of one.
    pub fn new(instruments: &[Instrument]) -> Self {
        let mut sorted: Vec<&Instrument> = instruments.iter().collect();
        sorted.sort();
        let mut by_key: BTreeMap<String, Instrument> = BTreeMap::new();
        for next in sorted {
            by_key
                .entry(next.instrument_key.clone())
                .and_modify(|known| fill_gaps(known, next))
                .or_insert_with(|| next.clone());
        }
        Self { by_key }
    }

    /// Every known ISIN with its key.
    pub(crate) fn isins(&self) -> impl Iterator<Item = (&str, &str)> {
        let known = self.by_key.values();
        known.filter_map(|known| {
            let isin = known.isin.as_deref().filter(|isin| !isin.is_empty())?;
            Some((&*known.instrument_key, isin))
        })
    }

    pub(crate) fn last_price(&self, key: &str) -> Option<Decimal> {
        self.by_key.get(key)?.last_price.filter(|price| !price.is_zero())
    }

    pub(crate) fn close_price(&self, key: &str) -> Option<Decimal> {
        self.by_key.get(key)?.close_price.filter(|price| !price.is_zero())
    }

    /// The multiplier as far as it is known. Shares and the contracts of NFO and BFO are counted in units, so theirs
    /// is 1; MCX, CDS and BCD count lots, and nothing but the instrument's row tells how large they are.
    pub(crate) fn multiplier(&self, exchange: &str, key: &str) -> Option<Decimal> {
        let told = self.by_key.get(key).and_then(|known| known.multiplier).filter(|m| *m > Decimal::ZERO);
        told.or_else(|| (is_cash(exchange) || !counts_lots(exchange)).then_some(Decimal::ONE))
    }

    pub(crate) fn expiry(&self, key: &str) -> Option<NaiveDate> {
        let told = self.by_key.get(key).and_then(|known| known.expiry);
        told.or_else(|| InstrumentKey::parse(key).and_then(|key| key.expiry()))
    }

    /// The instrument of an ISIN: on NSE if it is listed there, else the first by key.
    pub(crate) fn of_isin(&self, isin: &str) -> Option<&Instrument> {
        let mut all = self.by_key.values().filter(|known| known.isin.as_deref() == Some(isin));
        let first = all.next()?;
        if first.exchange == "NSE" { Some(first) } else { all.find(|i| i.exchange == "NSE").or(Some(first)) }
    }
}

fn counts_lots(exchange: &str) -> bool {
    matches!(exchange, "MCX" | "CDS" | "BCD")
}

fn fill_gaps(known: &mut Instrument, next: &Instrument) {
    known.isin = known.isin.take().or_else(|| next.isin.clone());
    known.expiry = known.expiry.or(next.expiry);
    known.multiplier = known.multiplier.or(next.multiplier);
    known.last_price = known.last_price.or(next.last_price);
    known.close_price = known.close_price.or(next.close_price);
}
