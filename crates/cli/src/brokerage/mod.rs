use serde_json::{Value, json};
use service::exit;
use storage::BrokerageAccount;
use url::Url;

use crate::failure::Failure;
use crate::output;
use crate::servers::Servers;

/// Where Kite Connect answers.
const KITE_URL: &str = "https://api.kite.trade";

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Say which brokerage an account is at, or change it
    Add(Add),
    /// The accounts that have a brokerage
    List,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    /// The account
    account: String,
    /// Its organization [default: DEFAULT_ORGANIZATION_ID]
    #[arg(long)]
    org: Option<String>,
    /// The brokerage
    #[arg(long, value_parser = ["kite"])]
    kind: String,
    /// Where its API answers [default: https://api.kite.trade]
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// The API key, as env:NAME (of the worker's environment) or file:PATH (on the worker's machine), never itself
    #[arg(long, value_name = "REF", default_value = "env:KITE_API_KEY")]
    api_key: String,
    /// The access token, likewise; a file is read anew at each use, so that it can be renewed each morning
    #[arg(long, value_name = "REF", default_value = "env:KITE_ACCESS_TOKEN")]
    access_token: String,
}

pub(crate) async fn run(command: Command, servers: &Servers, json: bool) -> Result<i32, Failure> {
    match command {
        Command::Add(arguments) => add(arguments, servers, json).await,
        Command::List => list(servers, json).await,
    }
}

async fn add(arguments: Add, servers: &Servers, json: bool) -> Result<i32, Failure> {
    let account = servers.account(arguments.org.as_deref(), &arguments.account)?;
    let base_url = arguments.base_url.unwrap_or_else(|| KITE_URL.to_owned());
    let url = Url::parse(&base_url).map_err(|error| Failure::usage(format!("--base-url: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        return Err(Failure::usage("--base-url: expected an http:// or https:// URL without a password"));
    }
    for (flag, reference) in [("--api-key", &arguments.api_key), ("--access-token", &arguments.access_token)]
    {
        pipeline::check_reference(reference).map_err(|error| Failure::usage(format!("{flag}: {error}")))?;
    }
    let entry = BrokerageAccount {
        account,
        kind: arguments.kind,
        base_url,
        api_key_ref: arguments.api_key,
        access_token_ref: arguments.access_token,
    };
    servers.migrated_storage().await?.put_brokerage_account(&entry).await?;
    if json {
        output::document(&row(&entry));
    } else {
        output::say(&format!("{} is at {} ({})", entry.account, entry.kind, entry.base_url));
    }
    Ok(exit::DONE)
}

async fn list(servers: &Servers, json: bool) -> Result<i32, Failure> {
    let entries = servers.migrated_storage().await?.brokerage_accounts().await?;
    if json {
        output::document(&entries.iter().map(row).collect());
        return Ok(exit::DONE);
    }
    let rows = entries
        .into_iter()
        .map(|entry| {
            let account = entry.account;
            vec![
                account.organization_id,
                account.pseudo_account,
                entry.kind,
                entry.base_url,
                entry.api_key_ref,
                entry.access_token_ref,
            ]
        })
        .collect();
    output::table(
        &["organization", "account", "brokerage", "base URL", "API key", "access token"],
        &[],
        rows,
    );
    Ok(exit::DONE)
}

fn row(entry: &BrokerageAccount) -> Value {
    json!({"organization_id": entry.account.organization_id, "account": entry.account.pseudo_account,
           "kind": entry.kind, "base_url": entry.base_url, "api_key": entry.api_key_ref,
           "access_token": entry.access_token_ref})
}
