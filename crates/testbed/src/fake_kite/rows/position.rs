//! A row of `GET /portfolio/positions`.

use serde_json::{Value, json};

use crate::fake_rows::{Row, Traded, number, token_of};

/// One position with Kite's own arithmetic, worked out when it becomes JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Position {
    symbol: String,
    exchange: String,
    product: String,
    multiplier: f64,
    /// Signed.
    overnight: f64,
    carried_price: f64,
    close: f64,
    last: f64,
    bought: Traded,
    sold: Traded,
    changes: Row,
}

/// A flat NRML position on NFO that nobody has traded.
pub fn position(symbol: &str) -> Position {
    Position {
        symbol: symbol.into(),
        exchange: "NFO".into(),
        product: "NRML".into(),
        multiplier: 1.0,
        overnight: 0.0,
        carried_price: 0.0,
        close: 0.0,
        last: 0.0,
        bought: Traded::default(),
        sold: Traded::default(),
        changes: Row::default(),
    }
}

impl Position {
    /// On this exchange, of this product.
    #[must_use]
    pub fn on(self, exchange: &str, product: &str) -> Self {
        Self { exchange: exchange.into(), product: product.into(), ..self }
    }

    /// So much is one lot: 1000 for LEADMINI.
    #[must_use]
    pub fn multiplier(self, multiplier: f64) -> Self {
        Self { multiplier, ..self }
    }

    /// Carried over night: a signed quantity at its average, and yesterday's close.
    #[must_use]
    pub fn carried(self, quantity: i32, average_price: f64, close: f64) -> Self {
        Self { overnight: quantity.into(), carried_price: average_price, close, ..self }
    }

    /// Bought today; more than once adds up.
    #[must_use]
    pub fn bought(self, quantity: u32, price: f64) -> Self {
        Self { bought: self.bought.and(quantity.into(), price), ..self }
    }

    /// Sold today; more than once adds up.
    #[must_use]
    pub fn sold(self, quantity: u32, price: f64) -> Self {
        Self { sold: self.sold.and(quantity.into(), price), ..self }
    }

    /// Last traded at this price.
    #[must_use]
    pub fn last(self, price: f64) -> Self {
        Self { last: price, ..self }
    }

    /// As the `day` list has it: what was carried does not count.
    #[must_use]
    pub fn today(self) -> Self {
        Self { overnight: 0.0, carried_price: 0.0, ..self }
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

    /// Whether it was traded today.
    pub(crate) fn is_traded(&self) -> bool {
        self.bought.quantity + self.sold.quantity > 0.0
    }

    fn row(&self) -> Value {
        let (long, short) = (self.overnight.max(0.0), (-self.overnight).max(0.0));
        let buy = Side::new(self.bought, long, self);
        let sell = Side::new(self.sold, short, self);
        let quantity = buy.quantity - sell.quantity;
        let worth = quantity * self.last * self.multiplier;
        let value = sell.value - buy.value;
        let average = match quantity {
            long if long > 0.0 => buy.price,
            short if short < 0.0 => sell.price,
            _ => 0.0,
        };
        json!({
            "tradingsymbol": self.symbol,
            "exchange": self.exchange,
            "instrument_token": token_of(&self.symbol),
            "product": self.product,
            "quantity": number(quantity),
            "overnight_quantity": number(self.overnight),
            "multiplier": number(self.multiplier),
            "average_price": number(average),
            "close_price": number(self.close),
            "last_price": number(self.last),
            "value": number(value),
            "pnl": number(value + worth),
            "m2m": number(sell.m2m - buy.m2m + worth),
            "unrealised": number(value + worth),
            "realised": 0,
            "buy_quantity": number(buy.quantity),
            "buy_price": number(buy.price),
            "buy_value": number(buy.value),
            "buy_m2m": number(buy.m2m),
            "sell_quantity": number(sell.quantity),
            "sell_price": number(sell.price),
            "sell_value": number(sell.value),
            "sell_m2m": number(sell.m2m),
            "day_buy_quantity": number(self.bought.quantity),
            "day_buy_price": number(self.bought.price()),
            "day_buy_value": number(self.bought.amount * self.multiplier),
            "day_sell_quantity": number(self.sold.quantity),
            "day_sell_price": number(self.sold.price()),
            "day_sell_value": number(self.sold.amount * self.multiplier),
        })
    }
}

impl From<Position> for Value {
    fn from(position: Position) -> Self {
        let changes = position.changes.clone();
        Row::default().with(position.row()).with(changes.into()).into()
    }
}

/// One side with what was carried on it.
struct Side {
    quantity: f64,
    price: f64,
    value: f64,
    m2m: f64,
}

impl Side {
    fn new(today: Traded, carried: f64, of: &Position) -> Self {
        let all = today.and(carried, of.carried_price);
        Self {
            quantity: all.quantity,
            price: all.price(),
            value: all.amount * of.multiplier,
            m2m: today.and(carried, of.close).amount * of.multiplier,
        }
    }
}
