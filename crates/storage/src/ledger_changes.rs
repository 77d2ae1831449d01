use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use ledger::Name;

use crate::{LedgerReader, LedgerState, Storage, StorageError};

/// So many changes at once are a history: reading everything anew costs less.
pub(crate) const CHANGES_MAX: usize = 5_000;

/// What changed since the last generation of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerChanges {
    /// The rows that say so, to be deleted with what is made of them.
    pub ids: Vec<i64>,
    /// Orders that only add to what counted before.
    pub appeared: Vec<i32>,
    /// Strategies and instrument keys of those orders; the empty strategy is the account itself.
    pub added_to: BTreeSet<(String, String)>,
    /// Strategies and instrument keys of which something that counted may count no more, or otherwise.
    pub altered: BTreeSet<(String, String)>,
    /// Keys and ISINs of which instruments or corporate actions say something else.
    pub reference: BTreeSet<Name>,
    /// Anything may have changed.
    pub all: bool,
    /// What readers of orders see otherwise, whether it counts in the ledger or not.
    pub orders: OrderWrites,
}

/// How an account's orders were written since the last run that took it in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderWrites {
    /// These were inserted, if any, and no other was touched.
    New(Vec<i32>),
    /// Some that were there were changed or deleted.
    Any,
}

/// A change of an order, a fill or an opening lot, as a trigger has noted it.
#[derive(Debug)]
pub(crate) struct OrderChange {
    pub(crate) id: i64,
    order_id: Option<i32>,
    instrument_key: Option<String>,
    strategy_id: String,
    appeared: bool,
    counts: bool,
    inserted: bool,
}

/// All of an account's changes.
pub(crate) struct OrderChanges {
    /// When they were read, by PostgreSQL's clock.
    pub(crate) now: DateTime<Utc>,
    /// Holidays of the NSE.
    pub(crate) holidays: BTreeSet<NaiveDate>,
    pub(crate) changes: Vec<OrderChange>,
}

impl Default for OrderWrites {
    fn default() -> Self {
        Self::New(Vec::new())
    }
}

impl LedgerChanges {
    /// Nothing changed.
    pub fn is_empty(&self) -> bool {
        !self.all && self.added_to.is_empty() && self.altered.is_empty() && self.reference.is_empty()
    }

    fn take(&mut self, rows: Vec<OrderChange>) {
        let (mut met, mut appeared) = (BTreeSet::new(), BTreeSet::new());
        let mut inserted = Some(BTreeSet::new());
        for row in rows {
            inserted = inserted.filter(|inserted| match row.order_id {
                Some(order) => row.inserted || inserted.contains(&order),
                // Lots are no order.
                None => row.instrument_key.is_some(),
            });
            if let (Some(inserted), Some(order)) = (&mut inserted, row.order_id) {
                inserted.insert(order);
            }
            if !row.counts {
                continue;
            }
            let Some(key) = row.instrument_key else {
                self.all = true;
                continue;
            };
            // An order that was not there before only adds, however often it changed since.
            if let Some(order) = row.order_id
                && met.insert(order)
                && row.appeared
            {
                appeared.insert(order);
            }
            let adds = row.order_id.is_some_and(|order| appeared.contains(&order));
            let names = if adds { &mut self.added_to } else { &mut self.altered };
            if is_strategy(&row.strategy_id) && row.order_id.is_some() {
                names.insert((row.strategy_id, key.clone()));
            }
            names.insert((String::new(), key));
        }
        self.appeared = appeared.into_iter().collect();
        self.orders =
            inserted.map_or(OrderWrites::Any, |inserted| OrderWrites::New(inserted.into_iter().collect()));
    }
}

impl LedgerState {
    /// Reading everything anew costs less than so many changes.
    pub(crate) fn has_too_many_changes(&self) -> bool {
        self.changes.len() > CHANGES_MAX
    }
}

impl LedgerReader {
    /// What changed since the last generation, which left this state behind.
    pub async fn changes(&mut self, state: &LedgerState) -> Result<LedgerChanges, StorageError> {
        let ids = state.changes.clone();
        let all = state.has_too_many_changes();
        let mut changes = LedgerChanges { ids, all, ..LedgerChanges::default() };
        if all {
            changes.orders = OrderWrites::Any;
        }
        if !all && !changes.ids.is_empty() {
            let rows = match self.order_changes.take() {
                Some(rows) => rows,
                None => self.read_order_changes().await?.changes,
            };
            changes.take(rows);
        }
        if state.has_reference_changes {
            self.reference_changes(&mut changes).await?;
        }
        Ok(changes)
    }

    /// The changes, and what comes with them.
    pub(crate) async fn read_order_changes(&mut self) -> Result<OrderChanges, StorageError> {
        let rows =
            sqlx::query_file!("src/order_changes.sql", self.account.pseudo_account, &self.organizations)
                .fetch_all(&mut *self.transaction)
                .await?;
        let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let (now, holidays) = (first.now, first.holidays.iter().flatten().copied().collect());
        let changes = rows.into_iter().filter_map(|row| {
            Some(OrderChange {
                id: row.id?,
                order_id: row.order_id,
                instrument_key: row.instrument_key,
                strategy_id: row.strategy_id?,
                appeared: row.appeared?,
                counts: row.counts?,
                inserted: row.inserted?,
            })
        });
        Ok(OrderChanges { now, holidays, changes: changes.collect() })
    }

    async fn reference_changes(&mut self, changes: &mut LedgerChanges) -> Result<(), StorageError> {
        let rows = sqlx::query_file!(
            "src/reference_changes.sql",
            self.account.organization_id,
            self.account.pseudo_account
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        for row in rows {
            match row.kind.as_str() {
                "key" => drop(changes.reference.insert(Name::Key(row.name))),
                "isin" => drop(changes.reference.insert(Name::Isin(row.name))),
                _ => changes.all = true,
            }
        }
        Ok(())
    }
}

impl Storage {
    /// Deletes changes that nobody took in for `days` (of paused accounts, or with generation switched off); those
    /// accounts are read anew when they are generated again. Returns how many changes went.
    pub(crate) async fn forget_changes(&self, days: f64) -> Result<u64, StorageError> {
        let mut transaction = self.begin().await?;
        // A run that has read what is deleted here must not store: its fence is gone. One that holds the account takes
        // the changes in by itself.
        sqlx::query_file!("src/forget_ledgers.sql", days).execute(&mut *transaction).await?;
        let orders =
            sqlx::query_file!("src/forget_order_changes.sql", days).execute(&mut *transaction).await?;
        let reference = sqlx::query!(
            "DELETE FROM tradingdb.reference_changes
             WHERE at < now() - make_interval(secs => $1::double precision * 2 * 86400)",
            days
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(orders.rows_affected() + reference.rows_affected())
    }
}

/// Orders without a strategy, or with `default`, have no rows of their own.
pub fn is_strategy(strategy_id: &str) -> bool {
    !strategy_id.is_empty() && strategy_id != "default"
}
