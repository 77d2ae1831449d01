use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use ledger::{
    Account, CorporateAction, CorporateActionKind, Discrepancy, Fill, Instrument, Name, OpeningLot,
};

use crate::{LedgerReader, Storage, StorageError};

/// Everything the ledger knows of one account, for a look at its whole past.
#[derive(Debug, Default)]
pub struct LedgerInputs {
    /// What was executed.
    pub fills: Vec<Fill>,
    /// Lots from before the first order.
    pub opening_lots: Vec<OpeningLot>,
    /// Corporate actions of the ISINs the account ever held, or came to by another action.
    pub corporate_actions: Vec<CorporateAction>,
    /// The instruments of those fills and lots, with the account's latest prices.
    pub instruments: Vec<Instrument>,
    /// Holidays of the NSE, whose calendar decides the trading days.
    pub holidays: BTreeSet<NaiveDate>,
    /// Ids of filled orders whose side is neither BUY nor SELL: they count nowhere and must be reported.
    pub unreadable_orders: Vec<i32>,
    /// Orders of which more is filled than their known executions sum to.
    pub short_orders: Vec<Discrepancy>,
}

impl Storage {
    /// Reads all inputs of an account, in one snapshot.
    ///
    /// An order with `fills` rows counts by them; any other order with a filled quantity is one fill at the time
    /// of its latest state, whatever its status.
    pub async fn ledger_inputs(&self, account: &Account) -> Result<LedgerInputs, StorageError> {
        let (mut reader, state) = self.ledger_reader(account).await?;
        // What is dated later must be there too: the caller's instant decides.
        reader.as_of = far_future();
        let mut inputs = LedgerInputs::default();
        reader
            .each_execution(None, |execution| {
                match execution.fill {
                    Some(fill) => inputs.fills.push(fill),
                    None if execution.is_first => inputs.unreadable_orders.push(execution.order_id),
                    None => {}
                }
                inputs.short_orders.extend(execution.short);
            })
            .await?;
        inputs.opening_lots = reader.opening_lots(None).await?;
        let mut names: BTreeSet<Name> = BTreeSet::new();
        for fill in &inputs.fills {
            names.insert(Name::Key(fill.terms.instrument_key.clone()));
            names.extend(fill.terms.own_isin().map(|isin| Name::Isin(isin.to_owned())));
        }
        for lot in &inputs.opening_lots {
            names.insert(Name::Key(lot.instrument_key.clone()));
            names.extend(lot.isin.clone().map(Name::Isin));
        }
        (inputs.instruments, inputs.corporate_actions) = reader.reference(&mut names).await?;
        inputs.holidays = Arc::unwrap_or_clone(state.holidays);
        reader.end().await?;
        Ok(inputs)
    }

    /// The holidays of the NSE, whose calendar decides the trading days.
    pub async fn holidays(&self) -> Result<BTreeSet<NaiveDate>, StorageError> {
        let dates = sqlx::query_scalar!(
            "SELECT date FROM tradingdb.market_holidays WHERE exchange = 'NSE' ORDER BY date"
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(dates.into_iter().collect())
    }
}

/// Later than any order, and still an instant of PostgreSQL's.
fn far_future() -> DateTime<Utc> {
    ledger::ist::start_of(NaiveDate::from_ymd_opt(9999, 1, 1).unwrap_or(NaiveDate::MAX))
}

impl LedgerReader {
    /// The account's opening lots of some instruments, or with `None` of all.
    pub async fn opening_lots(&mut self, keys: Option<&[String]>) -> Result<Vec<OpeningLot>, StorageError> {
        Ok(sqlx::query_as!(
            OpeningLot,
            "SELECT instrument_key, isin, exchange, symbol, product, quantity, price, opened_at
             FROM tradingdb.opening_lots
             WHERE pseudo_account = $1 AND organization_id = $2
               AND ($3::text[] IS NULL OR instrument_key = ANY($3))
             ORDER BY id",
            self.account.pseudo_account,
            self.account.organization_id,
            keys as Option<&[String]>
        )
        .fetch_all(&mut *self.transaction)
        .await?)
    }

