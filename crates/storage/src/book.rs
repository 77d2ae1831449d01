use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use ledger::{Book, Name};
use sqlx::types::Json;

use crate::families::{self, NewFamily};
use crate::transaction::Transaction;
use crate::{Lease, LedgerDays, Storage, StorageError};

/// What a generation made, ready to replace what it was made from.
#[derive(Debug)]
pub struct GeneratedRows<'a> {
    /// The new positions and holdings.
    pub book: &'a Book,
    /// The names whose rows `book` has; `None`: all of the account.
    pub touched: Option<&'a BTreeSet<Name>>,
    /// Families to be stored.
    pub families: &'a [NewFamily],
    /// Families that are no more; `None`: all that were stored before.
    pub gone: Option<&'a [i64]>,
    /// The changes that are in it now.
    pub changes: &'a [i64],
    /// The days the rows are of; those not named stay.
    pub days: &'a [LedgerDays],
    /// The snapshot it was read in.
    pub snapshot: &'a str,
    /// When something dated in the future comes to exist.
    pub rebuild_at: Option<DateTime<Utc>>,
    /// The form the families are saved in.
    pub version: i32,
}

/// How many rows an account has after a generation, and what does not add up in them.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRows {
    /// Rows in `positions`.
    pub positions: usize,
    /// Rows in `holdings`.
    pub holdings: usize,
    /// What does not add up, as a JSON list of at most [`FINDINGS_MAX`] findings; where there are more, those of families with few
    /// come first, and of one family some of each kind.
    pub discrepancies: String,
    /// How many findings there are.
    pub discrepancies_total: usize,
}

/// Findings of a generation that its report tells. An account may have thousands, one for every sale of what it had before its
/// first order, and they stay: all are in `account show`.
pub const FINDINGS_MAX: usize = 20;

impl Storage {
    /// Replaces the account's positions and holdings in one transaction, together with what they were made from: rows
    /// that vanished are deleted, rows that did not change are not touched, and what the book does not know stays as
    /// it was; columns that orders and the brokerage tell are filled from `account_instruments`. Whatever dies before the end of it, the next generation begins where this one did.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`] when the account is another run's by now; nothing is written then.
    pub async fn store_book(
        &self,
        lease: &Lease,
        rows: &GeneratedRows<'_>,
    ) -> Result<StoredRows, StorageError> {
        let mut transaction = self.begin().await?;
        // First, so that the account is certainly ours: nobody can take the lease before the transaction ends.
        store_state(&mut transaction, lease, rows).await?;
        self.note_orders(&mut transaction, lease, rows).await?;
        self.replace_families(&mut transaction, lease, rows).await?;
        self.make_ready(&mut transaction, lease, rows.book).await?;
        self.replace_positions(&mut transaction, lease, rows).await?;
        self.replace_holdings(&mut transaction, lease, rows).await?;
        let stored = self.stored_rows(&mut transaction, lease).await?;
        transaction.commit().await?;
        Ok(stored)
    }

    /// Takes the changes in, and what orders say of their instruments beside the trades: those that are new, or in a
    /// generation from nothing all.
    async fn note_orders(
        &self,
        transaction: &mut Transaction,
        lease: &Lease,
        rows: &GeneratedRows<'_>,
    ) -> Result<(), StorageError> {
        let is_rebuilt = rows.gone.is_none();
        if rows.changes.is_empty() && !is_rebuilt {
            return Ok(());
        }
        sqlx::query_file!(
            "src/note_orders.sql",
            lease.account.pseudo_account,
            &self.organization_keys(&lease.account),
            lease.account.organization_id,
            rows.changes,
            is_rebuilt
        )
        .execute(&mut **transaction)
        .await?;
        Ok(())
    }

    async fn replace_families(
        &self,
        transaction: &mut Transaction,
        lease: &Lease,
        rows: &GeneratedRows<'_>,
    ) -> Result<(), StorageError> {
        let account = &lease.account;
        let alike = match rows.gone {
            Some(_) => vec![None; rows.families.len()],
            None => families::stored_alike(transaction, account, rows.families).await?,
        };
        if rows.gone.is_none_or(|gone| !gone.is_empty()) {
            sqlx::query!(
                "DELETE FROM tradingdb.ledger_families
                 WHERE pseudo_account = $1 AND organization_id = $2 AND ($3::bigint[] IS NULL OR id = ANY($3)) AND id <> ALL($4)",
                account.pseudo_account,
                account.organization_id,
                rows.gone as Option<&[i64]>,
                &alike.iter().flatten().copied().collect::<Vec<_>>()
            )
            .execute(&mut **transaction)
            .await?;
        }
        let others = rows.families.iter().zip(&alike).filter(|(_, alike)| alike.is_none());
        families::store(transaction, account, &others.map(|(family, _)| family).collect::<Vec<_>>()).await
    }

