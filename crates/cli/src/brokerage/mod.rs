//! Which brokerage an account is at, and whether it answers.

mod add;
mod list;
mod test;

use serde_json::{Value, json};
use storage::BrokerageAccount;

use crate::failure::Failure;
use crate::instant::rfc3339;
use crate::servers::Servers;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Say which brokerage an account is at, or change it
    Add(add::Arguments),
    /// The accounts that have a brokerage
    List,
    /// Read everything an account's brokerage offers, once, and say what works
    ///
    /// The secrets are read here: env:NAME from the environment of this command, file:PATH on this machine. The requests
    /// are not counted by the fleet's rate limits. When all is well, workers try a login again that was refused before.
    Test(test::Arguments),
}

pub(crate) async fn run(command: Command, servers: &Servers, json: bool) -> Result<i32, Failure> {
    match command {
        Command::Add(arguments) => add::run(arguments, servers, json).await,
        Command::List => list::run(servers, json).await,
        Command::Test(arguments) => test::run(&arguments, servers, json).await,
    }
}

fn row(entry: &BrokerageAccount) -> Value {
    let reference = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let refused = entry.refused.as_ref();
    json!({"organization_id": entry.account.organization_id, "account": entry.account.pseudo_account,
           "kind": entry.kind, "base_url": entry.base_url, "api_key": reference(&entry.api_key_ref),
           "access_token": reference(&entry.access_token_ref),
           "login_needed": refused.is_some(),
           "login_refused_at": refused.map(|refused| rfc3339(refused.at)),
           "login_message": refused.map(|refused| refused.message.clone())})
}
