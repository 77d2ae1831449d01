use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What the fills of one instrument, in one product, for one strategy have in common.
///
/// Shared by all of them, since a history has few of these and many fills.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Terms {
    /// Exchange segment: `NSE`, `BSE`, `NFO`, `BFO`, `MCX`, `CDS`, `BCD`.
    pub exchange: String,
    /// The key of the instrument, see [`crate::InstrumentKey`].
    pub instrument_key: String,
    /// The trading symbol at the time.
    pub symbol: String,
    /// The ISIN, where the row has one.
    pub isin: Option<String>,
    /// `CNC`, `NRML`, `MIS`, `MTF`, `CO`, `BO`.
    pub product: String,
    /// The strategy that placed the orders.
    pub strategy_id: Option<String>,
}

impl Terms {
    /// The ISIN of the row itself; blanks are none.
    pub fn own_isin(&self) -> Option<&str> {
        self.isin.as_deref().map(str::trim).filter(|isin| !isin.is_empty())
    }
}

/// The terms met so far, so that equal ones are stored once.
#[derive(Debug, Clone, Default)]
pub struct TermsPool(BTreeSet<Arc<Terms>>);

impl TermsPool {
    /// The shared copy of `terms`.
    pub fn share(&mut self, terms: Terms) -> Arc<Terms> {
        if let Some(known) = self.0.get(&terms) {
            return Arc::clone(known);
        }
        let shared = Arc::new(terms);
        self.0.insert(Arc::clone(&shared));
        shared
    }
}
