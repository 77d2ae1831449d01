use brokerage::Kind;
use service::exit;
use storage::BrokerageAccount;

use super::row;
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
    /// The brokerage: kite (Zerodha Kite Connect), autotrader (AutoTrader Web), paper (a JSON file)
    #[arg(long, value_parser = Kind::ALL.map(Kind::as_str))]
    kind: String,
    /// Where its API answers [default: the brokerage's own]; of a paper brokerage its file, as file:///PATH
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// The API key, as env:NAME (of the worker's environment) or file:PATH (on the worker's machine), never itself
    /// [default: env:KITE_API_KEY or env:AUTOTRADER_API_KEY]
    #[arg(long, value_name = "REF")]
    api_key: Option<String>,
    /// The access token, likewise; a file is read anew at each use, so that it can be renewed each morning
    /// [default: env:KITE_ACCESS_TOKEN]
    #[arg(long, value_name = "REF")]
    access_token: Option<String>,
}

pub(super) async fn run(arguments: Arguments, servers: &Servers, json: bool) -> Result<i32, Failure> {
    let account = servers.account(arguments.org.as_deref(), &arguments.account)?;
    let Some(kind) = Kind::parse(&arguments.kind) else {
        return Err(Failure::usage(format!("--kind: no brokerage is called {:?}", arguments.kind)));
    };
    let base_url = arguments.base_url.or_else(|| kind.default_base_url().map(str::to_owned));
    let base_url = base_url.ok_or_else(|| {
        Failure::usage(format!("--base-url: {} needs one, such as file:///srv/raghu.json", kind.as_str()))
    })?;
    let base_url =
        kind.check_base_url(&base_url).map_err(|error| Failure::usage(format!("--base-url: {error}")))?;
    let needs = kind.needs();
    let mut notes = Vec::new();
    let entry = BrokerageAccount {
        account,
        kind: kind.as_str().to_owned(),
        base_url: base_url.as_str().trim_end_matches('/').to_owned(),
        api_key_ref: reference(kind, "api-key", needs.api_key, arguments.api_key, &mut notes)?,
        access_token_ref: reference(
            kind,
            "access-token",
            needs.access_token,
            arguments.access_token,
            &mut notes,
        )?,
        refused: None,
    };
    servers.migrated_storage().await?.put_brokerage_account(&entry).await?;
    if json {
        output::document(&row(&entry));
        return Ok(exit::DONE);
    }
    output::say(&format!("{} is at {} ({})", entry.account, entry.kind, entry.base_url));
    if entry.access_token_ref.starts_with("env:") {
        notes.push(format!(
            "a worker reads {} when it starts, so each new login needs a restart of every worker; file:PATH is read anew \
             at each use",
            entry.access_token_ref
        ));
    }
    for note in notes {
        output::say(&format!("note: {note}"));
    }
    output::say(&format!("try it: syncfleet brokerage test {:?}", entry.account.pseudo_account));
    Ok(exit::DONE)
}

/// The reference of a secret that the brokerage needs; empty of one it does not.
fn reference(
    kind: Kind,
    flag: &str,
    is_needed: bool,
    given: Option<String>,
    notes: &mut Vec<String>,
) -> Result<String, Failure> {
    if let Some(given) = &given {
        pipeline::check_reference(given).map_err(|error| Failure::usage(format!("--{flag}: {error}")))?;
    }
    match given {
        Some(_) if !is_needed => {
            notes.push(format!("--{flag} is not kept: {} asks for none", kind.as_str()));
            Ok(String::new())
        }
        Some(given) => Ok(given),
        None if is_needed => {
            let name = format!("{}_{flag}", kind.as_str()).to_uppercase().replace('-', "_");
            Ok(format!("env:{name}"))
        }
        None => Ok(String::new()),
    }
}
