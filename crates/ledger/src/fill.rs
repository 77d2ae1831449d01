use std::cmp::Ordering;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use compact_str::CompactString;
use rust_decimal::Decimal;

use crate::origin::Origin;
use crate::{Side, Terms};

/// One execution, or an order taken as one (its filled quantity at its average price).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fill {
    /// When the exchange executed it; its IST date is its trading day.
    pub at: DateTime<Utc>,
    /// The exchange's id of the execution; `None` where an order counts as one fill.
    pub trade_id: Option<CompactString>,
    /// The exchange's (else the brokerage's) id of the order: an order of fills within one instant.
    pub order_id: Option<CompactString>,
    /// What was traded, in which product, for which strategy.
    pub terms: Arc<Terms>,
    /// Bought or sold.
    pub side: Side,
    /// In the exchange's unit, positive; a fill of nothing is ignored.
    pub quantity: Decimal,
    /// Rupees per unit; `None` or 0 where the brokerage did not say.
    pub price: Option<Decimal>,
}

impl Fill {
    /// The price, if it is known: brokerages write 0 for what they do not know.
    pub fn known_price(&self) -> Option<Decimal> {
        self.price.filter(|price| !price.is_zero())
    }

    /// Whether it exists at an instant; what is later does not, for any purpose.
    pub fn counts_at(&self, as_of: DateTime<Utc>) -> bool {
        self.at <= as_of && self.quantity > Decimal::ZERO
    }

    /// The order in which fills are matched.
    ///
    /// Time decides; trade ids decide within one instant (the broker's own statement orders them as numbers, not
    /// as text or by file position); the rest only makes the order total, so that the same fills in any order
    /// give the same book. Database ids play no part: they tell when a row was stored, not when it was traded.
    pub fn matching_order(&self, other: &Self) -> Ordering {
        self.at
            .cmp(&other.at)
            .then_with(|| cmp_ids(self.trade_id.as_deref(), other.trade_id.as_deref()))
            .then_with(|| cmp_ids(self.order_id.as_deref(), other.order_id.as_deref()))
            .then_with(|| self.terms.exchange.cmp(&other.terms.exchange))
            .then_with(|| self.terms.instrument_key.cmp(&other.terms.instrument_key))
            .then_with(|| self.side.cmp(&other.side))
            .then_with(|| self.price.cmp(&other.price))
            .then_with(|| self.quantity.cmp(&other.quantity))
            .then_with(|| self.terms.product.cmp(&other.terms.product))
            .then_with(|| self.terms.strategy_id.cmp(&other.terms.strategy_id))
            .then_with(|| self.terms.symbol.cmp(&other.terms.symbol))
            .then_with(|| self.terms.isin.cmp(&other.terms.isin))
    }
}

impl Origin {
    /// Whether a fill comes after this one, of the signed `quantity`, in matching order.
    pub(crate) fn is_before(&self, quantity: Decimal, next: &Fill) -> bool {
        let fill = Fill {
            at: self.at,
            trade_id: self.trade_id.clone(),
            order_id: self.order_id.clone(),
            terms: Arc::clone(&self.place.terms),
            side: if quantity.is_sign_negative() { Side::Sell } else { Side::Buy },
            quantity: quantity.abs(),
            price: Some(self.price).filter(|price| !price.is_zero()),
        };
        fill.matching_order(next).is_lt()
    }
}

/// Missing ids before numbers before text; numbers by value however long they are.
pub(crate) fn cmp_ids(a: Option<&str>, b: Option<&str>) -> Ordering {
    let rank = |id: Option<&str>| match id.map(str::trim) {
        None | Some("") => 0,
        Some(id) if id.bytes().all(|byte| byte.is_ascii_digit()) => 1,
        Some(_) => 2,
    };
    rank(a).cmp(&rank(b)).then_with(|| {
        let (a, b) = (a.unwrap_or_default().trim(), b.unwrap_or_default().trim());
        if rank(Some(a)) == 1 {
            let (x, y) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
            x.len().cmp(&y.len()).then_with(|| x.cmp(y)).then_with(|| a.cmp(b))
        } else {
            a.cmp(b)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ordered_missing_first_then_as_numbers_then_as_text() {
        let mut ids = [Some("x1"), Some("10"), Some("9"), None, Some("123456789012345678901"), Some("")];
        ids.sort_by(|a, b| cmp_ids(*a, *b));
        assert_eq!(ids[2..], [Some("9"), Some("10"), Some("123456789012345678901"), Some("x1")]);
    }
}
