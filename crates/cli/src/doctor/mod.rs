//! What is wrong with the servers, and how to mend it.

mod clocks;
mod database;
mod finding;
mod rabbitmq;
mod redis;

use std::future::Future;
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
    let (database, rabbitmq, redis) = tokio::join!(
        within("postgresql", database::look(servers)),
        within("rabbitmq", rabbitmq::look(arguments.job_time_limit_seconds, servers)),
        within("redis", redis::look(&arguments.redis, servers)),
    );
    let clocks = clocks::compare(&[("PostgreSQL", database.1), ("Redis", redis.1)]);
    let findings: Vec<Finding> =
        database.0.into_iter().chain(rabbitmq.0).chain(redis.0).chain(clocks).collect();
    if json {
        output::document(&findings.iter().map(Finding::to_json).collect());
    } else {
        print(&findings);
    }
    let is_serious = findings.iter().any(|finding| finding.status == Status::Serious);
    Ok(if is_serious { exit::FAILED } else { exit::DONE })
}

/// What a look found, and how far the server's clock is ahead of ours.
type Looked = (Vec<Finding>, Option<clocks::Lead>);

async fn within(server: &'static str, look: impl Future<Output = Looked>) -> Looked {
    tokio::time::timeout(LIMIT, look).await.unwrap_or_else(|_| {
        let text = format!("it was not looked at within {} s", LIMIT.as_secs());
        (vec![Finding::serious(server, text, "see whether it hangs, or the network to it")], None)
    })
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
