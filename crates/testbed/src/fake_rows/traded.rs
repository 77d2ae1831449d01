//! One side of a position.

/// What was bought or sold in one contract, without its multiplier.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Traded {
    pub(crate) quantity: f64,
    /// The sum of quantity × price.
    pub(crate) amount: f64,
}

impl Traded {
    /// With so many more at this price.
    pub(crate) fn and(self, quantity: f64, price: f64) -> Self {
        Self { quantity: self.quantity + quantity, amount: self.amount + quantity * price }
    }

    /// The average; 0 of nothing, as with both brokerages.
    pub(crate) fn price(self) -> f64 {
        if self.quantity == 0.0 { 0.0 } else { self.amount / self.quantity }
    }
}
