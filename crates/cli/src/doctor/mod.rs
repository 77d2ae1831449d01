//! What is wrong with the servers, and how to mend it.

mod clocks;
mod database;
mod finding;
mod rabbitmq;
mod redis;

use std::time::Duration;

use service::{RedisArgs, exit};

use crate::failure::Failure;
use crate::output::{self, Span, Tone};
use crate::servers::Servers;
use finding::{Finding, Status};

/// How long one server may take to be looked at; all are looked at together.
const LIMIT: Duration = Duration::from_secs(12);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    redis: RedisArgs,
    /// The time limit of jobs, with which RabbitMQ's consumer_timeout is compared; workers that answer tell theirs
    #[arg(long, env = "JOB_TIME_LIMIT_SECONDS", value_name = "SECONDS", default_value = "240")]
    job_time_limit_seconds: u64,
}

/// Looks at everything; exit code 1 when anything is serious.
pub(crate) async fn run(arguments: &Arguments, servers: &Servers, json: bool) -> Result<i32, Failure> {
    let time_limit = arguments.job_time_limit_seconds;
    let (database, rabbitmq, redis) = tokio::join!(
        within(LIMIT, "postgresql", async |looked| database::look(servers, looked).await),
        within(LIMIT, "rabbitmq", async |looked| rabbitmq::look(time_limit, servers, looked).await),
        within(LIMIT, "redis", async |looked| redis::look(&arguments.redis, servers, looked).await),
    );
    let clocks = clocks::compare(&[("PostgreSQL", database.lead), ("Redis", redis.lead)]);
    let findings: Vec<Finding> =
        [database.findings, rabbitmq.findings, redis.findings, clocks].into_iter().flatten().collect();
    if json {
        output::document(&findings.iter().map(Finding::to_json).collect());
    } else {
        print(&findings);
    }
    let is_serious = findings.iter().any(|finding| finding.status == Status::Serious);
    Ok(if is_serious { exit::FAILED } else { exit::DONE })
}

/// What a look has found so far.
#[derive(Default)]
struct Looked {
    findings: Vec<Finding>,
    /// How far the server's clock is ahead of ours.
    lead: Option<clocks::Lead>,
}

/// Looks for a while only; what was found until then is kept.
async fn within(limit: Duration, server: &'static str, look: impl AsyncFnOnce(&mut Looked)) -> Looked {
    let mut looked = Looked::default();
    if tokio::time::timeout(limit, look(&mut looked)).await.is_err() {
        let rest = if looked.findings.is_empty() { "it" } else { "the rest of it" };
        let text = format!("{rest} was not looked at: no answer within {} s", limit.as_secs());
        let mend = "see whether it hangs, or the network to it";
        looked.findings.push(Finding::serious(server, text, mend));
    }
    looked
}

fn print(findings: &[Finding]) {
    for finding in findings {
        let tone = match finding.status {
            Status::Ok => Tone::Good,
            Status::Warning => Tone::Warning,
            Status::Serious => Tone::Bad,
        };
        let word = Span::new(format!("{:<8}", finding.status.as_str()), tone);
        let text = Span::from(format!(" {:<24} {}", finding.check, finding.finding));
        output::say_spans(&[word, text]);
        if let Some(mend) = &finding.mend {
            output::say(&format!("{:<34}→ {mend}", ""));
        }
    }
    let count = |status| findings.iter().filter(|finding| finding.status == status).count();
    output::say("");
    output::say(&format!(
        "{} ok, {} warnings, {} serious",
        count(Status::Ok),
        count(Status::Warning),
        count(Status::Serious)
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_found_before_a_server_hung_is_kept() {
        let looked = within(Duration::from_millis(20), "redis", async |looked| {
            looked.findings.push(Finding::ok("redis_mode", "single Redis"));
            std::future::pending::<()>().await;
        })
        .await;
        let found: Vec<_> =
            looked.findings.iter().map(|found| (found.check.as_str(), found.status)).collect();
        assert_eq!(found, [("redis_mode", Status::Ok), ("redis", Status::Serious)]);
        assert!(looked.findings[1].finding.starts_with("the rest of it"), "{:?}", looked.findings);
    }
}
