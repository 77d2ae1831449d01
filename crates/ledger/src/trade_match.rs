use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::discrepancy::{Discrepancy, DiscrepancyKind};
use crate::instrument_key::key_for;
use crate::known_order::{Executions, KnownOrder};
use crate::order_match::furthest_states;
use crate::reconcile::Plan;
use crate::reported::{ReportedOrder, ReportedTrade};

/// What a brokerage's trade book changes in the executions that are stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TradePlan {
    /// Indexes of the trades of each order of the book whose executions are all told and not all stored.
    pub executions: BTreeMap<usize, Vec<usize>>,
    /// Indexes of orders of the book that are filled beyond the executions that are stored, while not all are told: they
    /// count by their rows until they are.
    pub incomplete: Vec<usize>,
    /// Indexes of trades whose order the brokerage never told.
    pub without_order: Vec<usize>,
}

/// Compares a brokerage's trade book (`None`: it did not come) with its order book and with what is stored.
///
/// The executions of an order are taken in only when they cover all that the order says is filled: an order with some of
/// them stored would count for less than it is.
pub fn plan_trades(
    known: &[KnownOrder],
    reported: &[ReportedOrder],
    plan: &Plan,
    trades: Option<&[ReportedTrade]>,
) -> TradePlan {
    let stored: BTreeMap<i64, Executions> = known.iter().map(|order| (order.id, order.executions)).collect();
    let skipped: BTreeSet<usize> = plan.stale.iter().chain(&plan.deferred).copied().collect();
    let book = furthest_states(reported);
    let by_id: BTreeMap<(&str, &str), usize> = book
        .iter()
        .map(|index| ((&*reported[*index].exchange, &*reported[*index].broker_order_id), *index))
        .collect();
    let mut found = TradePlan::default();
    let mut of_order: BTreeMap<usize, BTreeMap<&str, usize>> = BTreeMap::new();
    for (number, trade) in trades.unwrap_or_default().iter().enumerate() {
        match by_id.get(&(&*trade.exchange, &*trade.broker_order_id)) {
            // A trade listed twice is one.
            Some(order) => drop(of_order.entry(*order).or_default().insert(&trade.trade_id, number)),
            None => found.without_order.push(number),
        }
    }
    for index in book.into_iter().filter(|index| !skipped.contains(index)) {
        let told: Vec<usize> =
            of_order.remove(&index).map(|told| told.into_values().collect()).unwrap_or_default();
        let has = plan.known.get(&index).and_then(|id| stored.get(id)).copied().unwrap_or_default();
        let all = sum(trades.unwrap_or_default(), &told);
        let filled = reported[index].filled_quantity;
        if let Some(all) = all.filter(|all| all.count > 0 && all.quantity >= filled) {
            if all != has {
                found.executions.insert(index, told);
            }
        } else if has.count > 0 && has.quantity < filled {
            found.incomplete.push(index);
        }
    }
    found
}

/// A trade whose order the brokerage never told, as a finding: nothing is made up for it.
pub fn without_order(trade: &ReportedTrade) -> Discrepancy {
    Discrepancy {
        kind: DiscrepancyKind::TradeWithoutOrder,
        instrument_key: key_for(&trade.exchange, &trade.symbol),
        symbol: trade.symbol.clone(),
        isin: None,
        quantity: Some(trade.quantity.normalize()),
        since: Some(trade.at),
        detail: format!(
            "trade {} is of order {}, which is not in the brokerage's book",
            trade.trade_id, trade.broker_order_id
        ),
    }
}

/// An order that cannot be stored because a quantity of it is no whole number, as a finding; `None` if it can.
pub fn fraction(order: &ReportedOrder, at: DateTime<Utc>) -> Option<Discrepancy> {
    let limit = Decimal::from(i32::MAX);
    let fits = |quantity: Decimal| quantity.fract().is_zero() && quantity <= limit;
    let odd = [order.quantity, order.filled_quantity].into_iter().find(|quantity| !fits(*quantity))?;
    Some(Discrepancy {
        kind: DiscrepancyKind::Fraction,
        instrument_key: key_for(&order.exchange, &order.symbol),
        symbol: order.symbol.clone(),
        isin: None,
        quantity: Some(odd.normalize()),
        since: order.exchange_at.or(order.placed_at).or(Some(at)),
        detail: format!(
            "order {} of the brokerage's book has a quantity that cannot be stored: only whole ones can",
            order.broker_order_id
        ),
    })
}

/// `None` where the numbers are too large to be anybody's.
fn sum(trades: &[ReportedTrade], told: &[usize]) -> Option<Executions> {
    let mut all = Executions { count: told.len(), ..Executions::default() };
    for trade in told.iter().map(|number| &trades[*number]) {
        all.quantity = all.quantity.checked_add(trade.quantity)?;
        all.value = all.value.checked_add(trade.quantity.checked_mul(trade.price)?)?;
    }
    Some(all)
}
