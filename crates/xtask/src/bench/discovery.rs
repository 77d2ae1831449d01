use anyhow::{Context, Result, ensure};

use super::built::Tool;
use super::figures::in_turn;
use super::fleet::Fleet;
use super::noop::figures;
use super::part::Part;
use super::row::{Better, Row};
use super::size::Size;
use super::stage::Stage;

/// Orders of an account in the short history and in the long one.
const SHORT: usize = 10;
const LONG: usize = 100;

pub(crate) const DISCOVERY: Tool = Tool::Bench("storage", "discovery");

/// How long a tick takes to find the same accounts behind ten times the orders.
pub(crate) fn measure(stage: &Stage, size: &Size) -> Result<Vec<Row>> {
    let accounts = size.many_accounts;
    let fleets = [filled(stage, accounts, LONG)?, filled(stage, accounts, SHORT)?];
    let seconds = |fleet: &Fleet| {
        let mut discovery = stage.tool(DISCOVERY)?;
        let said = figures(discovery.arg(fleet.database.url()))?;
        ensure!(said["accounts"] == accounts, "not {accounts} accounts were found: {said}");
        said["seconds"].as_f64().context("no seconds")
    };
    let [long, short] = &fleets;
    let measured = in_turn(size.rounds, &mut [&mut |_| seconds(long), &mut |_| seconds(short)])?;
    let short = ("a tenth of the orders", measured[1].as_slice());
    Ok(vec![Row::versus(Part::Discovery.name(), "s", Better::Less, &measured[0], short, Some(0.5))])
}

fn filled(stage: &Stage, accounts: usize, orders: usize) -> Result<Fleet<'_>> {
    let fleet = Fleet::new(stage)?;
    fleet.fill_unseen(accounts, orders)?;
    fleet.settle()?;
    Ok(fleet)
}
