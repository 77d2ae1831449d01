use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, TimeDelta};
use ledger::{Account, Name, SavedLedger};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use sqlx::types::Json;

use crate::transaction::Transaction;
use crate::{LedgerDays, LedgerReader, StorageError};

/// Days on which the market is closed and somebody traded matter for so long: the view's day is at most forty days ago, and the
/// trading day before it at most forty more.
const ODD_DAYS_MATTER: TimeDelta = TimeDelta::days(80);

/// A family of instruments, as it was stored.
#[derive(Debug, Clone)]
pub struct StoredFamily {
    /// Its row.
    pub id: i64,
    /// Empty for the account itself.
    pub strategy_id: String,
    /// All names that find it.
    pub names: BTreeSet<Name>,
    /// The ledger; `None` where it cannot be read, so that it must be made anew.
    pub ledger: Option<SavedLedger>,
    /// Findings about single orders, which the ledger does not know.
    pub notes: Vec<Value>,
}

/// A family to be stored.
#[derive(Debug, Clone)]
pub struct NewFamily {
    /// The row it goes on in; `None`: a new one.
    pub id: Option<i64>,
    /// Empty for the account itself.
    pub strategy_id: String,
    /// All names that find it.
    pub names: BTreeSet<Name>,
    /// Whether another day can change its rows.
    pub is_live: bool,
    /// The latest day with a fill.
    pub last_day: Option<NaiveDate>,
    /// Days with a fill on which the market is closed.
    pub odd_days: BTreeSet<NaiveDate>,
    /// The ledger as JSON.
    pub ledger: String,
    /// What does not add up, as JSON: the ledger's findings, then those about single orders.
    pub findings: String,
    /// Rows of a strategy as JSON: the positions, then the holdings.
    pub rows: Option<(String, String)>,
}

/// The rows of one strategy.
#[derive(Debug, Clone, Default)]
pub struct StrategyBook {
    /// Positions by their columns, as JSON objects.
    pub positions: Vec<Box<RawValue>>,
    /// Holdings by their columns, as JSON objects.
    pub holdings: Vec<Box<RawValue>>,
}

/// Calendar days of the account or of a strategy, as stored rows and families that a generation does not touch have them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherDays {
    /// The days that its rows are of.
    pub stored: LedgerDays,
    /// The latest day with a fill.
    pub last_day: Option<NaiveDate>,
    /// Days with a fill on which the market is closed, of those that matter for the view.
    pub odd_days: BTreeSet<NaiveDate>,
}

impl LedgerReader {
    /// The families with these names, by strategy and name.
    pub async fn families_named(
        &mut self,
        names: &BTreeSet<(String, Name)>,
    ) -> Result<BTreeMap<(String, Name), i64>, StorageError> {
        let (mut strategies, mut kinds, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        for (strategy, name) in names {
            let (kind, text) = parts(name);
            strategies.push(strategy.clone());
            kinds.push(kind.to_owned());
            texts.push(text.to_owned());
        }
        let rows = sqlx::query!(
            "SELECT n.strategy_id, n.kind, n.name, n.family_id
             FROM unnest($3::text[], $4::text[], $5::text[]) AS w (strategy_id, kind, name)
             JOIN tradingdb.ledger_names n
               ON n.pseudo_account = $1 AND n.organization_id = $2 AND n.strategy_id = w.strategy_id
              AND n.kind = w.kind AND n.name = w.name",
            self.account.pseudo_account,
            self.account.organization_id,
            &strategies,
            &kinds,
            &texts
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| ((row.strategy_id, named(&row.kind, row.name)), row.family_id))
            .collect())
    }

    /// The families, of the account and of strategies, that know any of these names.
    pub async fn families_knowing(&mut self, names: &BTreeSet<Name>) -> Result<Vec<i64>, StorageError> {
        let (kinds, texts): (Vec<String>, Vec<String>) =
            names.iter().map(parts).map(|(kind, text)| (kind.to_owned(), text.to_owned())).unzip();
        Ok(sqlx::query_scalar!(
            "SELECT DISTINCT n.family_id
             FROM unnest($3::text[], $4::text[]) AS w (kind, name)
             JOIN tradingdb.ledger_names n
               ON n.pseudo_account = $1 AND n.organization_id = $2 AND n.kind = w.kind AND n.name = w.name",
            self.account.pseudo_account,
            self.account.organization_id,
            &kinds,
            &texts
        )
        .fetch_all(&mut *self.transaction)
        .await?)
    }

