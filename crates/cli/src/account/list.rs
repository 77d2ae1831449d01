use std::cmp::Ordering;
use std::time::Duration;

use clap::ValueEnum;
use service::exit;
use storage::AccountOverview;
use wildmatch::WildMatch;

use super::overview_row;
use crate::ago::{ago_if_any, length};
use crate::failure::Failure;
use crate::output::{self, Span, Tone};
use crate::servers::Servers;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only those of this organization [default: every]
    #[arg(long)]
    org: Option<String>,
    /// Only those whose name matches, `*` for any text and `?` for any character
    #[arg(long, value_name = "PATTERN")]
    account: Option<String>,
    /// Only those whose last job ended so; `never`: those never synced
    #[arg(long, value_name = "STATUS", value_parser = ["success", "partial_success", "failed", "never"])]
    status: Option<String>,
    /// Only those whose last success is longer ago, such as 90s, 10m or 2h, and those without one; paused ones are left out
    ///
    /// A success is a sync that ended with success or partial_success: an account that fails at every tick is stale.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    stale_over: Option<Duration>,
    /// What comes first: the first name, or the stalest, the worst status, the most open external orders
    #[arg(long, value_name = "BY", default_value = "name")]
    sort: Sort,
    /// The other way round
    #[arg(long)]
    reverse: bool,
    /// At most so many, the first ones
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sort {
    Name,
    Staleness,
    Status,
    External,
}

/// Lists accounts with their last outcome.
pub(super) async fn run(arguments: &Arguments, servers: &Servers, json: bool) -> Result<i32, Failure> {
    let storage = servers.migrated_storage().await?;
    let now = storage.now().await?;
    let mut accounts = storage.account_overviews().await?;
    let is_empty = accounts.is_empty();
    accounts.retain(|account| arguments.wants(account));
    // The order of names stands among those that are alike.
    accounts.sort_by(|one, other| compare(one, other, arguments.sort));
    if arguments.reverse {
        accounts.reverse();
    }
    accounts.truncate(arguments.limit.unwrap_or(usize::MAX));
    if json {
        output::document(&accounts.iter().map(overview_row).collect());
        return Ok(exit::DONE);
    }
    if accounts.is_empty() {
        output::say(if is_empty {
            "no accounts yet: `syncfleet import orders FILE` brings those with orders, `syncfleet brokerage add` one with a brokerage"
        } else {
            "no account is like that: `syncfleet account list` shows all"
        });
        return Ok(exit::DONE);
    }
    let rows = accounts.iter().map(|account| {
        vec![
            Span::from(account.account.organization_id.clone()),
            Span::from(account.account.pseudo_account.clone()),
            output::status(account.status.as_deref().unwrap_or("never")),
            Span::from(ago_if_any(account.last_sync_at, now)),
            Span::from(ago_if_any(account.last_success_at, now)),
            Span::from(account.open_external_orders.to_string()),
            Span::from(account.brokerage.clone().unwrap_or_else(|| "-".to_owned())),
            Span::new(note(account, now), Tone::Warning),
        ]
    });
    let heads = [
        "organization",
        "account",
        "status",
        "last sync",
        "last success",
        "open external",
        "brokerage",
        "note",
    ];
    output::table(&heads, &[5], rows.collect());
    Ok(exit::DONE)
}

impl Arguments {
    fn wants(&self, account: &AccountOverview) -> bool {
        let limit = self.stale_over.map(|limit| i64::try_from(limit.as_secs()).unwrap_or(i64::MAX));
        let is_old = |limit| account.staleness_seconds.is_none_or(|age| age > limit);
        let is_stale = |limit| !account.paused && (account.last_success_at.is_none() || is_old(limit));
        let (organization, name) = (&account.account.organization_id, &account.account.pseudo_account);
        self.org.as_ref().is_none_or(|wanted| wanted == organization)
            && self.account.as_ref().is_none_or(|pattern| WildMatch::new(pattern).matches(name))
            && (self.status.as_ref())
                .is_none_or(|wanted| wanted == account.status.as_deref().unwrap_or("never"))
            && limit.is_none_or(is_stale)
    }
}

fn compare(one: &AccountOverview, other: &AccountOverview, by: Sort) -> Ordering {
    // Without a success is the stalest, and of these who has not even been due.
    let staleness = |account: &AccountOverview| {
        (account.last_success_at.is_none(), account.staleness_seconds.unwrap_or(i64::MAX))
    };
    match by {
        Sort::Name => Ordering::Equal,
        Sort::Staleness => staleness(other).cmp(&staleness(one)),
        Sort::Status => badness(one).cmp(&badness(other)),
        Sort::External => other.open_external_orders.cmp(&one.open_external_orders),
    }
}

/// The worst first.
fn badness(account: &AccountOverview) -> u8 {
    match account.status.as_deref() {
        Some("failed") => 0,
        None => 1,
        Some("partial_success") => 2,
        Some(_) => 3,
    }
}

/// What keeps an account from being synced whole.
fn note(account: &AccountOverview, now: chrono::DateTime<chrono::Utc>) -> String {
    let mut notes = Vec::new();
    if account.paused {
        notes.push("paused".to_owned());
    }
    if let Some((since, _)) = &account.login_needed {
        notes.push(format!("login needed for {}", length((now - *since).num_seconds())));
    }
    notes.join(", ")
}
