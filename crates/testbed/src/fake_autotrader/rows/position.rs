//! A row of `readPlatformPositions`.

use serde_json::{Value, json};

use crate::fake_rows::{Row, Traded, number};

/// One position whose sums are worked out when it becomes JSON.
///
/// The documentation does not say what the sums mean; they are Kite's here, so `netValue` is negative for what is owned.
#[derive(Debug, Clone, PartialEq)]
pub struct Position {
    symbol: String,
    exchange: String,
    product: String,
    category: &'static str,
    multiplier: f64,
    /// Signed.
    overnight: f64,
    bought: Traded,
    sold: Traded,
    last: f64,
    changes: Row,
}

/// A flat NRML position on NFO that nobody has traded, of category `NET`.
pub fn position(symbol: &str) -> Position {
    Position {
        symbol: symbol.into(),
        exchange: "NFO".into(),
        product: "NRML".into(),
        category: "NET",
        multiplier: 1.0,
        overnight: 0.0,
        bought: Traded::default(),
        sold: Traded::default(),
        last: 0.0,
        changes: Row::default(),
    }
}

impl Position {
    /// On this exchange, of this type: `MIS`, `NRML`, `CNC`, `BO` or `CO`.
    #[must_use]
    pub fn on(self, exchange: &str, product: &str) -> Self {
        Self { exchange: exchange.into(), product: product.into(), ..self }
    }

    /// Of category `DAY`, which comes in the same list.
    #[must_use]
    pub fn day(self) -> Self {
        Self { category: "DAY", ..self }
    }

    /// So much is one lot.
    #[must_use]
    pub fn multiplier(self, multiplier: f64) -> Self {
        Self { multiplier, ..self }
    }

    /// Carried over night: a signed quantity at its average, which counts as bought or sold.
    #[must_use]
    pub fn carried(self, quantity: i32, average_price: f64) -> Self {
        let side = quantity.unsigned_abs();
        let carried = Self { overnight: quantity.into(), ..self };
        if quantity < 0 { carried.sold(side, average_price) } else { carried.bought(side, average_price) }
    }

    /// Bought; more than once adds up.
    #[must_use]
    pub fn bought(self, quantity: u32, price: f64) -> Self {
        Self { bought: self.bought.and(quantity.into(), price), ..self }
    }

    /// Sold; more than once adds up.
    #[must_use]
    pub fn sold(self, quantity: u32, price: f64) -> Self {
        Self { sold: self.sold.and(quantity.into(), price), ..self }
    }

    /// Last traded at this price.
    #[must_use]
    pub fn last(self, price: f64) -> Self {
        Self { last: price, ..self }
    }

    /// With these fields in the place of what is worked out.
    ///
    /// # Panics
    /// When `fields` is no JSON object.
    #[must_use]
    #[track_caller]
    pub fn with(self, fields: Value) -> Self {
        Self { changes: self.changes.with(fields), ..self }
    }

    fn row(&self) -> Value {
        let net = self.bought.quantity - self.sold.quantity;
        let (buy_value, sell_value) =
            (self.bought.amount * self.multiplier, self.sold.amount * self.multiplier);
        let pnl = sell_value - buy_value + net * self.last * self.multiplier;
        let closed = self.bought.quantity.min(self.sold.quantity);
        let realised = closed * (self.sold.price() - self.bought.price()) * self.multiplier;
        json!({
            "id": format!("{}:{}:{}:{}", self.category, self.exchange, self.symbol, self.product),
            "buyQuantity": number(self.bought.quantity),
            "sellQuantity": number(self.sold.quantity),
            "netQuantity": number(net),
            "type": self.product,
            "pnl": number(pnl),
            "mtm": number(pnl),
            "atPnl": number(pnl),
            "buyValue": number(buy_value),
            "sellValue": number(sell_value),
            "netValue": number(sell_value - buy_value),
            "buyAvgPrice": number(self.bought.price()),
            "sellAvgPrice": number(self.sold.price()),
            "pseudoAccount": null,
            "tradingAccount": null,
            "stockBroker": "ZERODHA",
            "exchange": self.exchange,
            "symbol": self.symbol,
            "independentExchange": self.exchange,
            "independentSymbol": self.symbol,
            "category": self.category,
            "ltp": number(self.last),
            "platform": "KITE",
            "accountId": null,
            "overnightQuantity": number(self.overnight),
            "multiplier": number(self.multiplier),
            "realisedPnl": number(realised),
            "unrealisedPnl": number(pnl - realised),
            "state": if net == 0.0 { "CLOSED" } else { "OPEN" },
            "direction": direction(net),
        })
    }
}

impl From<Position> for Value {
    fn from(position: Position) -> Self {
        let changes = position.changes.clone();
        Row::default().with(position.row()).with(changes.into()).into()
    }
}

fn direction(net: f64) -> &'static str {
    match net {
        long if long > 0.0 => "LONG",
        short if short < 0.0 => "SHORT",
        _ => "NEUTRAL",
    }
}
