use serde_json::json;
use service::exit;

use crate::failure::Failure;
use crate::output;
use crate::servers::Servers;

/// Runs the migrations that have not run yet.
pub(crate) async fn run(servers: &Servers, json: bool) -> Result<i32, Failure> {
    let storage = servers.storage()?;
    // A server that is away must not look like a migration that failed.
    storage.now().await?;
    let applied = storage.migrate().await?;
    if json {
        output::document(&json!({"applied": applied}));
    } else if applied == 0 {
        output::say("nothing to do: every migration has run");
    } else {
        output::say(&format!("{applied} migrations run"));
    }
    Ok(exit::DONE)
}
