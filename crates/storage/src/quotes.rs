use ledger::Quote;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Value, json};

use crate::{Lease, Storage, StorageError};

impl Storage {
    /// Stores what the brokerage said of instruments that the account has, in one transaction; of others nothing. Gaps of
    /// the shared `instruments` (ISIN, multiplier) are filled. What the brokerage did not say stays as it was. If
    /// anything is new the next generation writes all rows anew.
    ///
    /// Returns of how many instruments something else was said than before.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`] when the account is another run's by now; nothing is written then.
    pub async fn store_quotes(&self, lease: &Lease, quotes: &[Quote]) -> Result<usize, StorageError> {
        let account = &lease.account;
        let mut transaction = self.begin_fenced(lease).await?;
        let changed = sqlx::query_file_scalar!(
            "src/store_quotes.sql",
            Value::Array(quotes.iter().map(columns).collect()),
            account.pseudo_account,
            &self.organization_keys(account),
            account.organization_id
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(usize::try_from(changed).unwrap_or(0))
    }
}

fn columns(quote: &Quote) -> Value {
    let integer = |number: &Decimal| number.fract().is_zero().then(|| number.to_i32()).flatten();
    json!({
        "exchange": quote.exchange,
        "symbol": quote.symbol,
        "isin": quote.isin,
        "multiplier": quote.multiplier,
        "last_price": quote.last_price,
        "close_price": quote.close_price,
        "instrument_token": quote.instrument_token,
        "collateral_qty": quote.collateral_quantity.as_ref().and_then(integer),
        "collateral_type": quote.collateral_type,
    })
}
