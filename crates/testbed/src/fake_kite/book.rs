//! What one login sees.

use serde_json::{Value, json};

use super::rows::{Position, margins};

/// The path of each answer.
pub(super) const ORDERS: &str = "/orders";
pub(super) const TRADES: &str = "/trades";
pub(super) const POSITIONS: &str = "/portfolio/positions";
pub(super) const HOLDINGS: &str = "/portfolio/holdings";
pub(super) const MARGINS: &str = "/user/margins";

/// All that the API tells about one account; the rows are those of [`crate::kite`] or any other JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct KiteBook {
    /// Of `GET /orders`.
    pub orders: Vec<Value>,
    /// Of `GET /trades`.
    pub trades: Vec<Value>,
    /// The `net` list of `GET /portfolio/positions`.
    pub net: Vec<Value>,
    /// The `day` list of `GET /portfolio/positions`.
    pub day: Vec<Value>,
    /// Of `GET /portfolio/holdings`.
    pub holdings: Vec<Value>,
    /// Of `GET /user/margins`; without any money at first.
    pub margins: Value,
}

impl KiteBook {
    /// Adds a position to `net` and, when it traded today, to `day`.
    pub fn add_position(&mut self, position: Position) {
        if position.is_traded() {
            self.day.push(position.clone().today().into());
        }
        self.net.push(position.into());
    }

    /// The `data` of the answer for this path; none for a path that the API does not have.
    pub(super) fn data(&self, path: &str) -> Option<Value> {
        Some(match path {
            ORDERS => json!(self.orders),
            TRADES => json!(self.trades),
            POSITIONS => json!({ "net": self.net, "day": self.day }),
            HOLDINGS => json!(self.holdings),
            MARGINS => self.margins.clone(),
            _ => return None,
        })
    }
}

impl Default for KiteBook {
    fn default() -> Self {
        Self {
            orders: Vec::new(),
            trades: Vec::new(),
            net: Vec::new(),
            day: Vec::new(),
            holdings: Vec::new(),
            margins: margins(0.0).into(),
        }
    }
}
