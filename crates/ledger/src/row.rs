use std::cmp::Ordering;

use compact_str::CompactString;

/// One row of the broker's net view: products are shown apart, though they share a cost queue.
///
/// The names are nearly always short enough to need no memory of their own, and many maps are by row.
///
/// Ordered as lots are dealt to rows: CNC, MTF, NRML, MIS, other products by name; NSE before other exchanges; by key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowKey {
    pub(crate) exchange: CompactString,
    pub(crate) instrument_key: CompactString,
    pub(crate) product: CompactString,
}

impl RowKey {
    pub(crate) fn new(exchange: &str, instrument_key: &str, product: &str) -> Self {
        Self { exchange: exchange.into(), instrument_key: instrument_key.into(), product: product.into() }
    }

    /// Whether what is bought becomes a holding (rather than being carried in this row).
    pub(crate) fn is_delivery(&self) -> bool {
        matches!(self.product.as_str(), "CNC" | "MTF")
    }

    /// Whether the broker squares the product off before the day ends: cover and bracket orders are MIS with legs.
    pub(crate) fn is_intraday(&self) -> bool {
        matches!(self.product.as_str(), "MIS" | "CO" | "BO")
    }

    fn dealing_rank(&self) -> (u8, &str, bool, &str, &str) {
        let product = match self.product.as_str() {
            "CNC" => 0,
            "MTF" => 1,
            "NRML" => 2,
            "MIS" => 3,
            _ => 4,
        };
        (product, &self.product, self.exchange != "NSE", &self.instrument_key, &self.exchange)
    }
}

impl Ord for RowKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.dealing_rank().cmp(&other.dealing_rank())
    }
}

impl PartialOrd for RowKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
