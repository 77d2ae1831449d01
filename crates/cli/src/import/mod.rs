//! What operators know, from files. A file is loaded whole or not at all.

mod corporate_actions;
mod csv_rows;
#[cfg(test)]
mod fuzz;
mod holidays;
mod lots;
mod orders;
mod tradebook;

use std::io::Read as _;
use std::path::PathBuf;

use rust_decimal::Decimal;
use serde_json::json;
use service::exit;
use storage::{ImportCounts, ImportSummary, ImportedOrder};

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output;
use crate::progress::Progress;
use crate::servers::Servers;

/// The largest file that is read; it takes a few times as much memory.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// The longest name of an account or organization, as in a job: no job could name one with a longer name.
const NAME_BYTES_MAX: usize = 1000;
/// The longest id, symbol or word: they are in indexes of PostgreSQL.
const WORD_BYTES_MAX: usize = 200;
/// 10^15 rupees: times any quantity it is still a decimal.
const PRICE_MAX: Decimal = Decimal::from_parts(0xA4C6_8000, 0x0003_8D7E, 0, false, 0);
/// Bad rows shown; a file of the wrong kind has as many as it has lines.
const BAD_ROWS_SHOWN: usize = 20;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Load a Zerodha Console tradebook (CSV); its times are IST
    Tradebook(tradebook::Arguments),
    /// Load orders as JSON lines whose fields are the columns of `orders`
    Orders {
        /// The file
        file: PathBuf,
    },
    /// Load inventory from before an account's first order (CSV)
    ///
    /// Heads, in any order: account,organization_id,instrument_key,isin,exchange,symbol,product,quantity,price,opened_at
    ///
    /// A blank organization is DEFAULT_ORGANIZATION_ID, a blank instrument key follows from exchange and symbol, a blank
    /// ISIN is unknown. The quantity of a short lot is negative. A time without a zone is IST, a date its start in IST.
    ///
    /// Two equal lines are two lots; the same file again loads nothing.
    Lots {
        /// The file
        file: PathBuf,
    },
    /// Load splits, bonuses, renames, mergers and demergers (CSV)
    ///
    /// Heads, in any order: isin,kind,ex_date,factor,new_isin,cost_fraction
    ///
    /// split, bonus: factor is new quantity per old one (a 1:1 bonus is 2).
    ///
    /// merger: the same, and new_isin. rename: new_isin.
    ///
    /// demerger: factor is child shares per parent share, new_isin the child's, cost_fraction the part of the cost that
    /// moves to it, 0 to 1.
    ///
    /// One of the same ISIN, kind and ex-date replaces what was known.
    CorporateActions {
        /// The file
        file: PathBuf,
    },
    /// Load days on which an exchange is closed (CSV); those of NSE decide which days are trading days
    ///
    /// Heads, in any order: exchange,date,description
    ///
    /// Weekends need not be listed.
    Holidays {
        /// The file
        file: PathBuf,
    },
}

/// What is wrong with one line of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadRow {
    /// Counted from 1, the heads of a CSV included.
    pub(crate) line: u64,
    /// Why.
    pub(crate) reason: String,
}

/// Loads a file; at Ctrl-C the transaction it is loaded in is given up.
pub(crate) async fn run(command: Command, servers: &Servers, json: bool) -> Result<i32, Failure> {
    let interrupt = Interrupt::listen();
    let left = "nothing was loaded, unless all of it was just then; the same again loads nothing twice";
    interrupt.or(left, load(command, servers, json)).await
}

