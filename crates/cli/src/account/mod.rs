//! Accounts: what is stored of them, and what follows from it.

mod list;
mod orders;
mod pause;
mod pnl;
mod show;
mod why;

use serde_json::{Value, json};
use storage::AccountOverview;

use crate::failure::Failure;
use crate::instant::rfc3339;
use crate::output;
use crate::servers::Servers;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Every account: its last outcome and how long ago that was
    List(list::Arguments),
    /// One account: its positions and holdings
    Show(show::Arguments),
    /// Where an account's job is now, and why it is there
    ///
    /// In one of these states: running; stuck (its worker is gone or hangs); retry (an attempt failed); parked (not run
    /// yet, for a reason); queued; scheduled (due later in the tick's spread); publishing (its tick is); missing (its message was lost);
    /// expired; dead; paused; no_tick (no beat publishes); new (the next tick finds it); idle (its last job is done). Exit code 1: nobody has
    /// heard of the account.
    Why(why::Arguments),
    /// An account's orders, newest first
    Orders(orders::Arguments),
    /// Hold an account's jobs back: ticks publish none for it
    Pause(pause::Arguments),
    /// Give a paused account jobs again
    Resume(pause::Arguments),
    /// What an account earned by closing lots: first in, first out, per instrument
    ///
    /// Shares are one queue per ISIN over NSE and BSE: within a day buys and sells pair first, whatever their products, and
    /// only the rest meets older lots. Contracts are one queue each over days and products. Only what was matched counts;
    /// what is sold without a known lot is a discrepancy. Charges, taxes and dividends are no part of it.
    Pnl(pnl::Arguments),
}

pub(crate) async fn run(command: Command, servers: &Servers, json: bool) -> Result<i32, Failure> {
    match command {
        Command::List(arguments) => list::run(&arguments, servers, json).await,
        Command::Show(arguments) => show::run(&arguments, servers, json).await,
        Command::Why(arguments) => why::run(&arguments, servers, json).await,
        Command::Orders(arguments) => orders::run(&arguments, servers, json).await,
        Command::Pause(arguments) => pause::run(&arguments, true, servers, json).await,
        Command::Resume(arguments) => pause::run(&arguments, false, servers, json).await,
        Command::Pnl(arguments) => pnl::run(&arguments, servers, json).await,
    }
}

fn overview_row(overview: &AccountOverview) -> Value {
    json!({
        "organization_id": overview.account.organization_id,
        "account": overview.account.pseudo_account,
        "status": overview.status,
        "last_sync_at": overview.last_sync_at.map(rfc3339),
        "last_success_at": overview.last_success_at.map(rfc3339),
        "staleness_seconds": overview.staleness_seconds,
        "open_external_orders": overview.open_external_orders,
        "paused": overview.paused,
        "brokerage": overview.brokerage,
        "login_needed": overview.login_needed.is_some(),
        "login_refused_at": overview.login_needed.as_ref().map(|(at, _)| rfc3339(*at)),
        "login_message": overview.login_needed.as_ref().map(|(_, message)| message),
    })
}

fn print_finding(finding: &Value) {
    output::say(&format!(
        "! {} {}: {}",
        output::cell(&finding["kind"]),
        output::cell(&finding["symbol"]),
        output::cell(&finding["detail"])
    ));
}
