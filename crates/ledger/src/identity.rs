use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::instrument::Instruments;
use crate::{Fill, Instrument, OpeningLot, Terms};

/// Which ISIN belongs to what has none of its own: the instrument's, else the latest one seen with its key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identities {
    of_instruments: Arc<BTreeMap<String, String>>,
    pub(crate) seen: BTreeMap<String, Seen>,
}

/// An ISIN met with an instrument key. The latest counts; of one instant a fill's, then the greater one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Seen {
    /// When it was traded, or given.
    pub at: DateTime<Utc>,
    /// Whether a fill said it, not an opening lot.
    pub is_fill: bool,
    /// The ISIN.
    pub isin: String,
}

impl Identities {
    /// What instruments say, before anything was seen.
    pub fn new(instruments: &[Instrument]) -> Self {
        let instruments = Instruments::new(instruments);
        let known = instruments.isins().map(|(key, isin)| (key.to_owned(), isin.to_owned()));
        Self { of_instruments: Arc::new(known.collect()), seen: BTreeMap::new() }
    }

    /// The same instruments, before anything was seen.
    pub(crate) fn unseen(&self) -> Self {
        Self { of_instruments: Arc::clone(&self.of_instruments), seen: BTreeMap::new() }
    }

    /// Takes note of an ISIN met with a key.
    pub fn see(&mut self, key: &str, seen: Seen) {
        match self.seen.get_mut(key) {
            Some(known) => *known = std::mem::take(known).max(seen),
            None => drop(self.seen.insert(key.to_owned(), seen)),
        }
    }

    /// Takes note of the ISIN of a fill, if it has one of its own.
    pub fn see_fill(&mut self, fill: &Fill) {
        if let Some(isin) = fill.terms.own_isin() {
            let seen = Seen { at: fill.at, is_fill: true, isin: isin.to_owned() };
            self.see(&fill.terms.instrument_key, seen);
        }
    }

    /// Takes note of the ISIN of an opening lot, if it has one and was opened by `as_of`.
    pub fn see_lot(&mut self, lot: &OpeningLot, as_of: DateTime<Utc>) {
        let isin = lot.isin.as_deref().map(str::trim).filter(|isin| !isin.is_empty());
        if let Some(isin) = isin.filter(|_| lot.opened_at <= as_of) {
            let seen = Seen { at: lot.opened_at, is_fill: false, isin: isin.to_owned() };
            self.see(&lot.instrument_key, seen);
        }
    }

    /// The ISIN of a row.
    pub(crate) fn isin_of(&self, terms: &Terms) -> Option<CompactString> {
        let key = &terms.instrument_key;
        let own = terms.own_isin();
        own.or_else(|| self.of_instruments.get(key).map(String::as_str))
            .or_else(|| self.seen.get(key).map(|seen| &*seen.isin))
            .map(CompactString::from)
    }
}

impl Default for Seen {
    fn default() -> Self {
        Self { at: DateTime::<Utc>::MIN_UTC, is_fill: false, isin: String::new() }
    }
}