    /// The names of some families: family, strategy, name.
    pub async fn names_of(&mut self, families: &[i64]) -> Result<Vec<(i64, String, Name)>, StorageError> {
        let rows = sqlx::query!(
            "SELECT family_id, strategy_id, kind, name FROM tradingdb.ledger_names WHERE family_id = ANY($1)",
            families
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(rows.into_iter().map(|row| (row.family_id, row.strategy_id, named(&row.kind, row.name))).collect())
    }

    /// Some families, with those of their findings that are of the kinds `noted`.
    pub async fn families(&mut self, ids: &[i64], noted: &[&str]) -> Result<Vec<StoredFamily>, StorageError> {
        let rows = sqlx::query!(
            r#"SELECT f.id, f.strategy_id, f.ledger::text AS "ledger!",
                      jsonb_path_query_array(f.findings, '$[*] ? (@.kind == $noted[*])',
                                             jsonb_build_object('noted', $2::text[])) AS "notes!: Json<Vec<Value>>",
                      ARRAY(SELECT n.kind || ' ' || n.name FROM tradingdb.ledger_names n WHERE n.family_id = f.id) AS "names!"
               FROM tradingdb.ledger_families f WHERE f.id = ANY($1) ORDER BY f.id"#,
            ids,
            noted as &[&str]
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        let families = rows.into_iter().map(|row| StoredFamily {
            id: row.id,
            strategy_id: row.strategy_id,
            names: row
                .names
                .iter()
                .filter_map(|name| name.split_once(' '))
                .map(|(kind, name)| named(kind, name))
                .collect(),
            ledger: serde_json::from_str(&row.ledger).ok(),
            notes: row.notes.0,
        });
        Ok(families.collect())
    }

    /// The families of the account and of strategies whose rows another day can change.
    pub async fn live_families(&mut self) -> Result<Vec<(String, i64)>, StorageError> {
        let rows = sqlx::query!(
            "SELECT strategy_id, id FROM tradingdb.ledger_families
             WHERE pseudo_account = $1 AND organization_id = $2 AND is_live ORDER BY id",
            self.account.pseudo_account,
            self.account.organization_id
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok(rows.into_iter().map(|row| (row.strategy_id, row.id)).collect())
    }

    /// The days that rows are of, and those of all families but these: the account's and, where they have any, the
    /// strategies'.
    pub async fn other_days(&mut self, but: &[i64]) -> Result<BTreeMap<String, OtherDays>, StorageError> {
        let rows = sqlx::query_file!(
            "src/other_days.sql",
            self.account.pseudo_account,
            self.account.organization_id,
            but,
            ledger::ist::day_of(self.as_of) - ODD_DAYS_MATTER
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        let days = rows.into_iter().map(|row| {
            let odd_days = row.odd_days.into_iter().collect();
            let strategy_id = row.strategy_id.clone();
            let stored = LedgerDays { strategy_id, view_day: row.view_day, day_before: row.day_before };
            (row.strategy_id, OtherDays { stored, last_day: row.last_day, odd_days })
        });
        Ok(days.collect())
    }
}

/// The rows that say already what each of `families` does: they need not be written again. Of rows that an older program
/// wrote, or somebody else has changed since, nothing is known.
pub(crate) async fn stored_alike(
    transaction: &mut Transaction,
    account: &Account,
    families: &[NewFamily],
) -> Result<Vec<Option<i64>>, StorageError> {
    let rows = sqlx::query_file!("src/stored_families.sql", account.pseudo_account, account.organization_id)
        .fetch_all(&mut **transaction)
        .await?;
    let stored: BTreeMap<_, _> = rows
        .iter()
        .map(|row| {
            let mut names: Vec<_> = row.names.iter().filter_map(|name| name.split_once(' ')).collect();
            names.sort_unstable();
            ((row.strategy_id.as_str(), names), row)
        })
        .collect();
    let alike = families.iter().map(|family| {
        let mut names: Vec<_> = family.names.iter().map(parts).collect();
        names.sort_unstable();
        let row = stored.get(&(family.strategy_id.as_str(), names))?;
        (row.written == family.digest()).then_some(row.id)
    });
    Ok(alike.collect())
}

impl NewFamily {
    /// A digest of all that its row says; not of the names, which have rows of their own.
    fn digest(&self) -> Vec<u8> {
        let Self { id: _, names: _, strategy_id, is_live, last_day, odd_days, ledger, findings, rows } = self;
        let mut hash = Sha256::new();
        hash.update(format!("{is_live} {last_day:?} {odd_days:?}"));
        let (positions, holdings) =
            rows.as_ref().map_or((None, None), |(positions, holdings)| (Some(positions), Some(holdings)));
        for text in [Some(strategy_id), Some(ledger), Some(findings), positions, holdings] {
            // With its length, so that nothing can move from one text to the next.
            hash.update(text.map_or(u64::MAX, |text| text.len() as u64).to_le_bytes());
            hash.update(text.map_or("", String::as_str));
        }
        hash.finalize().to_vec()
    }
}

/// Stores families, new ones and those that go on, with their names.
pub(crate) async fn store(
    transaction: &mut Transaction,
    account: &Account,
    families: &[&NewFamily],
) -> Result<(), StorageError> {
    if families.is_empty() {
        return Ok(());
    }
    let new = families.iter().filter(|family| family.id.is_none()).count();
    let new_ids =
        match new {
            0 => Vec::new(),
            _ => sqlx::query_scalar!(
                r#"SELECT nextval('tradingdb.ledger_families_id_seq') AS "id!" FROM generate_series(1, $1)"#,
                i32::try_from(new).unwrap_or(i32::MAX)
            )
            .fetch_all(&mut **transaction)
            .await?,
        };
    let mut new_ids = new_ids.into_iter();
    let mut named: Vec<(i64, &str, &Name)> = Vec::new();
    let mut ids: Vec<i64> = Vec::new();
    for family in families {
        let id = family.id.or_else(|| new_ids.next()).unwrap_or_default();
        ids.push(id);
        if family.id.is_none() {
            named.extend(family.names.iter().map(|name| (id, family.strategy_id.as_str(), name)));
        }
    }
    let odd_days: Vec<String> = families
        .iter()
        .map(|family| {
            let days: Vec<String> = family.odd_days.iter().map(NaiveDate::to_string).collect();
            format!("{{{}}}", days.join(","))
        })
        .collect();
    sqlx::query_file!(
        "src/store_families.sql",
        account.pseudo_account,
        account.organization_id,
        &ids,
        &families.iter().map(|family| family.strategy_id.as_str()).collect::<Vec<_>>() as &[&str],
        &families.iter().map(|family| family.is_live).collect::<Vec<_>>(),
        &families.iter().map(|family| family.last_day).collect::<Vec<_>>() as &[Option<NaiveDate>],
        &odd_days,
        &families.iter().map(|family| family.ledger.as_str()).collect::<Vec<_>>() as &[&str],
        &families.iter().map(|family| family.findings.as_str()).collect::<Vec<_>>() as &[&str],
        &families.iter().map(|family| family.rows.as_ref().map(|rows| rows.0.as_str())).collect::<Vec<_>>()
            as &[Option<&str>],
        &families.iter().map(|family| family.rows.as_ref().map(|rows| rows.1.as_str())).collect::<Vec<_>>()
            as &[Option<&str>],
        &families.iter().map(|family| family.digest()).collect::<Vec<_>>()
    )
    .execute(&mut **transaction)
    .await?;
    if named.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO tradingdb.ledger_names (pseudo_account, organization_id, strategy_id, kind, name, family_id)
         SELECT $1, $2, x.strategy_id, x.kind, x.name, x.family_id
         FROM unnest($3::bigint[], $4::text[], $5::text[], $6::text[]) AS x (family_id, strategy_id, kind, name)",
        account.pseudo_account,
        account.organization_id,
        &named.iter().map(|(id, _, _)| *id).collect::<Vec<_>>(),
        &named.iter().map(|(_, strategy, _)| *strategy).collect::<Vec<_>>() as &[&str],
        &named.iter().map(|(_, _, name)| parts(name).0).collect::<Vec<_>>() as &[&str],
        &named.iter().map(|(_, _, name)| parts(name).1).collect::<Vec<_>>() as &[&str]
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

fn parts(name: &Name) -> (&'static str, &str) {
    match name {
        Name::Key(key) => ("key", key),
        Name::Isin(isin) => ("isin", isin),
    }
}

fn named(kind: &str, text: impl Into<String>) -> Name {
    if kind == "key" { Name::Key(text.into()) } else { Name::Isin(text.into()) }
}
