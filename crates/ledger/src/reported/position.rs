use rust_decimal::Decimal;

use crate::Quote;

/// The net position of one instrument and product, as the brokerage counts it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportedPosition {
    /// Exchange segment, in capitals.
    pub exchange: String,
    /// The trading symbol.
    pub symbol: String,
    /// `CNC`, `NRML`, `MIS`, `MTF`, `CO`, `BO`.
    pub product: String,
    /// The brokerage's own number of the instrument.
    pub instrument_token: Option<i64>,
    /// Net; negative is short.
    pub quantity: Decimal,
    /// What of it was carried into the day; negative is short.
    pub overnight_quantity: Option<Decimal>,
    /// Rupees per point and unit of quantity; greater than 0.
    pub multiplier: Option<Decimal>,
    /// The average of the side that is open; the brokerage's own average, which need not be FIFO.
    pub average_price: Option<Decimal>,
    /// The last traded price, not 0.
    pub last_price: Option<Decimal>,
    /// The close of the trading day before, not 0.
    pub close_price: Option<Decimal>,
    /// Bought, what was carried included.
    pub buy_quantity: Option<Decimal>,
    /// The average of what was bought.
    pub buy_price: Option<Decimal>,
    /// What was paid for it, in rupees.
    pub buy_value: Option<Decimal>,
    /// Sold, what was carried short included.
    pub sell_quantity: Option<Decimal>,
    /// The average of what was sold.
    pub sell_price: Option<Decimal>,
    /// What was received for it, in rupees.
    pub sell_value: Option<Decimal>,
    /// Sell value less buy value, in rupees.
    pub value: Option<Decimal>,
    /// Profit or loss since it was opened, in rupees.
    pub pnl: Option<Decimal>,
    /// Profit or loss of the day, in rupees.
    pub mtm: Option<Decimal>,
    /// What the brokerage calls realised, in rupees.
    pub realised: Option<Decimal>,
    /// What the brokerage calls unrealised, in rupees.
    pub unrealised: Option<Decimal>,
}

impl ReportedPosition {
    /// What it says of its instrument.
    pub fn quote(&self) -> Quote {
        Quote {
            exchange: self.exchange.clone(),
            symbol: self.symbol.clone(),
            instrument_token: self.instrument_token,
            multiplier: self.multiplier,
            last_price: self.last_price,
            close_price: self.close_price,
            ..Quote::default()
        }
    }
}
