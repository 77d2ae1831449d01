use chrono::SecondsFormat;
use serde_json::{Value, json};
use service::exit;
use storage::{AccountOverview, AccountView};

use crate::failure::Failure;
use crate::output;
use crate::servers::Servers;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Every account: its last outcome and how long ago that was
    List,
    /// One account: its positions and holdings
    Show {
        /// The account
        account: String,
        /// Its organization [default: DEFAULT_ORGANIZATION_ID]
        #[arg(long)]
        org: Option<String>,
    },
}

pub(crate) async fn run(command: Command, servers: &Servers, json: bool) -> Result<i32, Failure> {
    match command {
        Command::List => list(servers, json).await,
        Command::Show { account, org } => show(&account, org.as_deref(), servers, json).await,
    }
}

async fn list(servers: &Servers, json: bool) -> Result<i32, Failure> {
    let overviews = servers.migrated_storage().await?.account_overviews().await?;
    let rows: Vec<Value> = overviews.iter().map(overview_row).collect();
    if json {
        output::document(&Value::Array(rows));
        return Ok(exit::DONE);
    }
    let columns = ["organization_id", "account", "status", "last_sync_at", "staleness_seconds"];
    let cells =
        rows.iter().map(|row| columns.iter().map(|name| output::cell(&row[*name])).collect()).collect();
    output::table(&["organization", "account", "status", "last sync", "age (s)"], &[4], cells);
    Ok(exit::DONE)
}

async fn show(name: &str, org: Option<&str>, servers: &Servers, json: bool) -> Result<i32, Failure> {
    let account = servers.account(org, name)?;
    let storage = servers.migrated_storage().await?;
    let now = storage.now().await?;
    let view = storage.account_view(&account).await?;
    if json {
        let mut document = overview_row(&view.overview);
        document["as_of"] = json!(now.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        document["positions"] = Value::Array(view.positions);
        document["holdings"] = Value::Array(view.holdings);
        document["discrepancies"] = view.discrepancies;
        output::document(&document);
    } else {
        print_view(&view);
    }
    Ok(exit::DONE)
}

fn overview_row(overview: &AccountOverview) -> Value {
    json!({
        "organization_id": overview.account.organization_id,
        "account": overview.account.pseudo_account,
        "status": overview.status,
        "last_sync_at": overview.last_sync_at.map(|at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        "staleness_seconds": overview.staleness_seconds,
        "paused": overview.paused,
    })
}

fn print_view(view: &AccountView) {
    let overview = &view.overview;
    let row = overview_row(overview);
    output::say(&format!(
        "{}: {}, last sync {} ({} s ago){}",
        overview.account,
        overview.status.as_deref().unwrap_or("never synced"),
        output::cell(&row["last_sync_at"]),
        output::cell(&row["staleness_seconds"]),
        if overview.paused { ", paused" } else { "" },
    ));
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
    for finding in view.discrepancies.as_array().into_iter().flatten() {
        output::say(&format!(
            "! {} {}: {}",
            output::cell(&finding["kind"]),
            output::cell(&finding["symbol"]),
            output::cell(&finding["detail"])
        ));
    }
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
