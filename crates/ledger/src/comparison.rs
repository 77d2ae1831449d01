use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::discrepancy::{Discrepancy, DiscrepancyKind};
use crate::instrument_key::{is_cash, key_for};
use crate::reported::{ReportedHolding, ReportedPosition};

/// A generated row, as far as it is compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnRow {
    /// The instrument's key.
    pub instrument_key: String,
    /// Exchange segment.
    pub exchange: String,
    /// The trading symbol.
    pub symbol: String,
    /// The ISIN, where known.
    pub isin: Option<String>,
    /// The product.
    pub product: String,
    /// Net quantity of a position, quantity of a holding.
    pub quantity: Decimal,
}

/// What is compared as one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    /// Shares of an ISIN over exchanges, products, positions and holdings: a conversion or the change of the day moves
    /// them between rows, on either side at another hour.
    Isin(String),
    /// Shares without a known ISIN.
    Shares(String, String),
    /// A contract in one product.
    Contract(String, String, String),
}

#[derive(Debug, Default)]
struct Compared {
    named: Option<OwnRow>,
    ours: Decimal,
    theirs: Decimal,
}

/// Compares generated rows with what the brokerage says, in quantities. Differences are findings: nothing is adjusted,
/// since it may be either side that does not know something yet (a transfer, a conversion, an order of a moment ago).
///
/// Without the brokerage's holdings, shares are not compared.
pub fn differences(
    positions: &[OwnRow],
    holdings: &[OwnRow],
    told_positions: &[ReportedPosition],
    told_holdings: Option<&[ReportedHolding]>,
    at: DateTime<Utc>,
) -> Vec<Discrepancy> {
    let told: Vec<OwnRow> = told_positions.iter().map(of_position).collect();
    let held: Vec<OwnRow> = told_holdings.unwrap_or_default().iter().map(of_holding).collect();
    let isins = isins(positions.iter().chain(holdings).chain(&held));
    let mut compared: BTreeMap<Subject, Compared> = BTreeMap::new();
    for row in positions.iter().chain(holdings) {
        let of = compared.entry(subject(row, &isins)).or_default();
        of.ours = of.ours.saturating_add(row.quantity);
        of.named.get_or_insert_with(|| row.clone());
    }
    for row in told.iter().chain(&held) {
        let of = compared.entry(subject(row, &isins)).or_default();
        of.theirs = of.theirs.saturating_add(row.quantity);
        of.named.get_or_insert_with(|| row.clone());
    }
    let is_comparable =
        |subject: &Subject| matches!(subject, Subject::Contract(..)) || told_holdings.is_some();
    compared
        .into_iter()
        .filter(|(subject, of)| is_comparable(subject) && of.ours != of.theirs)
        .filter_map(|(subject, of)| Some(finding(&subject, &of.named?, of.ours, of.theirs, at)))
        .collect()
}

fn finding(
    subject: &Subject,
    row: &OwnRow,
    ours: Decimal,
    theirs: Decimal,
    at: DateTime<Utc>,
) -> Discrepancy {
    let what = match subject {
        Subject::Contract(_, _, product) => format!("a net {product} position"),
        Subject::Isin(_) | Subject::Shares(..) => "positions and holdings".to_owned(),
    };
    Discrepancy {
        kind: DiscrepancyKind::BrokerDiffers,
        instrument_key: row.instrument_key.clone(),
        symbol: row.symbol.clone(),
        isin: match subject {
            Subject::Isin(isin) => Some(isin.clone()),
            Subject::Shares(..) | Subject::Contract(..) => row.isin.clone(),
        },
        quantity: Some(theirs.saturating_sub(ours).abs().normalize()),
        since: Some(at),
        detail: format!(
            "the brokerage has {what} of {}, here it is {}",
            theirs.normalize(),
            ours.normalize()
        ),
    }
}

fn of_position(told: &ReportedPosition) -> OwnRow {
    OwnRow {
        instrument_key: key_for(&told.exchange, &told.symbol),
        exchange: told.exchange.clone(),
        symbol: told.symbol.clone(),
        isin: None,
        product: told.product.clone(),
        quantity: told.quantity,
    }
}

fn of_holding(told: &ReportedHolding) -> OwnRow {
    OwnRow {
        instrument_key: key_for(&told.exchange, &told.symbol),
        exchange: told.exchange.clone(),
        symbol: told.symbol.clone(),
        isin: told.isin.clone(),
        product: told.product.clone().unwrap_or_default(),
        quantity: told.quantity,
    }
}

/// The ISIN of each exchange and symbol of which anybody says it.
fn isins<'a>(rows: impl Iterator<Item = &'a OwnRow>) -> BTreeMap<(&'a str, &'a str), &'a str> {
    rows.filter_map(|row| Some(((&*row.exchange, &*row.symbol), row.isin.as_deref()?))).collect()
}

fn subject(row: &OwnRow, isins: &BTreeMap<(&str, &str), &str>) -> Subject {
    if !is_cash(&row.exchange) {
        return Subject::Contract(row.exchange.clone(), row.symbol.clone(), row.product.clone());
    }
    let isin = row.isin.as_deref().or_else(|| isins.get(&(&*row.exchange, &*row.symbol)).copied());
    match isin {
        Some(isin) => Subject::Isin(isin.to_owned()),
        None => Subject::Shares(row.exchange.clone(), row.symbol.clone()),
    }
}
