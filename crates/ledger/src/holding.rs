use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::Serialize;

use crate::digits;
use crate::instrument::Instruments;
use crate::origin::{Names, Piece};
use crate::position::common;
use crate::price::{Overflow, Price, Sum, add};

/// One row of the holdings of a day, by the column names of `holdings`: the delivery lots of one ISIN that were open
/// when the day began. A sale of today is a negative position today and leaves the holding on the next trading day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holding {
    /// The exchange of the latest fill.
    pub exchange: String,
    /// The symbol of the latest fill.
    pub symbol: String,
    /// The ISIN; `None` where none is known.
    pub isin: Option<String>,
    /// Shares.
    #[serde(serialize_with = "digits::serialize")]
    pub quantity: Decimal,
    /// The same as `quantity`.
    #[serde(serialize_with = "digits::serialize")]
    pub totalqty: Decimal,
    /// Of these, bought on the trading day before: not yet settled.
    #[serde(serialize_with = "digits::serialize")]
    pub t1_qty: Decimal,
    /// `CNC`, or `MTF` when all lots are.
    pub product: String,
    /// Average cost of the lots, rounded to ten decimals.
    #[serde(serialize_with = "digits::serialize")]
    pub avg_price: Decimal,
    /// The last traded price.
    #[serde(serialize_with = "digits::serialize")]
    pub ltp: Option<Decimal>,
    /// `ltp × quantity`.
    #[serde(serialize_with = "digits::serialize")]
    pub currentvalue: Option<Decimal>,
    /// `currentvalue` less the cost of the lots.
    #[serde(serialize_with = "digits::serialize")]
    pub pnl: Option<Decimal>,
    /// The key of the latest fill.
    pub instrument_key: String,
    /// Set when all lots have the same.
    pub strategy_id: Option<String>,
}

impl Holding {
    /// `day_before` is the trading day before the view's.
    pub(crate) fn new(
        names: &Names,
        isin: Option<&str>,
        lots: &[Piece],
        day_before: NaiveDate,
        instruments: &Instruments,
    ) -> Result<Self, Overflow> {
        let (mut quantity, mut unsettled, mut cost) = (Decimal::ZERO, Decimal::ZERO, Sum::default());
        for lot in lots {
            quantity = add(quantity, lot.quantity)?;
            cost.add(lot.quantity, lot.price)?;
            if lot.origin.day == day_before {
                unsettled = add(unsettled, lot.quantity)?;
            }
        }
        let ltp = instruments.last_price(&names.instrument_key);
        let (mut current, mut profit) = (None, None);
        if let Some(ltp) = ltp {
            let mut value = Sum::default();
            value.add(quantity, Price::of(ltp))?;
            current = Some(value.rounded()?);
            value.add_sum(&cost, Decimal::NEGATIVE_ONE)?;
            profit = Some(value.rounded()?);
        }
        let all_margin = lots.iter().all(|lot| lot.origin.terms().product == "MTF");
        Ok(Self {
            exchange: names.exchange.clone(),
            symbol: names.symbol.clone(),
            isin: isin.map(str::to_owned),
            quantity: quantity.normalize(),
            totalqty: quantity.normalize(),
            t1_qty: unsettled.normalize(),
            product: if all_margin { "MTF" } else { "CNC" }.to_owned(),
            avg_price: cost.average(quantity)?,
            ltp: ltp.map(|price| price.normalize()),
            currentvalue: current,
            pnl: profit,
            instrument_key: names.instrument_key.clone(),
            strategy_id: common(lots.iter().map(|lot| lot.origin.strategy())),
        })
    }

    /// The columns that hold whole numbers.
    pub(crate) fn quantities(&self) -> [Decimal; 2] {
        [self.quantity, self.t1_qty]
    }
}
