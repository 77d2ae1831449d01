use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use ledger::{
    Account, CorporateAction, CorporateActionKind, Discrepancy, DiscrepancyKind, Fill, Instrument,
    OpeningLot, Side,
};
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};

use crate::{Storage, StorageError};

/// Everything the ledger needs to generate one account's positions and holdings.
#[derive(Debug, Default)]
pub struct LedgerInputs {
    /// What was executed.
    pub fills: Vec<Fill>,
    /// Lots from before the first order.
    pub opening_lots: Vec<OpeningLot>,
    /// Corporate actions of the ISINs the account ever held, or might come to by another action.
    pub corporate_actions: Vec<CorporateAction>,
    /// The instruments of those fills and lots.
    pub instruments: Vec<Instrument>,
    /// Holidays of the NSE, whose calendar decides the trading days.
    pub holidays: BTreeSet<NaiveDate>,
    /// Orders of the account, filled or not.
    pub orders: usize,
    /// Ids of filled orders whose side is neither BUY nor SELL: they count nowhere and must be reported.
    pub unreadable_orders: Vec<i32>,
    /// Orders of which more is filled than their known executions sum to.
    pub short_orders: Vec<Discrepancy>,
    /// Equal digests mean equal inputs, but for orders of which nothing is filled.
    pub digest: String,
}

impl Storage {
    /// Reads the inputs of a generation.
    ///
    /// An order with `fills` rows counts by them; any other order with a filled quantity is one fill at the time
    /// of its latest state, whatever its status.
    pub async fn ledger_inputs(&self, account: &Account) -> Result<LedgerInputs, StorageError> {
        let organizations = self.organization_keys(account);
        let mut inputs = LedgerInputs::default();
        let mut digest = Sha256::new();
        let rows = sqlx::query_file!("src/account_fills.sql", account.pseudo_account, &organizations)
            .fetch_all(&self.pool)
            .await?;
        for row in rows {
            inputs.orders += usize::from(row.first_of_order);
            let Some(quantity) = row.quantity.filter(|quantity| !quantity.is_zero()) else { continue };
            // Not before: an order of which nothing is filled makes no generation due.
            digest.update(format!("{row:?}"));
            let Some(side) = row.trade_type.as_deref().and_then(Side::parse) else {
                inputs.unreadable_orders.push(row.id);
                continue;
            };
            let exchange = row.exchange.unwrap_or_default();
            let symbol = row.symbol.unwrap_or_default();
            let instrument_key = row.instrument_key.unwrap_or_else(|| ledger::key_for(&exchange, &symbol));
            if let Some(missing) =
                row.short_by.filter(|missing| row.first_of_order && *missing > Decimal::ZERO)
            {
                inputs.short_orders.push(Discrepancy {
                    kind: DiscrepancyKind::FillsShort,
                    instrument_key: instrument_key.clone(),
                    symbol: symbol.clone(),
                    isin: row.isin.clone(),
                    quantity: Some(missing.normalize()),
                    since: row.state_at,
                    detail: format!("the executions of order row {} sum to less than it has filled", row.id),
                });
            }
            inputs.fills.push(Fill {
                at: row.at.unwrap_or(DateTime::<Utc>::UNIX_EPOCH),
                trade_id: row.trade_id,
                order_id: row.exchange_order_id.or(row.broker_order_id),
                instrument_key,
                exchange,
                symbol,
                isin: row.isin,
                side,
                product: row.product_type.unwrap_or_default(),
                quantity,
                price: row.price.filter(|price| !price.is_zero()),
                strategy_id: row.strategy_id,
            });
        }
        inputs.opening_lots = self.opening_lots(account, &mut digest).await?;
        inputs.instruments = self.instruments(&inputs, &mut digest).await?;
        inputs.corporate_actions = self.corporate_actions(&mut digest).await?;
        inputs.holidays = self.holidays().await?;
        digest.update(format!("{:?}", inputs.holidays));
        inputs.digest = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(inputs)
    }

    async fn opening_lots(
        &self,
        account: &Account,
        digest: &mut Sha256,
    ) -> Result<Vec<OpeningLot>, StorageError> {
        let rows = sqlx::query!(
            "SELECT instrument_key, isin, exchange, symbol, product, quantity, price, opened_at
             FROM tradingdb.opening_lots WHERE pseudo_account = $1 AND organization_id = $2 ORDER BY id",
            account.pseudo_account,
            account.organization_id
        )
        .fetch_all(&self.pool)
        .await?;
        digest.update(format!("{rows:?}"));
        Ok(rows
            .into_iter()
            .map(|row| OpeningLot {
                instrument_key: row.instrument_key,
                exchange: row.exchange,
                symbol: row.symbol,
                isin: row.isin,
                product: row.product,
                quantity: row.quantity,
                price: row.price,
                opened_at: row.opened_at,
            })
            .collect())
    }

    async fn instruments(
        &self,
        inputs: &LedgerInputs,
        digest: &mut Sha256,
    ) -> Result<Vec<Instrument>, StorageError> {
        let keys: BTreeSet<String> = (inputs.fills.iter().map(|fill| fill.instrument_key.clone()))
            .chain(inputs.opening_lots.iter().map(|lot| lot.instrument_key.clone()))
            .collect();
        let keys: Vec<String> = keys.into_iter().collect();
        let rows = sqlx::query!(
            "SELECT instrument_key, exchange, symbol, isin, expiry, multiplier
             FROM tradingdb.instruments WHERE instrument_key = ANY($1) ORDER BY instrument_key",
            &keys
        )
        .fetch_all(&self.pool)
        .await?;
        digest.update(format!("{rows:?}"));
        Ok(rows
            .into_iter()
            .map(|row| Instrument {
                instrument_key: row.instrument_key,
                exchange: row.exchange,
                symbol: row.symbol,
                isin: row.isin,
                expiry: row.expiry,
                multiplier: row.multiplier,
                last_price: None,
                close_price: None,
            })
            .collect())
    }

    /// All of them: actions chain from ISIN to ISIN, and there are few.
    async fn corporate_actions(&self, digest: &mut Sha256) -> Result<Vec<CorporateAction>, StorageError> {
        let rows = sqlx::query!(
            "SELECT isin, kind, ex_date, factor, new_isin, cost_fraction
             FROM tradingdb.corporate_actions ORDER BY ex_date, isin, kind"
        )
        .fetch_all(&self.pool)
        .await?;
        digest.update(format!("{rows:?}"));
        Ok(rows
            .into_iter()
            .filter_map(|row| {
                Some(CorporateAction {
                    isin: row.isin,
                    kind: CorporateActionKind::parse(&row.kind)?,
                    ex_date: row.ex_date,
                    factor: row.factor,
                    new_isin: row.new_isin,
                    cost_fraction: row.cost_fraction,
                })
            })
            .collect())
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
