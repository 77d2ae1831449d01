//! What readers see of an account: from its orders, in PostgreSQL and in Redis, in one form.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::books::{Deal, Open, open};
use super::stage::Stage;

/// Rows by name, with their numbers as text.
pub(super) type Rows = BTreeSet<String>;

impl Stage {
    /// What each account should have, from its orders.
    pub(super) fn expected(&self) -> Result<BTreeMap<String, Rows>> {
        let orders = self.json(
            "SELECT pseudo_account AS account, coalesce(isin, instrument_key) AS queue, isin IS NOT NULL AS share,
                    CASE trade_type WHEN 'BUY' THEN filled_quantity ELSE -filled_quantity END AS quantity,
                    (average_price * 100)::bigint AS paise, extract(epoch FROM exchange_time)::bigint AS at,
                    exchange_order_id::bigint AS number, id
             FROM tradingdb.orders",
        )?;
        let mut deals: BTreeMap<String, (Vec<Deal>, Rows)> = BTreeMap::new();
        for order in &orders {
            let (deals, rows) = deals.entry(text(order, "account")).or_default();
            rows.insert(format!("order {}", number(order, "id")?));
            deals.push(Deal {
                at: number(order, "at")?,
                number: number(order, "number")?,
                queue: text(order, "queue"),
                is_share: order["share"] == true,
                quantity: number(order, "quantity")?,
                paise: number(order, "paise")?,
            });
        }
        let of_account = |(account, (deals, mut rows)): (String, (Vec<Deal>, Rows))| {
            let shares: BTreeSet<String> =
                deals.iter().filter(|d| d.is_share).map(|d| d.queue.clone()).collect();
            rows.extend(open(deals).iter().map(|(queue, open)| row(queue, open, shares.contains(queue))));
            (account, rows)
        };
        Ok(deals.into_iter().map(of_account).collect())
    }

    /// What PostgreSQL has of an account.
    pub(super) fn stored(&self, account: &str) -> Result<Rows> {
        let positions = self.json(&format!(
            "SELECT instrument_key, net_quantity, buy_value, sell_value FROM tradingdb.positions WHERE pseudo_account = '{account}'"
        ))?;
        let holdings = self.json(&format!(
            "SELECT isin, quantity, avg_price FROM tradingdb.holdings WHERE pseudo_account = '{account}'"
        ))?;
        let orders =
            self.json(&format!("SELECT id FROM tradingdb.orders WHERE pseudo_account = '{account}'"))?;
        shown(&positions, &holdings, &orders)
    }

    /// What Redis has of an account; what cannot be read is a row that nothing is equal to.
    pub(super) fn cached(&self, account: &str) -> Result<Rows> {
        let get = |what: &str| -> Result<Vec<Value>> {
            let key = format!("trade_data:default:{account}:{what}");
            let command = format!("GET {key}");
            for node in 0..6 {
                let answer = self.redis.node(node).command(&command)?;
                if !answer.starts_with("MOVED") && !answer.starts_with("-MOVED") {
                    return serde_json::from_str(&answer).with_context(|| format!("{key} holds {answer:?}"));
                }
            }
            bail!("no node has the key {key}")
        };
        match (get("positions"), get("holdings"), get("orders")) {
            (Ok(positions), Ok(holdings), Ok(orders)) => shown(&positions, &holdings, &orders),
            (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => {
                Ok(Rows::from([format!("{error:#}")]))
            }
        }
    }
}

/// In words.
pub(super) fn differences(expected: &Rows, found: &Rows) -> String {
    let missing: Vec<_> = expected.difference(found).take(3).collect();
    let more: Vec<_> = found.difference(expected).take(3).collect();
    format!("missing {missing:?}, not expected {more:?}")
}

/// One line for a row, the same whoever tells it.
fn row(queue: &str, open: &Open, is_share: bool) -> String {
    if is_share {
        let average = open.paise as f64 / 100.0 / open.quantity as f64;
        return format!("holding {queue}: {} at {average:.6}", open.quantity);
    }
    let value = open.paise as f64 / 100.0;
    format!("position {queue}: {} for {value:.2}", open.quantity)
}

fn shown(positions: &[Value], holdings: &[Value], orders: &[Value]) -> Result<Rows> {
    let mut rows = Rows::new();
    let decimal = |row: &Value, name: &str| match &row[name] {
        Value::Number(number) => number.as_f64().unwrap_or(f64::NAN),
        other => other.as_str().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN),
    };
    for position in positions {
        let quantity = number(position, "net_quantity")?;
        let side = if quantity < 0 { "sell_value" } else { "buy_value" };
        let key = text(position, "instrument_key");
        rows.insert(format!("position {key}: {quantity} for {:.2}", decimal(position, side)));
    }
    for holding in holdings {
        let (isin, quantity) = (text(holding, "isin"), number(holding, "quantity")?);
        rows.insert(format!("holding {isin}: {quantity} at {:.6}", decimal(holding, "avg_price")));
    }
    for order in orders {
        rows.insert(format!("order {}", number(order, "id")?));
    }
    Ok(rows)
}

/// A column of a row; empty for none.
pub(super) fn text(row: &Value, name: &str) -> String {
    row[name].as_str().unwrap_or_default().to_owned()
}

/// A column of a row.
pub(super) fn number(row: &Value, name: &str) -> Result<i64> {
    row[name].as_i64().with_context(|| format!("{name} is no whole number in {row}"))
}
