use chrono::{DateTime, Utc};
use ledger::Account;
use serde_json::{Value, json};
use service::exit;
use storage::{AccountOverview, AccountView, Storage};

use super::{overview_row, print_finding};
use crate::ago::{ago, ago_if_any};
use crate::failure::Failure;
use crate::instant::rfc3339;
use crate::output;
use crate::servers::Servers;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The account
    account: String,
    /// Its organization [default: DEFAULT_ORGANIZATION_ID]
    #[arg(long)]
    org: Option<String>,
    /// Recompute it as of the end of a date (IST) or as of an instant, and write nothing
    ///
    /// An instant is RFC 3339, such as 2025-06-17T10:30:00Z; without a zone it is IST.
    ///
    /// It is computed from what is stored now, leaving out what is later than the instant. So it knows every correction
    /// and import made since, but not what the orders looked like then: only their latest state is stored. An order
    /// whose executions are known counts by them; any other counts as a whole, from the time of its latest state on,
    /// even if a part was filled before. Past market prices are not stored: what depends on one is null.
    #[arg(long, value_name = "DATE|INSTANT", value_parser = crate::instant::parse_as_of)]
    as_of: Option<DateTime<Utc>>,
}

/// Shows one account: its stored rows, or what they would be as of an instant.
pub(super) async fn run(arguments: &Arguments, servers: &Servers, json: bool) -> Result<i32, Failure> {
    let account = servers.account(arguments.org.as_deref(), &arguments.account)?;
    let storage = servers.migrated_storage().await?;
    let (at, view) = match arguments.as_of {
        None => (storage.now().await?, storage.account_view(&account).await?),
        Some(as_of) => (as_of, recomputed(&storage, &account, as_of).await?),
    };
    if json {
        let mut document = overview_row(&view.overview);
        document["as_of"] = json!(rfc3339(at));
        document["positions"] = Value::Array(view.positions);
        document["holdings"] = Value::Array(view.holdings);
        document["discrepancies"] = view.discrepancies;
        output::document(&document);
        return Ok(exit::DONE);
    }
    match arguments.as_of {
        None => print_overview(&view.overview, at),
        Some(_) => {
            let at = rfc3339(at);
            output::say(&format!(
                "{account} as of {at}, recomputed from what is stored now; nothing was written"
            ));
        }
    }
    print_rows_of(&view);
    Ok(exit::DONE)
}

async fn recomputed(
    storage: &Storage,
    account: &Account,
    as_of: DateTime<Utc>,
) -> Result<AccountView, Failure> {
    let overview = storage.account_overview(account).await?;
    let inputs = storage.ledger_inputs(account).await?;
    let computed = pipeline::book_as_of(inputs, as_of).await.map_err(Failure::operation)?;
    let rows = storage.rows_of_book(account, &computed.book).await?;
    Ok(AccountView {
        overview,
        positions: rows.positions,
        holdings: rows.holdings,
        discrepancies: computed.discrepancies,
    })
}

fn print_overview(overview: &AccountOverview, now: DateTime<Utc>) {
    let last = match (&overview.status, overview.last_sync_at) {
        (None, _) => String::new(),
        (Some(status), at) if status == "failed" => format!(
            ", last sync {}, last success {}",
            ago_if_any(at, now),
            overview.last_success_at.map_or_else(|| "never".to_owned(), |at| ago(at, now))
        ),
        (Some(_), at) => format!(", last sync {}", ago_if_any(at, now)),
    };
    output::say_spans(&[
        format!("{}: ", overview.account).into(),
        output::status(overview.status.as_deref().unwrap_or("never synced")),
        last.into(),
        if overview.paused { ", paused" } else { "" }.into(),
    ]);
    if let Some((since, message)) = &overview.login_needed {
        output::say(&format!(
            "! login needed at {}, refused {}: {message}",
            overview.brokerage.as_deref().unwrap_or("the brokerage"),
            ago(*since, now)
        ));
    }
}

fn print_rows_of(view: &AccountView) {
    let positions = [
        "symbol",
        "exchange",
        "type",
        "net_quantity",
        "buy_quantity",
        "buy_avg_price",
        "sell_quantity",
        "sell_avg_price",
        "overnight_quantity",
        "realised_pnl",
    ];
    let heads =
        ["position", "exchange", "product", "net", "bought", "at", "sold", "at", "overnight", "realised"];
    print_rows(&heads, &positions, &[3, 4, 5, 6, 7, 8, 9], &view.positions);
    let holdings = ["symbol", "exchange", "product", "isin", "quantity", "t1_qty", "avg_price"];
    let heads = ["holding", "exchange", "product", "isin", "quantity", "T1", "average"];
    print_rows(&heads, &holdings, &[4, 5, 6], &view.holdings);
    view.discrepancies.as_array().into_iter().flatten().for_each(print_finding);
}

fn print_rows(heads: &[&str], columns: &[&str], numbers: &[usize], rows: &[Value]) {
    if rows.is_empty() {
        output::say(&format!("no {}s", heads[0]));
        return;
    }
    let cells =
        rows.iter().map(|row| columns.iter().map(|name| output::cell(&row[*name])).collect()).collect();
    output::table(heads, numbers, cells);
}
