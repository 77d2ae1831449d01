use std::cmp::Ordering;

use rust_decimal::Decimal;
use serde::Serialize;

use crate::digits;
use crate::instrument::Instruments;
use crate::price::{Overflow, Price, Sum, add};
use crate::row::RowKey;
use crate::view::RowSums;

/// One row of the broker's net view of a day: an instrument in one product, by the column names of `positions`.
///
/// Quantities are in the exchange's unit, values in rupees with the multiplier counted in. `None` is unknown; an
/// average of nothing is 0. With *carried* for the overnight quantity at its cost:
///
/// - `buy_quantity` = bought today + carried long; `sell_quantity` = sold today + carried short
/// - `net_quantity` = `buy_quantity - sell_quantity`, `net_value` = `sell_value - buy_value` (negative when owned)
/// - `pnl` = `net_value + net_quantity × ltp × multiplier`
/// - `mtm` = the same with what was carried at yesterday's close: today's profit
/// - `realised_pnl` = of the day, by FIFO over the cost queue; `unrealised_pnl` = of the lots dealt to this row
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Position {
    /// Exchange segment.
    pub exchange: String,
    /// The symbol of the row's latest fill.
    pub symbol: String,
    /// The key of the instrument.
    pub instrument_key: String,
    /// The product; its column is named `type`.
    #[serde(rename = "type")]
    pub product: String,
    /// Bought today and carried long.
    #[serde(serialize_with = "digits::serialize")]
    pub buy_quantity: Decimal,
    /// Rupees per unit, rounded to ten decimals.
    #[serde(serialize_with = "digits::serialize")]
    pub buy_avg_price: Decimal,
    /// What was paid, or the cost of what was carried.
    #[serde(serialize_with = "digits::serialize")]
    pub buy_value: Decimal,
    /// Sold today and carried short.
    #[serde(serialize_with = "digits::serialize")]
    pub sell_quantity: Decimal,
    /// Rupees per unit, rounded to ten decimals.
    #[serde(serialize_with = "digits::serialize")]
    pub sell_avg_price: Decimal,
    /// What was received, or the cost of what was carried short.
    #[serde(serialize_with = "digits::serialize")]
    pub sell_value: Decimal,
    /// Negative is short.
    #[serde(serialize_with = "digits::serialize")]
    pub net_quantity: Decimal,
    /// Received less paid.
    #[serde(serialize_with = "digits::serialize")]
    pub net_value: Decimal,
    /// What was carried into the day, signed.
    #[serde(serialize_with = "digits::serialize")]
    pub overnight_quantity: Decimal,
    /// Counted with; an unknown one counts as 1 and is reported.
    #[serde(serialize_with = "digits::serialize")]
    pub multiplier: Decimal,
    /// The last traded price.
    #[serde(serialize_with = "digits::serialize")]
    pub ltp: Option<Decimal>,
    /// Total profit since bought or carried.
    #[serde(serialize_with = "digits::serialize")]
    pub pnl: Option<Decimal>,
    /// Profit of the day.
    #[serde(serialize_with = "digits::serialize")]
    pub mtm: Option<Decimal>,
    /// Profit realised on the day.
    #[serde(serialize_with = "digits::serialize")]
    pub realised_pnl: Decimal,
    /// Profit of what is open at the last price.
    #[serde(serialize_with = "digits::serialize")]
    pub unrealised_pnl: Option<Decimal>,
    /// `BUY`, `SELL` or `NONE`: the sign of the net quantity.
    pub direction: &'static str,
    /// Always `NET`.
    pub category: &'static str,
    /// `OPEN` or `CLOSED`.
    pub state: &'static str,
    /// Set when all fills and lots behind the row have the same.
    pub strategy_id: Option<String>,
}

impl Position {
    pub(crate) fn new(
        key: &RowKey,
        symbol: &str,
        sums: &RowSums,
        instruments: &Instruments,
    ) -> Result<Self, Overflow> {
        let ltp = instruments.last_price(&key.instrument_key);
        let close = instruments.close_price(&key.instrument_key);
        let told = instruments.multiplier(&key.exchange, &key.instrument_key);
        let values = Values::new(sums, told.unwrap_or(Decimal::ONE))?;
        Ok(Self {
            exchange: key.exchange.to_string(),
            symbol: symbol.to_owned(),
            instrument_key: key.instrument_key.to_string(),
            product: key.product.to_string(),
            buy_quantity: values.buy_quantity.normalize(),
            buy_avg_price: values.buy_cost.average(values.buy_quantity)?,
            buy_value: values.buy_cost.times(values.multiplier)?.rounded()?,
            sell_quantity: values.sell_quantity.normalize(),
            sell_avg_price: values.sell_cost.average(values.sell_quantity)?,
            sell_value: values.sell_cost.times(values.multiplier)?.rounded()?,
            net_quantity: sums.net.normalize(),
            net_value: values.net_cash()?.times(values.multiplier)?.rounded()?,
            overnight_quantity: sums.overnight.normalize(),
            multiplier: values.multiplier.normalize(),
            ltp: ltp.map(|price| price.normalize()),
            pnl: values.pnl(sums, ltp)?,
            mtm: values.mtm(sums, ltp, close)?,
            realised_pnl: sums.realised.times(values.multiplier)?.rounded()?,
            unrealised_pnl: values.unrealised(sums, ltp)?,
            direction: direction(sums.net),
            category: "NET",
            state: if sums.net.is_zero() { "CLOSED" } else { "OPEN" },
            strategy_id: common(sums.strategies.iter().map(Option::as_deref)),
        })
    }

