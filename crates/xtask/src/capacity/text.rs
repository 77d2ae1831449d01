use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Planned;
use super::costs::Costs;
use super::demand::Demand;
use super::figure::{Basis, Figure};
use super::limit::{Bounds, Limit, ends_at};
use super::plan::Plan;
use super::simulation::Outcome;

/// A line of the plan: what, its name for programs, and the number.
type Line = (&'static str, &'static str, fn(&Plan) -> f64);

const LINES: [Line; 28] = [
    ("syncs/s", "syncs_per_second", |plan| plan.rate),
    ("looks at brokerages/s", "looks_per_second", |plan| plan.looks),
    ("seconds of a job", "job_seconds", |plan| plan.job_seconds),
    ("slots in use", "busy_slots", |plan| plan.busy_slots),
    ("`syncfleet_wanted_slots`", "wanted_slots", |plan| plan.wanted_slots),
    ("workers", "workers", |plan| plan.workers),
    ("slots of each", "slots_of_a_worker", |plan| plan.slots),
    ("workers: busy cores", "worker_cores", |plan| plan.worker_cores),
    ("workers: memory, GiB", "worker_gib", |plan| plan.worker_mib / 1024.0),
    ("PostgreSQL: busy cores", "postgres_cores", |plan| plan.postgres_cores),
    ("PostgreSQL: cores to have", "postgres_machine", |plan| plan.postgres_machine),
    ("PostgreSQL: connections, at most", "postgres_connections", |plan| plan.postgres_connections),
    ("PostgreSQL: commits/s", "commits_per_second", |plan| plan.commits),
    ("PostgreSQL: write-ahead log of rows, MB/s", "wal_rows_mb_per_second", |plan| plan.wal_rows / 1e6),
    ("PostgreSQL: the same with pages, at most, MB/s", "wal_most_mb_per_second", |plan| plan.wal_most / 1e6),
    ("PostgreSQL: accounts and orders, GiB", "postgres_gib", |plan| plan.postgres_gib),
    ("PostgreSQL: outcomes, GiB a day", "outcomes_gib_a_day", |plan| plan.outcomes_gib_a_day),
    ("PostgreSQL: outcomes over `RETENTION_DAYS`, GiB", "outcomes_gib", |plan| plan.outcomes_gib),
    ("RabbitMQ: jobs and notifications published/s", "rabbitmq_in_per_second", |plan| plan.rabbitmq_in),
    ("RabbitMQ: delivered from `periodic` and acked/s", "periodic_per_second", |plan| plan.periodic),
    ("RabbitMQ: busy cores, without delays", "rabbitmq_cores", |plan| plan.rabbitmq_cores),
    ("RabbitMQ: connections", "rabbitmq_connections", |plan| plan.rabbitmq_connections),
    ("Redis: memory, GiB", "redis_gib", |plan| plan.redis_gib),
    ("Redis: commands/s", "redis_commands_per_second", |plan| plan.redis_commands),
    ("Redis Cluster: commands/s", "redis_cluster_commands_per_second", |plan| plan.redis_cluster_commands),
    ("Redis: busy cores", "redis_cores", |plan| plan.redis_cores),
    ("a tick is published after, s", "publish_seconds", |plan| plan.publish_seconds),
    ("a tick is done after, s", "tick_seconds", |plan| plan.tick_seconds),
];