    /// Whether the account has opening lots of days after `after`, until `until`.
    pub async fn has_lots_between(
        &mut self,
        after: NaiveDate,
        until: NaiveDate,
    ) -> Result<bool, StorageError> {
        if until <= after {
            return Ok(false);
        }
        Ok(sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM tradingdb.opening_lots
                              WHERE pseudo_account = $1 AND organization_id = $2
                                AND opened_at > $3 AND opened_at <= $4) AS "exist!""#,
            self.account.pseudo_account,
            self.account.organization_id,
            ledger::ist::end_of(after),
            ledger::ist::end_of(until)
        )
        .fetch_one(&mut *self.transaction)
        .await?)
    }

    /// Instruments and corporate actions of some names, the instruments with the prices that the account's brokerage
    /// told last. To the names are added the ISINs that instruments have, and
    /// those that actions join to any of them, however long the chain.
    pub async fn reference(
        &mut self,
        names: &mut BTreeSet<Name>,
    ) -> Result<(Vec<Instrument>, Vec<CorporateAction>), StorageError> {
        let asked = names.len();
        let instruments = self.instruments(names).await?;
        names.extend(instruments.iter().filter_map(|known| known.isin.clone()).map(Name::Isin));
        let actions = self.actions(names).await?;
        for action in &actions {
            names.insert(Name::Isin(action.isin.clone()));
            names.extend(action.new_isin.clone().filter(|isin| !isin.is_empty()).map(Name::Isin));
        }
        // The child of a demerger goes by the instrument of its ISIN.
        let instruments = if names.len() > asked { self.instruments(names).await? } else { instruments };
        Ok((instruments, actions))
    }

    async fn instruments(&mut self, names: &BTreeSet<Name>) -> Result<Vec<Instrument>, StorageError> {
        let (keys, isins) = apart(names);
        let rows = sqlx::query!(
            r#"SELECT i.instrument_key, i.exchange, i.symbol, i.isin, i.expiry, i.multiplier,
                      k.last_price AS "last_price?", k.close_price AS "close_price?"
               FROM tradingdb.instruments i
               LEFT JOIN tradingdb.account_instruments k
                 ON k.pseudo_account = $3 AND k.organization_id = $4 AND k.instrument_key = i.instrument_key
               WHERE i.instrument_key = ANY($1) OR i.isin = ANY($2) ORDER BY i.instrument_key"#,
            &keys,
            &isins,
            self.account.pseudo_account,
            self.account.organization_id
        )
        .fetch_all(&mut *self.transaction)
        .await?;
        let instruments = rows.into_iter().map(|row| Instrument {
            instrument_key: row.instrument_key,
            exchange: row.exchange,
            symbol: row.symbol,
            isin: row.isin,
            expiry: row.expiry,
            multiplier: row.multiplier,
            last_price: row.last_price,
            close_price: row.close_price,
        });
        Ok(instruments.collect())
    }

    async fn actions(&mut self, names: &BTreeSet<Name>) -> Result<Vec<CorporateAction>, StorageError> {
        let (_, isins) = apart(names);
        if isins.is_empty() {
            return Ok(Vec::new());
        }
        let rows =
            sqlx::query_file!("src/corporate_actions.sql", &isins).fetch_all(&mut *self.transaction).await?;
        let actions = rows.into_iter().filter_map(|row| {
            Some(CorporateAction {
                isin: row.isin,
                kind: CorporateActionKind::parse(&row.kind)?,
                ex_date: row.ex_date,
                factor: row.factor,
                new_isin: row.new_isin,
                cost_fraction: row.cost_fraction,
            })
        });
        Ok(actions.collect())
    }
}

fn apart(names: &BTreeSet<Name>) -> (Vec<String>, Vec<String>) {
    let (mut keys, mut isins) = (Vec::new(), Vec::new());
    for name in names {
        match name {
            Name::Key(key) => keys.push(key.clone()),
            Name::Isin(isin) => isins.push(isin.clone()),
        }
    }
    (keys, isins)
}
