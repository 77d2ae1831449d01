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
    let columns = ["organization_id", "account", "status", "last_sync_at", "staleness_seconds", "brokerage"];
    let cells = rows.iter().map(|row| {
        let mut cells: Vec<String> = columns.iter().map(|name| output::cell(&row[*name])).collect();
        cells.push(note(row));
        cells
    });
    let heads = ["organization", "account", "status", "last sync", "age (s)", "brokerage", "note"];
    output::table(&heads, &[4], cells.collect());
    Ok(exit::DONE)
}

/// What keeps an account from being synced whole.
fn note(row: &Value) -> String {
    let mut notes = Vec::new();
    if row["paused"] == true {
        notes.push("paused".to_owned());
    }
    if row["login_needed"] == true {
        notes.push(format!("login needed since {}", output::cell(&row["login_refused_at"])));
    }
    notes.join(", ")
}
