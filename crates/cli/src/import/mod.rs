//! Order histories from files. A file is loaded whole or not at all.

mod instant;
mod orders;
mod tradebook;

use std::path::PathBuf;

use serde_json::json;
use service::exit;
use storage::{ImportSummary, ImportedOrder};

use crate::failure::Failure;
use crate::output;
use crate::servers::Servers;

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
}

/// What is wrong with one line of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadRow {
    /// Counted from 1, the heads of a CSV included.
    pub(crate) line: u64,
    /// Why.
    pub(crate) reason: String,
}

pub(crate) async fn run(command: Command, servers: &Servers, json: bool) -> Result<i32, Failure> {
    let parsed = match &command {
        Command::Tradebook(arguments) => {
            let account = servers.account(arguments.org.as_deref(), &arguments.account)?;
            tradebook::parse(&read(&arguments.file)?, &account, arguments)
        }
        Command::Orders { file } => orders::parse(&read(file)?, &servers.settings.default_organization_id),
    };
    let orders = parsed.map_err(|bad_rows| refuse(&bad_rows))?;
    let storage = servers.migrated_storage().await?;
    let summary = storage.import_orders(&orders).await?;
    print(&orders, &summary, json);
    Ok(exit::DONE)
}

fn read(file: &PathBuf) -> Result<String, Failure> {
    let bytes = std::fs::read(file)
        .map_err(|error| Failure::operation(format!("{} cannot be read: {error}", file.display())))?;
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

fn print(orders: &[ImportedOrder], summary: &ImportSummary, json: bool) {
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
