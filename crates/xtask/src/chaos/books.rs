//! Positions and holdings of an account from its orders, written anew for this purpose: whole paise, no decimals, nothing
//! kept. It shares no code with the fleet, so that both can only agree by being right.

use std::collections::{BTreeMap, VecDeque};

/// A filled order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Deal {
    /// Seconds since 1970.
    pub(crate) at: i64,
    pub(crate) number: i64,
    /// What it is matched within: an ISIN, or the key of a contract.
    pub(crate) queue: String,
    pub(crate) is_share: bool,
    /// Negative is sold.
    pub(crate) quantity: i64,
    pub(crate) paise: i64,
}

/// What is left of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Open {
    /// Negative is short.
    pub(crate) quantity: i64,
    /// What that cost, or brought; positive.
    pub(crate) paise: i64,
}

type Lots = VecDeque<(i64, i64)>;

/// What is open of each queue after all deals, on any later day.
pub(crate) fn open(mut deals: Vec<Deal>) -> BTreeMap<String, Open> {
    deals.sort();
    let mut queues: BTreeMap<String, (bool, Vec<Deal>)> = BTreeMap::new();
    for deal in deals {
        let queue = queues.entry(deal.queue.clone()).or_insert_with(|| (deal.is_share, Vec::new()));
        queue.1.push(deal);
    }
    let mut left = BTreeMap::new();
    for (name, (is_share, deals)) in queues {
        let lots = if is_share { of_shares(&deals) } else { of_contract(&deals) };
        let quantity: i64 = lots.iter().map(|(quantity, _)| quantity).sum();
        let paise = lots.iter().map(|(quantity, price)| quantity.abs() * price).sum();
        if quantity != 0 {
            left.insert(name, Open { quantity, paise });
        }
    }
    left
}

/// A contract: one queue over all days, long or short.
fn of_contract(deals: &[Deal]) -> Lots {
    let mut lots = Lots::new();
    for deal in deals {
        let rest = take(&mut lots, deal.quantity);
        if rest != 0 {
            lots.push_back((rest, deal.paise));
        }
    }
    lots
}

/// Shares: what a day bought and sold is matched first; only what is left of it is added to older lots, or taken from them.
/// What was sold without having been there leaves nothing behind.
fn of_shares(deals: &[Deal]) -> Lots {
    let mut lots = Lots::new();
    // Days of India.
    for day in deals.chunk_by(|a, b| (a.at + 19_800).div_euclid(86_400) == (b.at + 19_800).div_euclid(86_400))
    {
        for (quantity, price) in of_contract(day) {
            if quantity > 0 {
                lots.push_back((quantity, price));
            } else {
                take(&mut lots, quantity);
            }
        }
    }
    lots
}

/// Takes a quantity from lots of the other sign, oldest first; returns what found none.
fn take(lots: &mut Lots, mut quantity: i64) -> i64 {
    while quantity != 0 {
        let Some((lot, _)) = lots.front_mut() else { break };
        if lot.signum() == quantity.signum() {
            break;
        }
        if lot.abs() > quantity.abs() {
            *lot += quantity;
            return 0;
        }
        quantity += *lot;
        lots.pop_front();
    }
    quantity
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deal(day: i64, number: i64, queue: &str, quantity: i64, paise: i64) -> Deal {
        let at = day * 86_400 + 20_000 + number;
        Deal { at, number, queue: queue.into(), is_share: queue.starts_with("INE"), quantity, paise }
    }

    #[test]
    fn a_contract_is_first_in_first_out_and_may_turn() {
        let deals = vec![deal(1, 1, "F", 10, 100), deal(1, 2, "F", 10, 200), deal(2, 3, "F", -15, 300)];
        assert_eq!(open(deals.clone())["F"], Open { quantity: 5, paise: 1_000 });
        let turned = [deals, vec![deal(3, 4, "F", -8, 400)]].concat();
        assert_eq!(open(turned)["F"], Open { quantity: -3, paise: 1_200 });
    }

    #[test]
    fn shares_sold_within_their_day_leave_older_ones_alone() {
        let deals =
            vec![deal(1, 1, "INE1", 10, 100), deal(2, 3, "INE1", -4, 150), deal(2, 4, "INE1", 6, 200)];
        assert_eq!(open(deals)["INE1"], Open { quantity: 12, paise: 1_400 });
    }

    #[test]
    fn shares_sold_without_having_been_there_leave_nothing() {
        assert!(open(vec![deal(1, 1, "INE1", -5, 100)]).is_empty());
        let bought_later = vec![deal(1, 1, "INE1", -5, 100), deal(2, 2, "INE1", 3, 100)];
        assert_eq!(open(bought_later)["INE1"].quantity, 3);
    }
}
