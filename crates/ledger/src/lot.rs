use chrono::{DateTime, Utc};
use compact_str::CompactString;
use rust_decimal::Decimal;

use crate::Price;
use crate::origin::{Origin, Piece};

/// An open lot: what is left of one fill or opening lot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// The key of the instrument it was opened in.
    pub instrument_key: CompactString,
    /// The exchange it was opened on.
    pub exchange: CompactString,
    /// The symbol it was opened under.
    pub symbol: String,
    /// The ISIN it has now, after corporate actions; `None` where none is known, and for contracts.
    pub isin: Option<CompactString>,
    /// The product it was opened with.
    pub product: CompactString,
    /// What is left; negative is short.
    pub quantity: Decimal,
    /// Its cost per unit, exact; [`Price::rounded`] is what to show.
    pub price: Price,
    /// When it was opened; corporate actions keep it.
    pub opened_at: DateTime<Utc>,
    /// The strategy that opened it.
    pub strategy_id: Option<CompactString>,
    /// The trade id of the fill that opened it.
    pub trade_id: Option<CompactString>,
    /// The order id of the fill that opened it.
    pub order_id: Option<CompactString>,
    /// It was given, not traded.
    pub is_opening: bool,
}

impl Lot {
    pub(crate) fn new(piece: &Piece, isin: Option<&str>) -> Self {
        let Origin { at, trade_id, order_id, is_opening, .. } = &*piece.origin;
        let terms = piece.origin.terms();
        Self {
            instrument_key: terms.instrument_key.as_str().into(),
            exchange: terms.exchange.as_str().into(),
            symbol: terms.symbol.clone(),
            isin: isin.map(CompactString::from),
            product: terms.product.as_str().into(),
            quantity: piece.quantity.normalize(),
            price: piece.price,
            opened_at: *at,
            strategy_id: piece.origin.strategy().map(CompactString::from),
            trade_id: trade_id.clone(),
            order_id: order_id.clone(),
            is_opening: *is_opening,
        }
    }
}
