use std::collections::BTreeMap;

use ledger::Quote;

use crate::BrokerageError;

/// What a brokerage told of the instruments of an account, as far as it answered.
#[derive(Debug, Default)]
pub struct Quotes {
    /// One of each instrument, by exchange and symbol.
    pub told: Vec<Quote>,
    /// Why parts of the answer are not there. Nothing is known then of an instrument that is not in `told`.
    pub missing: Vec<BrokerageError>,
}

impl Quotes {
    /// Of several quotes of one instrument the first counts, and later ones fill its gaps.
    pub(crate) fn new(quotes: Vec<Quote>, missing: Vec<BrokerageError>) -> Self {
        let mut told: BTreeMap<(String, String), Quote> = BTreeMap::new();
        for quote in quotes {
            let name = (quote.exchange.clone(), quote.symbol.clone());
            match told.get_mut(&name) {
                Some(known) => known.fill_gaps(quote),
                None => drop(told.insert(name, quote)),
            }
        }
        Self { told: told.into_values().collect(), missing }
    }
}
