use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use ledger::{Discrepancy, DiscrepancyKind, Fill, Side, Terms, TermsPool};
use rust_decimal::Decimal;

use crate::{LedgerReader, StorageError};

/// Something that was executed, as far as orders and fills can be read.
#[derive(Debug, Clone)]
pub struct Execution {
    /// The row of the order.
    pub order_id: i32,
    /// One of each order is the first, though not by time.
    pub is_first: bool,
    /// When it was executed.
    pub at: DateTime<Utc>,
    /// What it was of.
    pub terms: Arc<Terms>,
    /// The fill; `None` where the order's side is neither BUY nor SELL, so that it counts nowhere.
    pub fill: Option<Fill>,
    /// More of the order is filled than its known executions sum to.
    pub short: Option<Discrepancy>,
}

/// A row of the view `executions`.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) order_id: i32,
    pub(crate) instrument_key: String,
    pub(crate) exchange: String,
    pub(crate) symbol: String,
    pub(crate) isin: Option<String>,
    pub(crate) trade_type: Option<String>,
    pub(crate) product: String,
    pub(crate) strategy_id: Option<String>,
    pub(crate) trade_id: Option<String>,
    pub(crate) exchange_order_id: Option<String>,
    pub(crate) at: DateTime<Utc>,
    pub(crate) quantity: Decimal,
    pub(crate) price: Option<Decimal>,
    pub(crate) short_by: Option<Decimal>,
    pub(crate) state_at: Option<DateTime<Utc>>,
    pub(crate) is_first: bool,
}

/// An ISIN that rows of an instrument have, for one strategy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenIsin {
    /// Empty for none.
    pub strategy_id: String,
    /// The instrument's key.
    pub instrument_key: String,
    /// The ISIN; `None`: the rows have none.
    pub isin: Option<String>,
    /// The latest of these rows.
    pub last_at: DateTime<Utc>,
}

/// Executions at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenExecutions {
    /// The ISINs that they have, until the reader's instant.
    pub isins: Vec<SeenIsin>,
    /// When the next one after that comes to exist.
    pub next_at: Option<DateTime<Utc>>,
}

/// All executions of an account that has few.
#[derive(Debug)]
pub struct FewExecutions {
    /// They at a glance.
    pub seen: SeenExecutions,
    /// Those until the reader's instant, in order of their time.
    pub executions: Vec<Execution>,
}

/// Executions that an account with few of them has at most: they are held in memory, some 500 bytes each.
const FEW: i64 = 2_000;

impl LedgerReader {
    /// All executions of the account in one statement if there are few of them, else `None`, to be read twice:
    /// [`Self::seen`] first, for what must be known of all before the first one counts, then [`Self::each_execution`].
    pub async fn few_executions(&mut self) -> Result<Option<FewExecutions>, StorageError> {
        let mut rows = sqlx::query_file_as!(
            Row,
            "src/few_executions.sql",
            self.account.pseudo_account,
            &self.organizations,
            FEW + 1
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        if rows.len() as i64 > FEW {
            return Ok(None);
        }
        let as_of = self.as_of;
        let next_at = rows.iter().map(|row| row.at).filter(|at| *at > as_of).min();
        rows.retain(|row| row.at <= as_of);
        rows.sort_by_key(|row| row.at);
        let mut isins: BTreeMap<(&str, &str, Option<&str>), DateTime<Utc>> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.quantity > Decimal::ZERO && row.side().is_some()) {
            let strategy = row.strategy_id.as_deref().unwrap_or_default();
            isins.insert((strategy, &row.instrument_key, row.isin.as_deref().and_then(isin)), row.at);
        }
        let isins = isins.into_iter().map(|((strategy, key, isin), last_at)| SeenIsin {
            strategy_id: strategy.to_owned(),
            instrument_key: key.to_owned(),
            isin: isin.map(str::to_owned),
            last_at,
        });
        let seen = SeenExecutions { isins: isins.collect(), next_at };
        let mut pool = TermsPool::default();
        let executions = rows.into_iter().map(|row| row.read(&mut pool)).collect();
        Ok(Some(FewExecutions { seen, executions }))
    }

    /// The executions of some orders, in order of their time.
    pub async fn executions_of(&mut self, orders: &[i32]) -> Result<Vec<Execution>, StorageError> {
        let mut pool = TermsPool::default();
        let rows = sqlx::query_file_as!(
            Row,
            "src/executions_of_orders.sql",
            self.account.pseudo_account,
            &self.organizations,
            orders
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(rows.into_iter().map(|row| row.read(&mut pool)).collect())
    }

    /// Hands over the account's executions until the reader's instant, one after the other in order of their time;
    /// of some instruments, or with `None` of all. However many there are, one is in memory at a time.
    pub async fn each_execution(
        &mut self,
        keys: Option<&[String]>,
        mut take: impl FnMut(Execution),
    ) -> Result<(), StorageError> {
        let mut pool = TermsPool::default();
        let mut rows = sqlx::query_file_as!(
            Row,
            "src/executions_of_instruments.sql",
            self.account.pseudo_account,
            &self.organizations,
            keys,
            self.as_of
        )
        .fetch(&mut *self.transaction);
        while let Some(row) = rows.try_next().await? {
            take(row.read(&mut pool));
        }
        Ok(())
    }

    /// What the executions of some instruments (or with `None` of all) say before they are read one by one.
    pub async fn seen(&mut self, keys: Option<&[String]>) -> Result<SeenExecutions, StorageError> {
        let rows = sqlx::query_file!(
            "src/seen_isins.sql",
            self.account.pseudo_account,
            &self.organizations,
            keys,
            self.as_of
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        let next_at = rows.iter().filter_map(|row| row.next_at).min();
        // What is read of a row is decided in one place only.
        let rows = rows.into_iter().filter(|row| row.trade_type.as_deref().and_then(Side::parse).is_some());
        let isins = rows.filter_map(|row| {
            Some(SeenIsin {
                last_at: row.last_at?,
                strategy_id: row.strategy_id,
                instrument_key: row.instrument_key,
                isin: row.isin.as_deref().and_then(isin).map(str::to_owned),
            })
        });
        Ok(SeenExecutions { isins: isins.collect(), next_at })
    }
}

fn isin(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|isin| !isin.is_empty())
}

impl Row {
    fn side(&self) -> Option<Side> {
        self.trade_type.as_deref().and_then(Side::parse)
    }

    pub(crate) fn read(self, pool: &mut TermsPool) -> Execution {
        let short = self.short_by.filter(|missing| self.is_first && *missing > Decimal::ZERO);
        let short = short.map(|missing| Discrepancy {
            kind: DiscrepancyKind::FillsShort,
            instrument_key: self.instrument_key.clone(),
            symbol: self.symbol.clone(),
            isin: self.isin.clone(),
            quantity: Some(missing.normalize()),
            since: self.state_at,
            detail: format!("the executions of order row {} sum to less than it has filled", self.order_id),
        });
        let side = self.side();
        let terms = pool.share(Terms {
            exchange: self.exchange,
            instrument_key: self.instrument_key,
            symbol: self.symbol,
            isin: self.isin,
            product: self.product,
            strategy_id: self.strategy_id,
        });
        let fill = side.map(|side| Fill {
            at: self.at,
            trade_id: self.trade_id.map(Into::into),
            order_id: self.exchange_order_id.map(Into::into),
            terms: Arc::clone(&terms),
            side,
            quantity: self.quantity,
            price: self.price.filter(|price| !price.is_zero()),
        });
        Execution { order_id: self.order_id, is_first: self.is_first, at: self.at, terms, fill, short }
    }
}
