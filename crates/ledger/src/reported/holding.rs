use rust_decimal::Decimal;

use crate::Quote;

/// What an account holds of one share or fund, as the brokerage counts it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportedHolding {
    /// Exchange segment, in capitals: one of those it is listed on.
    pub exchange: String,
    /// The trading symbol.
    pub symbol: String,
    /// The ISIN.
    pub isin: Option<String>,
    /// `CNC` or `MTF`.
    pub product: Option<String>,
    /// The brokerage's own number of the instrument.
    pub instrument_token: Option<i64>,
    /// All that is held, what is not settled yet and what is financed (MTF) included; sales of today are not taken off.
    pub quantity: Decimal,
    /// What of it was bought on the trading day before and is not settled.
    pub t1_quantity: Option<Decimal>,
    /// What of it was sold today.
    pub used_quantity: Option<Decimal>,
    /// What of it is pledged.
    pub collateral_quantity: Option<Decimal>,
    /// What it is pledged for, in the brokerage's word.
    pub collateral_type: Option<String>,
    /// The part of its value that does not count as collateral, in the brokerage's unit.
    pub haircut: Option<Decimal>,
    /// Its average cost.
    pub average_price: Option<Decimal>,
    /// The last traded price, not 0.
    pub last_price: Option<Decimal>,
    /// The close of the trading day before, not 0.
    pub close_price: Option<Decimal>,
    /// Profit or loss since it was bought, in rupees.
    pub pnl: Option<Decimal>,
}

impl ReportedHolding {
    /// What it says of its instrument.
    pub fn quote(&self) -> Quote {
        Quote {
            exchange: self.exchange.clone(),
            symbol: self.symbol.clone(),
            isin: self.isin.clone(),
            instrument_token: self.instrument_token,
            multiplier: None,
            last_price: self.last_price,
            close_price: self.close_price,
            collateral_quantity: self.collateral_quantity,
            collateral_type: self.collateral_type.clone(),
        }
    }
}