    /// What must be there before rows are stored.
    async fn make_ready(
        &self,
        transaction: &mut Transaction,
        lease: &Lease,
        book: &Book,
    ) -> Result<(), StorageError> {
        let positions = book.positions.iter().map(|row| (&row.instrument_key, &row.symbol));
        let holdings = book.holdings.iter().map(|row| (&row.instrument_key, &row.symbol));
        let symbols: BTreeMap<_, _> = holdings.chain(positions).collect();
        if symbols.is_empty() {
            return Ok(());
        }
        let (keys, symbols): (Vec<_>, Vec<_>) =
            symbols.into_iter().map(|(key, symbol)| (key.clone(), symbol.clone())).unzip();
        sqlx::query_file!(
            "src/make_ready.sql",
            &keys,
            &symbols,
            lease.account.pseudo_account,
            &self.organization_keys(&lease.account),
            Json(&book.holdings) as _
        )
        .execute(&mut **transaction)
        .await?;
        Ok(())
    }

    async fn replace_positions(
        &self,
        transaction: &mut Transaction,
        lease: &Lease,
        rows: &GeneratedRows<'_>,
    ) -> Result<(), StorageError> {
        let account = &lease.account;
        let keys = rows.touched.map(keys);
        sqlx::query_file!(
            "src/replace_positions.sql",
            account.pseudo_account,
            &self.organization_keys(account),
            // The ledger withholds what is not whole and writes no trailing zeros: quantities are integers.
            Json(&rows.book.positions) as _,
            account.organization_id,
            &withheld_keys(rows.book),
            keys.as_deref() as Option<&[String]>
        )
        .execute(&mut **transaction)
        .await?;
        Ok(())
    }

    async fn replace_holdings(
        &self,
        transaction: &mut Transaction,
        lease: &Lease,
        rows: &GeneratedRows<'_>,
    ) -> Result<(), StorageError> {
        let account = &lease.account;
        let withheld_isins: Vec<String> =
            (rows.book.withheld.iter()).filter_map(|queue| queue.isin.clone()).collect();
        let (keys, isins) = (rows.touched.map(keys), rows.touched.map(isins));
        sqlx::query_file!(
            "src/replace_holdings.sql",
            account.pseudo_account,
            &self.organization_keys(account),
            Json(&rows.book.holdings) as _,
            account.organization_id,
            &withheld_keys(rows.book),
            &withheld_isins,
            keys.as_deref() as Option<&[String]>,
            isins.as_deref() as Option<&[String]>
        )
        .execute(&mut **transaction)
        .await?;
        Ok(())
    }

    async fn stored_rows(
        &self,
        transaction: &mut Transaction,
        lease: &Lease,
    ) -> Result<StoredRows, StorageError> {
        let row = sqlx::query_file!(
            "src/stored_rows.sql",
            lease.account.pseudo_account,
            &self.organization_keys(&lease.account),
            lease.account.organization_id,
            i64::try_from(FINDINGS_MAX).unwrap_or(i64::MAX)
        )
        .fetch_one(&mut **transaction)
        .await?;
        let count = |count: i64| usize::try_from(count).unwrap_or(0);
        Ok(StoredRows {
            positions: count(row.positions),
            holdings: count(row.holdings),
            discrepancies: joined(&row.told),
            discrepancies_total: count(row.findings),
        })
    }
}

/// Lists of JSON, none of which is empty, as one; none of them is looked into.
fn joined(lists: &[String]) -> String {
    let inner = lists.iter().filter_map(|list| list.strip_prefix('[')?.strip_suffix(']'));
    format!("[{}]", inner.collect::<Vec<_>>().join(", "))
}

async fn store_state(
    transaction: &mut Transaction,
    lease: &Lease,
    rows: &GeneratedRows<'_>,
) -> Result<(), StorageError> {
    let account = &lease.account;
    let held = sqlx::query_file!(
        "src/store_ledger_state.sql",
        account.organization_id,
        account.pseudo_account,
        rows.version,
        rows.snapshot,
        rows.rebuild_at,
        rows.touched.is_none(),
        &rows.days.iter().map(|days| days.strategy_id.clone()).collect::<Vec<_>>(),
        &rows.days.iter().map(|days| days.view_day).collect::<Vec<_>>(),
        &rows.days.iter().map(|days| days.day_before).collect::<Vec<_>>(),
        rows.gone.is_none(),
        lease.fence,
        lease.job_id
    )
    .fetch_optional(&mut **transaction)
    .await?;
    held.map(|_| ()).ok_or(StorageError::LeaseLost)
}

/// Instruments whose rows stay as they are.
fn withheld_keys(book: &Book) -> Vec<String> {
    book.withheld.iter().flat_map(|queue| queue.instrument_keys.iter().cloned()).collect()
}

fn keys(names: &BTreeSet<Name>) -> Vec<String> {
    let key = |name: &Name| if let Name::Key(key) = name { Some(key.clone()) } else { None };
    names.iter().filter_map(key).collect()
}

fn isins(names: &BTreeSet<Name>) -> Vec<String> {
    let isin = |name: &Name| if let Name::Isin(isin) = name { Some(isin.clone()) } else { None };
    names.iter().filter_map(isin).collect()
}