/// The same of paper and simulation: what, both numbers.
type Pair = (&'static str, fn(&Plan) -> f64, fn(&Outcome) -> f64);

const PAIRS: [Pair; 4] = [
    ("a tick is done after, s", |plan| plan.tick_seconds, |outcome| outcome.tick),
    (
        "slots busy, %",
        |plan| percent(plan.busy_slots / plan.workers / plan.slots),
        |outcome| percent(outcome.slots_busy),
    ),
    (
        "workers' cores busy, %",
        |plan| percent(plan.worker_cores / plan.workers / plan.cores),
        |outcome| percent(outcome.workers_busy),
    ),
    (
        "PostgreSQL's cores busy, %",
        |plan| percent(plan.postgres_cores / plan.postgres_machine),
        |outcome| percent(outcome.postgres_busy),
    ),
];

/// What only the simulation tells: what, its name for programs, and the number.
type Told = (&'static str, &'static str, fn(&Outcome) -> f64);

const TOLD: [Told; 8] = [
    ("enqueued to told, p50, s", "p50_seconds", |outcome| outcome.p50),
    ("enqueued to told, p99, s", "p99_seconds", |outcome| outcome.p99),
    ("oldest job, s", "oldest_seconds", |outcome| outcome.oldest),
    ("in time, % of the accounts", "fresh_percent", |outcome| percent(outcome.fresh)),
    ("jobs done", "done", |outcome| outcome.done as f64),
    ("jobs expired", "expired", |outcome| outcome.expired as f64),
    ("jobs given up", "given_up", |outcome| outcome.given_up as f64),
    ("runs that the kill cut short", "cut_short", |outcome| outcome.cut_short as f64),
];

/// The plans in Markdown, then where each limit is, then, if there is one, the simulation beside the paper.
pub(super) fn tables(fleets: &[Planned]) -> String {
    let mut lines = head("accounts, interval", fleets);
    lines.extend(LINES.map(|(what, _, of)| row(what, fleets, |fleet| amount(of(&fleet.plan)))));
    lines.push(String::new());
    lines.extend(limits(fleets));
    if fleets.iter().all(|fleet| fleet.outcome.is_some()) {
        lines.push(String::new());
        lines.extend(head("paper / simulated", fleets));
        lines.extend(PAIRS.map(|(what, paper, simulated)| {
            let both =
                |fleet: &Planned| format!("{} / {}", amount(paper(&fleet.plan)), fleet.told(simulated));
            row(what, fleets, both)
        }));
        lines.extend(TOLD.map(|(what, _, of)| row(what, fleets, |fleet| fleet.told(of))));
    }
    lines.join("\n") + "\n"
}

/// At how many accounts one of each server ends, for each interval, in the order in which a growing fleet meets it.
fn limits(fleets: &[Planned]) -> Vec<String> {
    let (costs, bounds) = (Costs::measured(), Bounds::chosen());
    let intervals: BTreeSet<_> = fleets.iter().map(|fleet| Reverse(fleet.demand.interval_seconds)).collect();
    let demands: Vec<&Demand> = (intervals.iter())
        .filter_map(|Reverse(seconds)| fleets.iter().find(|fleet| fleet.demand.interval_seconds == *seconds))
        .map(|fleet| &fleet.demand)
        .collect();
    let ends = |limit| -> Vec<u64> {
        demands.iter().map(|demand| ends_at(limit, demand, &costs, &bounds)).collect()
    };
    let mut all = Limit::ALL.map(|limit| (ends(limit), limit));
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    let names = demands.iter().map(|demand| format!("every {} s", demand.interval_seconds));
    let names: Vec<String> = names.collect();
    let mut lines = vec![
        format!("| one is enough for about so many accounts | {} | beyond |", names.join(" | ")),
        format!("|---|{}---|", "---:|".repeat(names.len())),
    ];
    lines.extend(all.iter().map(|(ends, limit)| {
        let ends: Vec<String> = ends.iter().map(|end| amount(three_digits(*end as f64))).collect();
        format!("| {} | {} | {} |", limit.name(), ends.join(" | "), limit.advice())
    }));
    lines
}

/// Everything of a fleet, for programs.
pub(super) fn json(fleet: &Planned) -> Value {
    let demand = &fleet.demand;
    let plan: serde_json::Map<String, Value> =
        LINES.iter().map(|(_, name, of)| ((*name).to_owned(), json!(of(&fleet.plan)))).collect();
    let beyond: Vec<Value> = (fleet.beyond.iter())
        .map(|(limit, used)| json!({ "limit": limit.name(), "times": used, "advice": limit.advice() }))
        .collect();
    let simulated = fleet.outcome.as_ref().map(|outcome| {
        let mut told: serde_json::Map<String, Value> =
            TOLD.iter().map(|(_, name, of)| ((*name).to_owned(), json!(of(outcome)))).collect();
        let shares = [outcome.tick, outcome.slots_busy, outcome.workers_busy, outcome.postgres_busy];
        let names = ["tick_seconds", "slots_busy", "workers_busy", "postgres_busy"];
        told.extend(names.into_iter().zip(shares).map(|(name, share)| (name.to_owned(), json!(share))));
        told
    });
    json!({
        "accounts": demand.accounts, "interval_seconds": demand.interval_seconds, "spread_seconds": demand.spread_seconds,
        "orders": demand.orders, "news": demand.news, "looks": demand.looks, "look_seconds": demand.look_seconds,
        "plan": plan, "too_much_for": beyond, "simulated": simulated,
    })
}

/// What plans are computed from, in Markdown.
pub(super) fn figures(costs: &Costs, bounds: &Bounds) -> String {
    let mut lines = vec!["| what | | unit | basis | how |\n|---|---:|---|---|---|".to_owned()];
    lines.extend(all(costs, bounds).into_iter().map(|(name, unit, figure)| {
        format!("| {name} | {} | {unit} | {} | {} |", amount(figure.value), figure.basis, figure.how)
    }));
    let open = all(costs, bounds).into_iter().filter(|(.., figure)| figure.basis == Basis::Computed).count();
    lines.push(format!("\nnot measured yet: {open}\n"));
    lines.join("\n")
}

pub(super) fn figures_json(costs: &Costs, bounds: &Bounds) -> Value {
    let line = |(name, unit, figure): (String, &str, Figure)| json!({ "what": name, "value": figure.value, "unit": unit, "basis": figure.basis.to_string(), "how": figure.how });
    all(costs, bounds).into_iter().map(line).collect()
}

fn all(costs: &Costs, bounds: &Bounds) -> Vec<(String, &'static str, Figure)> {
    let bounds = bounds.all().map(|(name, unit, figure)| (name.to_owned(), unit, figure));
    costs.all().into_iter().chain(bounds).collect()
}

impl Planned {
    fn told(&self, of: fn(&Outcome) -> f64) -> String {
        self.outcome.as_ref().map_or(String::new(), |outcome| amount(of(outcome)))
    }
}

fn head(what: &str, fleets: &[Planned]) -> Vec<String> {
    let name =
        |fleet: &Planned| format!("{}, {} s", short(fleet.demand.accounts), fleet.demand.interval_seconds);
    vec![row(what, fleets, name), format!("|---|{}", "---:|".repeat(fleets.len()))]
}

fn row(what: &str, fleets: &[Planned], cell: impl Fn(&Planned) -> String) -> String {
    let cells: Vec<String> = fleets.iter().map(cell).collect();
    format!("| {what} | {} |", cells.join(" | "))
}

fn percent(share: f64) -> f64 {
    share * 100.0
}

/// As on the command line.
fn short(accounts: u64) -> String {
    match accounts {
        millions if millions.is_multiple_of(1_000_000) => format!("{}M", millions / 1_000_000),
        thousands if thousands.is_multiple_of(1000) => format!("{}k", thousands / 1000),
        other => other.to_string(),
    }
}

/// Rounded down to its first three digits.
fn three_digits(number: f64) -> f64 {
    let unit = 10_f64.powf(number.max(1.0).log10().floor() - 2.0).max(1.0);
    (number / unit).floor() * unit
}

/// Three digits, or all before the point, which are in groups of three.
fn amount(number: f64) -> String {
    let decimals = match number.abs() {
        size if size == size.trunc() || size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 0.1 => 2,
        _ => 3,
    };
    let text = format!("{number:.decimals$}");
    let (whole, rest) =
        text.split_once('.').map_or((text.as_str(), String::new()), |(w, r)| (w, format!(".{r}")));
    let digits: Vec<char> = whole.chars().collect();
    let mut grouped = String::new();
    for (at, digit) in digits.iter().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(*digit);
    }
    grouped + &rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_limit_is_is_said_in_three_digits() {
        assert_eq!(
            [1.0, 999.9, 28_740.9, 1_234_567.0].map(three_digits),
            [1.0, 999.0, 28_700.0, 1_230_000.0]
        );
        assert_eq!([5, 10_000, 2_000_000].map(short), ["5", "10k", "2M"]);
    }

    #[test]
    fn an_amount_has_three_digits_or_groups_of_three() {
        let amounts = [0.0, 0.0123, 0.5, 5.0, 12.34, 999.9, 1000.0, 1_234_567.8].map(amount);
        assert_eq!(amounts, ["0", "0.012", "0.50", "5", "12.3", "1,000", "1,000", "1,234,568"]);
    }
}
