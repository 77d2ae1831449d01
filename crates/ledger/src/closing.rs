use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::Serialize;

use crate::Price;
use crate::origin::{Names, Origin, QueueId};
use crate::price::{Overflow, Sum, mul, round};

/// What one fill closed of one lot.
///
/// The serialized fields are those of a listing by lot; the others tell whose closing it is and keep its numbers
/// exact for sums.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Closing {
    /// The key of the closing fill's instrument.
    pub instrument_key: String,
    /// The symbol of the closing fill.
    pub symbol: String,
    /// The exchange of the closing fill.
    #[serde(skip)]
    pub exchange: String,
    /// The ISIN of the queue; `None` where none is known, and for contracts.
    #[serde(skip)]
    pub isin: Option<String>,
    /// The product of the closing fill.
    #[serde(skip)]
    pub product: String,
    /// The strategy of the closing fill.
    #[serde(skip)]
    pub strategy_id: Option<String>,
    /// Whether a long or a short lot was closed.
    pub side: ClosingSide,
    /// When the lot was opened.
    pub opened_at: DateTime<Utc>,
    /// When the closing fill was executed.
    pub closed_at: DateTime<Utc>,
    /// The IST date of `closed_at`.
    #[serde(skip)]
    pub day: NaiveDate,
    /// How much was closed, positive.
    pub quantity: Decimal,
    /// The lot's cost per unit; once a corporate action changed it, rounded half-even to ten decimals.
    pub entry_price: Decimal,
    /// The price of the closing fill, rounded.
    pub exit_price: Decimal,
    /// The lot's cost per unit, exact.
    #[serde(skip)]
    pub entry: Price,
    /// The price of the closing fill, exact.
    #[serde(skip)]
    pub exit: Price,
    /// The multiplier counted with; values are quantity × price × multiplier.
    #[serde(skip)]
    pub multiplier: Decimal,
    /// What was paid for the closed part, rounded.
    pub buy_value: Decimal,
    /// What was received for it, rounded.
    pub sell_value: Decimal,
    /// `sell_value - buy_value`, rounded once.
    pub realised_pnl: Decimal,
    /// The key the instrument has now: that of the queue's latest fill.
    #[serde(skip)]
    pub latest_instrument_key: String,
    /// The symbol the instrument has now.
    #[serde(skip)]
    pub latest_symbol: String,
}

/// One lot, or a part of one, closed by one fill; not told yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) queue: QueueId,
    pub(crate) opened: Arc<Origin>,
    pub(crate) closed: Arc<Origin>,
    /// The sign the lot had.
    pub(crate) side: ClosingSide,
    /// Positive.
    pub(crate) quantity: Decimal,
    pub(crate) entry: Price,
    pub(crate) exit: Price,
}

impl Closing {
    pub(crate) fn new(matched: &Closed, multiplier: Decimal, latest: &Names) -> Result<Self, Overflow> {
        let (bought, sold) = matched.bought_and_sold();
        let units = mul(matched.quantity, multiplier)?;
        let (mut buy_value, mut sell_value) = (Sum::default(), Sum::default());
        buy_value.add(units, bought)?;
        sell_value.add(units, sold)?;
        let mut profit = sell_value.clone();
        profit.add_sum(&buy_value, Decimal::NEGATIVE_ONE)?;
        let (opened, closed) = (&matched.opened, &matched.closed);
        let is_as_traded = matched.entry == Price::of(opened.price);
        let entry_price = matched.entry.rounded();
        Ok(Self {
            instrument_key: closed.terms().instrument_key.clone(),
            symbol: closed.terms().symbol.clone(),
            exchange: closed.terms().exchange.clone(),
            isin: matched.queue.isin().map(str::to_owned),
            product: closed.terms().product.clone(),
            strategy_id: closed.terms().strategy_id.clone(),
            side: matched.side,
            opened_at: opened.at,
            closed_at: closed.at,
            day: closed.day,
            quantity: matched.quantity.normalize(),
            entry_price: if is_as_traded { entry_price } else { round(entry_price) },
            exit_price: matched.exit.rounded(),
            entry: matched.entry,
            exit: matched.exit,
            multiplier: multiplier.normalize(),
            buy_value: buy_value.rounded()?,
            sell_value: sell_value.rounded()?,
            realised_pnl: profit.rounded()?,
            latest_instrument_key: latest.instrument_key.clone(),
            latest_symbol: latest.symbol.clone(),
        })
    }
}

/// The sign of a closed lot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ClosingSide {
    /// Bought first.
    Long,
    /// Sold first.
    Short,
}
