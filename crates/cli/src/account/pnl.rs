use chrono::NaiveDate;
use ledger::{Closing, Realised};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use service::exit;

use super::print_finding;
use crate::failure::Failure;
use crate::output;
use crate::servers::Servers;

/// Findings that say a sum is not all there is.
const INCOMPLETE: [&str; 5] =
    ["unknown_cost", "no_price", "unknown_multiplier", "fills_short", "unreadable_side"];

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The account
    account: String,
    /// Its organization [default: DEFAULT_ORGANIZATION_ID]
    #[arg(long)]
    org: Option<String>,
    /// Only what was closed on this day or later, by the IST date of the closing fill
    #[arg(long, value_name = "DATE", value_parser = crate::instant::parse_day_argument)]
    from: Option<NaiveDate>,
    /// Only what was closed on this day or earlier
    #[arg(long, value_name = "DATE", value_parser = crate::instant::parse_day_argument)]
    to: Option<NaiveDate>,
    /// A row for each lot that a fill closed
    #[arg(long)]
    lots: bool,
}

/// Shows what an account realised between two days, both included.
pub(super) async fn run(arguments: &Arguments, servers: &Servers, json: bool) -> Result<i32, Failure> {
    let (from, to) = (arguments.from, arguments.to);
    if let (Some(from), Some(to)) = (from, to)
        && from > to
    {
        return Err(Failure::usage(format!("--from {from} is after --to {to}: exchange them")));
    }
    let account = servers.account(arguments.org.as_deref(), &arguments.account)?;
    let storage = servers.migrated_storage().await?;
    let now = storage.now().await?;
    let inputs = storage.ledger_inputs(&account).await?;
    let computed = pipeline::book_as_of(inputs, now).await.map_err(Failure::operation)?;
    let closings = &computed.book.closings;
    if arguments.lots {
        let in_range = |day: NaiveDate| from.is_none_or(|from| from <= day) && to.is_none_or(|to| day <= to);
        let closings: Vec<&Closing> = closings.iter().filter(|closing| in_range(closing.day)).collect();
        show(&json!(closings), json, || print_lots(&closings));
    } else {
        let rows = ledger::realised(closings, from, to)
            .map_err(|error| Failure::operation(pipeline::chain(&error)))?;
        show(&json!(rows), json, || print_instruments(&rows));
    }
    if !json {
        let findings = computed.discrepancies.as_array().into_iter().flatten();
        findings
            .filter(|finding| finding["kind"].as_str().is_some_and(|kind| INCOMPLETE.contains(&kind)))
            .for_each(print_finding);
    }
    Ok(exit::DONE)
}

fn show(rows: &Value, json: bool, print: impl FnOnce()) {
    if json {
        output::document(rows);
    } else if rows.as_array().is_some_and(Vec::is_empty) {
        output::say("nothing was closed");
    } else {
        print();
    }
}

fn print_instruments(rows: &[Realised]) {
    let mut cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let isin = row.isin.as_deref().unwrap_or("-");
            let numbers = [row.quantity, row.buy_value, row.sell_value, row.realised_pnl];
            [row.symbol.clone(), isin.to_owned()]
                .into_iter()
                .chain(numbers.iter().map(Decimal::to_string))
                .collect()
        })
        .collect();
    cells.push(vec![
        "total".to_owned(),
        String::new(),
        String::new(),
        total(rows.iter().map(|row| row.buy_value)),
        total(rows.iter().map(|row| row.sell_value)),
        total(rows.iter().map(|row| row.realised_pnl)),
    ]);
    let heads = ["instrument", "isin", "quantity", "buy value", "sell value", "realised"];
    output::table(&heads, &[2, 3, 4, 5], cells);
}

fn print_lots(closings: &[&Closing]) {
    let columns =
        ["symbol", "side", "opened_at", "closed_at", "quantity", "entry_price", "exit_price", "realised_pnl"];
    let mut cells: Vec<Vec<String>> = closings
        .iter()
        .map(|closing| {
            let row = json!(closing);
            columns.iter().map(|name| output::cell(&row[*name])).collect()
        })
        .collect();
    let mut last = vec![String::new(); columns.len()];
    "total".clone_into(&mut last[0]);
    last[columns.len() - 1] = total(closings.iter().map(|closing| closing.realised_pnl));
    cells.push(last);
    let heads = ["instrument", "side", "opened", "closed", "quantity", "entry", "exit", "realised"];
    output::table(&heads, &[4, 5, 6, 7], cells);
}

/// The sum; `-` where it is too large for a decimal.
fn total(mut numbers: impl Iterator<Item = Decimal>) -> String {
    numbers
        .try_fold(Decimal::ZERO, Decimal::checked_add)
        .map_or_else(|| "-".to_owned(), |sum| sum.normalize().to_string())
}
