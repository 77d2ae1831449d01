use ledger::{Labels, ReportedMargin};
use serde_json::{Value, json};

use crate::transaction::Transaction;
use crate::{Lease, Storage, StorageError};

impl Storage {
    /// Takes in the money of the account, a row of each segment and IST day. What was not told stays as it was.
    pub(crate) async fn store_margins(
        &self,
        transaction: &mut Transaction,
        lease: &Lease,
        margins: &[ReportedMargin],
        labels: &Labels,
    ) -> Result<(), StorageError> {
        if margins.is_empty() {
            return Ok(());
        }
        let account = &lease.account;
        let rows: Vec<Value> = margins.iter().map(|margin| columns(margin, labels)).collect();
        sqlx::query_file!(
            "src/store_margins.sql",
            Value::Array(rows),
            account.pseudo_account,
            &self.organization_keys(account),
            account.organization_id
        )
        .execute(&mut **transaction)
        .await?;
        Ok(())
    }
}

fn columns(margin: &ReportedMargin, labels: &Labels) -> Value {
    json!({
        "category": margin.category,
        "adhoc": margin.adhoc,
        "available": margin.available,
        "collateral": margin.collateral,
        "exposure": margin.exposure,
        "funds": margin.funds,
        "net": margin.net,
        "payin": margin.payin,
        "payout": margin.payout,
        "realised_mtm": margin.realised_mtm,
        "span": margin.span,
        "total": margin.total,
        "unrealised_mtm": margin.unrealised_mtm,
        "utilized": margin.utilized,
        "stock_broker": labels.stock_broker,
        "trading_account": labels.trading_account,
    })
}
