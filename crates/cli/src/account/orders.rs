use serde_json::Value;
use service::exit;

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
    /// Only those that were placed elsewhere and found in the brokerage's book
    #[arg(long)]
    external: bool,
    /// With --external: only those without a strategy, which wait for somebody to give them one
    #[arg(long, requires = "external")]
    unassigned: bool,
    /// At most so many, the latest ones
    #[arg(short = 'n', long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(i64).range(1..))]
    limit: i64,
}

/// Lists an account's orders, newest first.
pub(super) async fn run(arguments: &Arguments, servers: &Servers, json: bool) -> Result<i32, Failure> {
    let account = servers.account(arguments.org.as_deref(), &arguments.account)?;
    let storage = servers.migrated_storage().await?;
    let orders =
        storage.account_orders(&account, arguments.external, arguments.unassigned, arguments.limit).await?;
    if json {
        output::document(&Value::Array(orders));
        return Ok(exit::DONE);
    }
    if orders.is_empty() {
        output::say("no such orders");
        return Ok(exit::DONE);
    }
    let columns = [
        "exchange_time",
        "broker_order_id",
        "symbol",
        "product_type",
        "trade_type",
        "quantity",
        "filled_quantity",
        "average_price",
        "status",
        "source",
    ];
    let cells = orders.iter().map(|order| {
        let mut cells: Vec<String> = columns.iter().map(|name| output::cell(&order[*name])).collect();
        cells.push(strategy(order));
        cells
    });
    let heads = [
        "time", "order", "symbol", "product", "side", "quantity", "filled", "average", "status", "source",
        "strategy",
    ];
    output::table(&heads, &[5, 6, 7], cells.collect());
    Ok(exit::DONE)
}

/// The strategy, and why an order that was placed elsewhere is taken for its.
fn strategy(order: &Value) -> String {
    let name = output::cell(&order["strategy_id"]);
    match (&order["strategy_method"], &order["strategy_confidence"]) {
        (Value::String(method), confidence) => format!("{name} ({method}, {})", output::cell(confidence)),
        _ => name,
    }
}
