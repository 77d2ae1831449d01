use rust_decimal::Decimal;

/// What a brokerage says of an instrument that an account holds or traded today. `None` is what it did not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quote {
    /// Exchange segment, in capitals.
    pub exchange: String,
    /// The trading symbol.
    pub symbol: String,
    /// The ISIN, of a holding.
    pub isin: Option<String>,
    /// The brokerage's own number of the instrument.
    pub instrument_token: Option<i64>,
    /// Rupees per point and unit of quantity, of a position; greater than 0.
    pub multiplier: Option<Decimal>,
    /// The last traded price in rupees per unit, not 0.
    pub last_price: Option<Decimal>,
    /// The close of the trading day before, not 0.
    pub close_price: Option<Decimal>,
    /// Shares that are pledged.
    pub collateral_quantity: Option<Decimal>,
    /// What they are pledged for, in the brokerage's word.
    pub collateral_type: Option<String>,
}

impl Quote {
    /// Takes over from `other`, which is of the same instrument, what this one does not say.
    pub fn fill_gaps(&mut self, other: Self) {
        self.isin = self.isin.take().or(other.isin);
        self.instrument_token = self.instrument_token.or(other.instrument_token);
        self.multiplier = self.multiplier.or(other.multiplier);
        self.last_price = self.last_price.or(other.last_price);
        self.close_price = self.close_price.or(other.close_price);
        self.collateral_quantity = self.collateral_quantity.or(other.collateral_quantity);
        self.collateral_type = self.collateral_type.take().or(other.collateral_type);
    }
}
