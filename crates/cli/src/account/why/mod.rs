//! Where an account's job is now, and why: what PostgreSQL, RabbitMQ and the worker that has it say.

mod evidence;
mod noted;
mod open_jobs;
mod print;
#[cfg(test)]
mod tests;
mod verdict;

use service::exit;

use crate::failure::Failure;
use crate::output;
use crate::servers::Servers;
use evidence::Evidence;
use verdict::Verdict;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The account
    account: String,
    /// Its organization [default: DEFAULT_ORGANIZATION_ID]
    #[arg(long)]
    org: Option<String>,
}

/// Says where an account's job is and why; exit code 1 for an account nobody has heard of.
pub(super) async fn run(arguments: &Arguments, servers: &Servers, json: bool) -> Result<i32, Failure> {
    let account = servers.account(arguments.org.as_deref(), &arguments.account)?;
    let evidence = Evidence::gather(&account, servers).await?;
    let verdict = Verdict::of(&evidence);
    if json {
        output::document(&print::document(&evidence, &verdict));
    } else {
        print::print(&evidence, &verdict);
    }
    Ok(if verdict.state == verdict::State::Unknown { exit::FAILED } else { exit::DONE })
}
