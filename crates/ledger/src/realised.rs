use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::Serialize;

use crate::closing::{Closing, ClosingSide};
use crate::error::LedgerError;
use crate::instrument_key::is_cash;
use crate::price::{Overflow, Sum, add, mul};

/// What was earned on one instrument (cash: one ISIN) by closing lots; the matched quantity only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Realised {
    /// The key of the instrument's latest fill.
    pub instrument_key: String,
    /// The symbol of the instrument's latest fill.
    pub symbol: String,
    /// The ISIN, for cash where one is known.
    pub isin: Option<String>,
    /// How much was closed.
    pub quantity: Decimal,
    /// What the closed part was bought for, multiplier included.
    pub buy_value: Decimal,
    /// What the closed part was sold for, multiplier included.
    pub sell_value: Decimal,
    /// `sell_value - buy_value`.
    pub realised_pnl: Decimal,
}

/// Realised profit per instrument of the closings between two IST days, both included; `None` is without limit.
///
/// Charges, taxes and dividends are no part of it. Rows are sorted by instrument key, then ISIN.
pub fn realised(
    closings: &[Closing],
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
) -> Result<Vec<Realised>, LedgerError> {
    let mut totals: BTreeMap<(&str, &str), Total<'_>> = BTreeMap::new();
    let in_range = |day: NaiveDate| from.is_none_or(|from| day >= from) && to.is_none_or(|to| day <= to);
    for closing in closings.iter().filter(|closing| in_range(closing.day)) {
        let total = totals.entry(instrument_of(closing)).or_insert_with(|| Total::new(closing));
        total.add(closing).map_err(|_| overflow(closing))?;
    }
    let mut rows: Vec<Realised> = totals
        .into_values()
        .map(|total| total.row().map_err(|_| overflow(total.names)))
        .collect::<Result<_, _>>()?;
    rows.sort_by(|a, b| (&a.instrument_key, &a.isin).cmp(&(&b.instrument_key, &b.isin)));
    Ok(rows)
}

struct Total<'a> {
    names: &'a Closing,
    quantity: Decimal,
    bought: Sum,
    sold: Sum,
}

impl<'a> Total<'a> {
    fn new(names: &'a Closing) -> Self {
        Self { names, quantity: Decimal::ZERO, bought: Sum::default(), sold: Sum::default() }
    }

    fn add(&mut self, closing: &Closing) -> Result<(), Overflow> {
        self.quantity = add(self.quantity, closing.quantity)?;
        let (bought, sold) = match closing.side {
            ClosingSide::Long => (closing.entry, closing.exit),
            ClosingSide::Short => (closing.exit, closing.entry),
        };
        let units = mul(closing.quantity, closing.multiplier)?;
        self.bought.add(units, bought)?;
        self.sold.add(units, sold)
    }

    fn row(&self) -> Result<Realised, Overflow> {
        let mut profit = self.sold.clone();
        profit.add_sum(&self.bought, Decimal::NEGATIVE_ONE)?;
        Ok(Realised {
            instrument_key: self.names.latest_instrument_key.clone(),
            symbol: self.names.latest_symbol.clone(),
            isin: self.names.isin.clone(),
            quantity: self.quantity.normalize(),
            buy_value: self.bought.rounded()?,
            sell_value: self.sold.rounded()?,
            realised_pnl: profit.rounded()?,
        })
    }
}

/// An ISIN and a key never collide: a key holds `@`.
fn instrument_of(closing: &Closing) -> (&str, &str) {
    match &closing.isin {
        Some(isin) if is_cash(&closing.exchange) => ("", isin),
        _ => (&closing.instrument_key, ""),
    }
}

fn overflow(closing: &Closing) -> LedgerError {
    LedgerError::Overflow { instrument_key: closing.instrument_key.clone() }
}
