use serde_json::json;
use service::exit;

use crate::failure::Failure;
use crate::output;
use crate::servers::Servers;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The account
    account: String,
    /// Its organization [default: DEFAULT_ORGANIZATION_ID]
    #[arg(long)]
    org: Option<String>,
}

/// Holds an account's jobs back, or gives it jobs again.
pub(super) async fn run(
    arguments: &Arguments,
    paused: bool,
    servers: &Servers,
    json: bool,
) -> Result<i32, Failure> {
    let account = servers.account(arguments.org.as_deref(), &arguments.account)?;
    if !servers.migrated_storage().await?.set_paused(&account, paused).await? {
        return Err(Failure::operation(format!(
            "{account} has no orders, no brokerage and was never synced: see syncfleet account list for the names"
        )));
    }
    if json {
        output::document(
            &json!({"organization_id": account.organization_id, "account": account.pseudo_account,
                                 "paused": paused}),
        );
    } else if paused {
        output::say(&format!(
            "{account} is paused: ticks publish no jobs for it; a job that is queued already, or syncfleet sync, still runs"
        ));
    } else {
        output::say(&format!("{account} is resumed: the next tick publishes a job for it"));
    }
    Ok(exit::DONE)
}
