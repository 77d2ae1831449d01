use serde_json::Value;
use service::exit;

use super::overview_row;
use crate::failure::Failure;
use crate::output;
use crate::servers::Servers;

/// Lists every account with its last outcome.
pub(super) async fn run(servers: &Servers, json: bool) -> Result<i32, Failure> {
    let overviews = servers.migrated_storage().await?.account_overviews().await?;
    let rows: Vec<Value> = overviews.iter().map(overview_row).collect();
    if json {
        output::document(&Value::Array(rows));
        return Ok(exit::DONE);
    }
    let columns = ["organization_id", "account", "status", "last_sync_at", "staleness_seconds"];
    let cells =
        rows.iter().map(|row| columns.iter().map(|name| output::cell(&row[*name])).collect()).collect();
    output::table(&["organization", "account", "status", "last sync", "age (s)"], &[4], cells);
    Ok(exit::DONE)
}
