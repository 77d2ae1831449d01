use chrono::Utc;
use serde_json::Value;
use service::exit;

use super::row;
use crate::ago::ago;
use crate::failure::Failure;
use crate::output;
use crate::servers::Servers;

pub(super) async fn run(servers: &Servers, json: bool) -> Result<i32, Failure> {
    let entries = servers.migrated_storage().await?.brokerage_accounts().await?;
    let rows: Vec<Value> = entries.iter().map(row).collect();
    if json {
        output::document(&Value::Array(rows));
        return Ok(exit::DONE);
    }
    let columns = ["organization_id", "account", "kind", "base_url", "api_key", "access_token"];
    let now = Utc::now();
    let cells = rows.iter().zip(&entries).map(|(row, entry)| {
        let login = match &entry.refused {
            None => "-".to_owned(),
            Some(refused) => format!("needed, refused {}", ago(refused.at, now)),
        };
        columns.iter().map(|name| output::cell(&row[*name])).chain([login]).collect()
    });
    let heads = ["organization", "account", "brokerage", "base URL", "API key", "access token", "login"];
    output::table(&heads, &[], cells.collect());
    Ok(exit::DONE)
}
