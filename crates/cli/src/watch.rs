use chrono::{DateTime, Utc};
use queue::{Notice, Subscription};
use serde_json::Value;
use service::exit;
use wildmatch::WildMatch;

use crate::failure::Failure;
use crate::output;
use crate::servers::Servers;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only accounts whose name matches; `*` stands for any characters, `?` for one
    #[arg(long, value_name = "PATTERN")]
    account: Option<String>,
    /// Only outcomes of this status
    #[arg(long, value_parser = ["success", "partial_success", "failed"])]
    status: Option<String>,
    /// End after so many
    #[arg(short = 'n', value_name = "N")]
    count: Option<u64>,
}

/// Prints notifications as they arrive, until `-n` of them came, the output is closed, or RabbitMQ is gone.
pub(crate) async fn run(arguments: Arguments, servers: &Servers, json: bool) -> Result<i32, Failure> {
    let mut subscription = Subscription::open(&servers.rabbit_urls()?, &servers.client, "account.#").await?;
    if !json {
        output::complain("watching; notifications from now on are printed");
    }
    let account = arguments.account.as_deref().map(WildMatch::new);
    let mut left = arguments.count;
    while left != Some(0) {
        let notice = subscription.next().await?;
        let Ok(body) = serde_json::from_slice::<Value>(&notice.body) else {
            output::complain(&format!("a message on {} is not JSON", notice.routing_key));
            continue;
        };
        let name = body["account"].as_str().unwrap_or_default();
        let wanted = account.as_ref().is_none_or(|pattern| pattern.matches(name))
            && (arguments.status.as_deref()).is_none_or(|status| body["summary"]["status"] == status);
        if wanted {
            let line = if json { body.to_string() } else { line(&notice, &body) };
            if !output::say(&line) {
                break;
            }
            left = left.map(|left| left - 1);
        }
    }
    Ok(exit::DONE)
}

fn line(notice: &Notice, body: &Value) -> String {
    let time = body["timestamp"]
        .as_str()
        .and_then(|text| text.parse::<DateTime<Utc>>().ok())
        .map_or_else(String::new, |at| at.format("%H:%M:%S").to_string());
    let account = output::cell(&body["account"]);
    match body["type"].as_str() {
        Some("sync_completed") => {
            let summary = &body["summary"];
            let generation = &summary["position_generation"];
            let counts = if generation["regenerated"] == true {
                format!(
                    "{} positions, {} holdings",
                    output::cell(&generation["positions_updated"]),
                    output::cell(&generation["holdings_updated"])
                )
            } else {
                "positions unchanged".to_owned()
            };
            let errors: Vec<String> =
                body["full_results"]["errors"].as_array().into_iter().flatten().map(output::cell).collect();
            format!(
                "{time} sync_completed {account}: {}, {counts}, {} external orders, Redis {}{}",
                output::cell(&summary["status"]),
                output::cell(&summary["external_orders"]),
                output::cell(&summary["redis_status"]),
                if errors.is_empty() { String::new() } else { format!(" ({})", errors.join("; ")) },
            )
        }
        Some("external_order_detected") => {
            let order = &body["order"];
            format!(
                "{time} external_order_detected {account}: {} {} {} {} at {} ({})",
                output::cell(&order["trade_type"]),
                output::cell(&order["filled_quantity"]),
                output::cell(&order["exchange"]),
                output::cell(&order["symbol"]),
                output::cell(&order["average_price"]),
                output::cell(&order["status"]),
            )
        }
        _ => format!("{time} {} {account}", notice.routing_key),
    }
}