async fn load(command: Command, servers: &Servers, json: bool) -> Result<i32, Failure> {
    let default_organization = &servers.settings.default_organization_id;
    let (rows, counts) = match &command {
        Command::Tradebook(arguments) => {
            let account = servers.account(arguments.org.as_deref(), &arguments.account)?;
            return load_orders(
                tradebook::parse(&read(&arguments.file)?, &account, arguments),
                servers,
                json,
            )
            .await;
        }
        Command::Orders { file } => {
            return load_orders(orders::parse(&read(file)?, default_organization), servers, json).await;
        }
        Command::Lots { file } => {
            let lots = accepted(lots::parse(&read(file)?, default_organization))?;
            ("lots", servers.migrated_storage().await?.import_opening_lots(&lots).await?)
        }
        Command::CorporateActions { file } => {
            let actions = accepted(corporate_actions::parse(&read(file)?))?;
            let storage = servers.migrated_storage().await?;
            ("corporate_actions", storage.import_corporate_actions(&actions).await?)
        }
        Command::Holidays { file } => {
            let holidays = accepted(holidays::parse(&read(file)?))?;
            ("holidays", servers.migrated_storage().await?.import_holidays(&holidays).await?)
        }
    };
    print_counts(rows, counts, json);
    Ok(exit::DONE)
}

async fn load_orders(
    parsed: Result<Vec<ImportedOrder>, Vec<BadRow>>,
    servers: &Servers,
    json: bool,
) -> Result<i32, Failure> {
    let orders = accepted(parsed)?;
    let storage = servers.migrated_storage().await?;
    let progress = Progress::new("loaded", orders.len());
    let summary = storage.import_orders_telling(&orders, |done| progress.at(done)).await?;
    drop(progress);
    print_orders(&orders, &summary, json);
    Ok(exit::DONE)
}

fn accepted<T>(parsed: Result<T, Vec<BadRow>>) -> Result<T, Failure> {
    parsed.map_err(|bad_rows| refuse(&bad_rows))
}

fn read(file: &PathBuf) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    // Its size is not asked for: it may be a pipe or a device.
    std::fs::File::open(file)
        .and_then(|opened| opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| Failure::operation(format!("{} cannot be read: {error}", file.display())))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let limit = FILE_BYTES_MAX >> 20;
        return Err(Failure::operation(format!("{} has more than {limit} MiB: split it", file.display())));
    }
    String::from_utf8(bytes).map(|text| text.trim_start_matches('\u{feff}').to_owned()).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
        Failure::operation(format!("line {line}: not UTF-8; nothing was loaded"))
    })
}

fn refuse(bad_rows: &[BadRow]) -> Failure {
    let mut lines: Vec<String> = (bad_rows.iter().take(BAD_ROWS_SHOWN))
        .map(|bad| format!("line {}: {}", bad.line, bad.reason))
        .collect();
    if bad_rows.len() > BAD_ROWS_SHOWN {
        lines.push(format!("… and {} more", bad_rows.len() - BAD_ROWS_SHOWN));
    }
    Failure::operation(format!("{} bad rows, nothing was loaded\n{}", bad_rows.len(), lines.join("\n")))
}

fn print_orders(orders: &[ImportedOrder], summary: &ImportSummary, json: bool) {
    if json {
        output::document(&json!({
            "orders": orders.len(), "orders_new": summary.orders_new, "orders_changed": summary.orders_changed,
            "orders_unchanged": summary.orders_unchanged, "fills_new": summary.fills_new,
        }));
    } else {
        output::say(&format!(
            "{} orders: {} new, {} changed, {} unchanged; {} new executions",
            orders.len(),
            summary.orders_new,
            summary.orders_changed,
            summary.orders_unchanged,
            summary.fills_new
        ));
    }
}

fn print_counts(rows: &str, counts: ImportCounts, json: bool) {
    let ImportCounts { new, changed, unchanged } = counts;
    let all = new + changed + unchanged;
    if json {
        output::document(&json!({
            rows: all, format!("{rows}_new"): new, format!("{rows}_changed"): changed,
            format!("{rows}_unchanged"): unchanged,
        }));
    } else {
        let rows = rows.replace('_', " ");
        output::say(&format!("{all} {rows}: {new} new, {changed} changed, {unchanged} unchanged"));
    }
}