    /// The order in which rows are listed.
    pub(crate) fn cmp_by_name(&self, other: &Self) -> Ordering {
        let name = (&self.instrument_key, &self.exchange, &self.product);
        name.cmp(&(&other.instrument_key, &other.exchange, &other.product))
    }

    /// The columns that hold whole numbers.
    pub(crate) fn quantities(&self) -> [Decimal; 4] {
        [self.buy_quantity, self.sell_quantity, self.net_quantity, self.overnight_quantity]
    }
}

/// What the columns are made of: day and carried parts together, money without the multiplier.
struct Values {
    multiplier: Decimal,
    buy_quantity: Decimal,
    buy_cost: Sum,
    sell_quantity: Decimal,
    sell_cost: Sum,
}

impl Values {
    fn new(sums: &RowSums, multiplier: Decimal) -> Result<Self, Overflow> {
        let (mut buy_cost, mut sell_cost) = (sums.bought_value.clone(), sums.sold_value.clone());
        // The carried cost has the sign of the carried quantity.
        if sums.overnight.is_sign_negative() {
            sell_cost.add_sum(&sums.carried_cost, Decimal::NEGATIVE_ONE)?;
        } else {
            buy_cost.add_sum(&sums.carried_cost, Decimal::ONE)?;
        }
        Ok(Self {
            multiplier,
            buy_quantity: add(sums.bought, sums.overnight.max(Decimal::ZERO))?,
            buy_cost,
            sell_quantity: add(sums.sold, (-sums.overnight).max(Decimal::ZERO))?,
            sell_cost,
        })
    }

    fn net_cash(&self) -> Result<Sum, Overflow> {
        let mut cash = self.sell_cost.clone();
        cash.add_sum(&self.buy_cost, Decimal::NEGATIVE_ONE)?;
        Ok(cash)
    }

    fn pnl(&self, sums: &RowSums, ltp: Option<Decimal>) -> Result<Option<Decimal>, Overflow> {
        self.valued(self.net_cash()?, &[(sums.net, ltp)])
    }

    /// The carried part at yesterday's close instead of its cost.
    fn mtm(
        &self,
        sums: &RowSums,
        ltp: Option<Decimal>,
        close: Option<Decimal>,
    ) -> Result<Option<Decimal>, Overflow> {
        let mut cash = sums.sold_value.clone();
        cash.add_sum(&sums.bought_value, Decimal::NEGATIVE_ONE)?;
        self.valued(cash, &[(sums.net, ltp), (-sums.overnight, close)])
    }

    fn unrealised(&self, sums: &RowSums, ltp: Option<Decimal>) -> Result<Option<Decimal>, Overflow> {
        self.valued(sums.open_cost.times(Decimal::NEGATIVE_ONE)?, &[(sums.net, ltp)])
    }

    /// `cash` and the quantities at their prices, times the multiplier; unknown if a price that is needed is.
    fn valued(
        &self,
        mut cash: Sum,
        quantities: &[(Decimal, Option<Decimal>)],
    ) -> Result<Option<Decimal>, Overflow> {
        for (quantity, price) in quantities.iter().filter(|(quantity, _)| !quantity.is_zero()) {
            let Some(price) = price else { return Ok(None) };
            cash.add(*quantity, Price::of(*price))?;
        }
        cash.times(self.multiplier)?.rounded().map(Some)
    }
}

fn direction(quantity: Decimal) -> &'static str {
    if quantity.is_zero() {
        "NONE"
    } else if quantity.is_sign_negative() {
        "SELL"
    } else {
        "BUY"
    }
}

/// The strategy of all, if it is one.
pub(crate) fn common<'a>(mut strategies: impl Iterator<Item = Option<&'a str>>) -> Option<String> {
    let first = strategies.next()??;
    strategies.all(|other| other == Some(first)).then(|| first.to_owned())
}
