use std::sync::Arc;
use std::time::Duration;

use brokerage::{Brokerage, BrokerageError, Gate, Http, Timeouts};
use ledger::ReportedOrder;
use pipeline::{Environment, chain, open_client};
use serde_json::{Value, json};
use service::exit;

use super::row;
use crate::failure::Failure;
use crate::output;
use crate::servers::Servers;

/// How long each list may take.
const WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The account
    account: String,
    /// Its organization [default: DEFAULT_ORGANIZATION_ID]
    #[arg(long)]
    org: Option<String>,
}

/// What one reading came to.
struct Check {
    name: &'static str,
    status: &'static str,
    detail: String,
}

pub(super) async fn run(arguments: &Arguments, servers: &Servers, json: bool) -> Result<i32, Failure> {
    let account = servers.account(arguments.org.as_deref(), &arguments.account)?;
    let storage = servers.migrated_storage().await?;
    let entry = storage.brokerage_account(&account).await?.ok_or_else(|| {
        Failure::operation(format!(
            "{account} has no brokerage: say which with syncfleet brokerage add {:?} --kind …",
            account.pseudo_account
        ))
    })?;
    let environment: Environment = Arc::new(|variable| std::env::var(variable).ok());
    let http = Http::new(Timeouts::default());
    let client = open_client(&entry, http.as_ref().ok(), &environment, |_, _| Gate::open()).await;
    let checks = match client {
        Ok(client) => {
            let mut checks = vec![Check { name: "secrets", status: "ok", detail: "read".to_owned() }];
            checks.extend(read_all(&*client.brokerage).await);
            checks
        }
        Err(error) => vec![Check { name: "secrets", status: "failed", detail: chain(&error) }],
    };
    let is_well = checks.iter().all(|check| check.status != "failed");
    if is_well && entry.refused.is_some() {
        storage.forget_refused_login(&account).await?;
    }
    if json {
        let mut document = row(&entry);
        document["ok"] = json!(is_well);
        document["checks"] = checks
            .iter()
            .map(|check| json!({"check": check.name, "status": check.status, "detail": check.detail}))
            .collect::<Value>();
        output::document(&document);
    } else {
        output::say(&format!("{account} at {} ({})", entry.kind, entry.base_url));
        let cells = checks
            .into_iter()
            .map(|check| vec![check.name.to_owned(), check.status.to_owned(), check.detail]);
        output::table(&["check", "status", "detail"], &[], cells.collect());
    }
    Ok(if is_well { exit::DONE } else { exit::FAILED })
}

async fn read_all(brokerage: &dyn Brokerage) -> Vec<Check> {
    let offers = brokerage.capabilities();
    let orders = brokerage.orders(WITHIN).await;
    // What the first request was refused for, the others would be too.
    let is_over = matches!(&orders, Err(BrokerageError::Auth { .. } | BrokerageError::RateLimited { .. }));
    let mut checks = vec![check("orders", orders.map(|orders| say_orders(&orders)))];
    if is_over {
        return checks;
    }
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    checks.push(match offers.trades {
        true => check("trades", brokerage.trades(WITHIN).await.map(|told| count(told.len(), "execution"))),
        false => not_offered("trades"),
    });
    checks.push(match offers.positions {
        true => {
            check("positions", brokerage.positions(WITHIN).await.map(|told| count(told.len(), "position")))
        }
        false => not_offered("positions"),
    });
    checks.push(match offers.holdings {
        true => check("holdings", brokerage.holdings(WITHIN).await.map(|told| count(told.len(), "holding"))),
        false => not_offered("holdings"),
    });
    checks.push(match offers.margins {
        true => check("margins", brokerage.margins(WITHIN).await.map(|told| count(told.len(), "segment"))),
        false => not_offered("margins"),
    });
    checks
}

fn say_orders(orders: &[ReportedOrder]) -> String {
    let filled = orders.iter().filter(|order| !order.filled_quantity.is_zero()).count();
    format!("{} in the book, {filled} of them filled or partly filled", orders.len())
}

fn check(name: &'static str, told: Result<String, BrokerageError>) -> Check {
    match told {
        Ok(detail) => Check { name, status: "ok", detail },
        Err(error) => Check { name, status: "failed", detail: format!("{}{}", chain(&error), mend(&error)) },
    }
}

fn not_offered(name: &'static str) -> Check {
    Check { name, status: "not offered", detail: "this brokerage does not tell them".to_owned() }
}

fn mend(error: &BrokerageError) -> &'static str {
    match error {
        BrokerageError::Auth { .. } => "; log in anew and store the new secret where the reference points",
        BrokerageError::RateLimited { .. } => "; try again later",
        BrokerageError::Transient { .. } => "; check the base URL and try again",
        BrokerageError::Rejected { .. } | BrokerageError::Malformed { .. } => "",
    }
}
