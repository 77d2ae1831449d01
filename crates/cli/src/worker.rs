use std::time::Duration;

use chrono::{DateTime, Utc};
use queue::{Answers, ask_workers, tell_workers};
use serde_json::{Value, json};
use service::exit;

use crate::ago::{ago_if_any, length};
use crate::failure::Failure;
use crate::instant::rfc3339;
use crate::output;
use crate::servers::Servers;

/// How long workers may take to answer; those of Celery are waited for as long.
const ANSWER_LIMIT: Duration = Duration::from_millis(1500);

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// The workers that answer, ours and Celery's
    List,
    /// Ask workers whether they are there: all, or those named
    Ping {
        /// Workers
        names: Vec<String>,
    },
    /// What workers run at the moment
    Inspect {
        /// Workers; all if none is named
        names: Vec<String>,
    },
    /// Make workers finish what they run and end
    Shutdown {
        /// Workers
        #[arg(required_unless_present = "all")]
        names: Vec<String>,
        /// All that answer
        #[arg(long, conflicts_with = "names")]
        all: bool,
    },
}

/// What is to be revoked.
#[derive(Debug, clap::Args)]
pub(crate) struct Revocation {
    /// Ids of jobs
    #[arg(required = true)]
    ids: Vec<String>,
    /// Also end those that run already, at their next step
    #[arg(long)]
    terminate: bool,
}

pub(crate) async fn run(command: Command, servers: &Servers, json: bool) -> Result<i32, Failure> {
    match command {
        Command::List => list(servers, json).await,
        Command::Ping { names } => ping(&names, servers, json).await,
        Command::Inspect { names } => inspect(&names, servers, json).await,
        Command::Shutdown { names, .. } => shutdown(&names, servers, json).await,
    }
}

/// Makes workers refuse jobs, and end those that run.
pub(crate) async fn revoke(revocation: Revocation, servers: &Servers, json: bool) -> Result<i32, Failure> {
    let Revocation { ids, terminate } = revocation;
    let arguments = json!({"task_id": ids, "terminate": terminate, "signal": "SIGTERM"});
    let answers = ask("revoke", &arguments, &[], servers).await?;
    if answers.is_empty() {
        return Err(nobody());
    }
    if json {
        output::document(&json!({"ids": ids, "workers": answers}));
    } else {
        output::say(&format!("told to {} workers: {}", answers.len(), ids.join(", ")));
    }
    Ok(exit::DONE)
}

async fn list(servers: &Servers, json: bool) -> Result<i32, Failure> {
    let nothing = json!({});
    let (stats, active, queues) = tokio::try_join!(
        ask("stats", &nothing, &[], servers),
        ask("active", &nothing, &[], servers),
        ask("active_queues", &nothing, &[], servers),
    )?;
    let rows: Vec<Value> = stats
        .iter()
        .map(|(name, stats)| {
            let consumed = queues.get(name).and_then(Value::as_array);
            let consumed: Vec<&Value> = consumed.into_iter().flatten().map(|queue| &queue["name"]).collect();
            let begun = stats["total"].as_object();
            let begun: u64 = begun.into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum();
            json!({"name": name, "pid": stats["pid"], "uptime_seconds": stats["uptime"],
                   "slots": stats["pool"]["max-concurrency"], "begun": begun, "queues": consumed,
                   "running": active.get(name).and_then(Value::as_array).map(Vec::len)})
        })
        .collect();
    if json {
        output::document(&Value::Array(rows));
        return Ok(exit::DONE);
    }
    if rows.is_empty() {
        output::say(
            "no worker answers: start one, `syncfleet-worker`, or read the log of one that should be there",
        );
        return Ok(exit::DONE);
    }
    let columns = ["name", "pid", "uptime_seconds", "slots", "running", "begun"];
    let cells = rows.iter().map(|row| {
        let mut cells: Vec<String> = columns.iter().map(|name| output::cell(&row[*name])).collect();
        cells[2] = uptime(&row["uptime_seconds"]);
        cells.push(words(&row["queues"]));
        cells
    });
    let heads = ["worker", "pid", "up", "slots", "running", "begun", "queues"];
    output::table(&heads, &[1, 2, 3, 4, 5], cells.collect());
    Ok(exit::DONE)
}

async fn ping(names: &[String], servers: &Servers, json: bool) -> Result<i32, Failure> {
    let answers = ask("ping", &json!({}), names, servers).await?;
    let is_there = |name: &String| answers.get(name).is_some_and(|answer| answer["ok"] == "pong");
    let asked: Vec<&String> =
        if names.is_empty() { answers.keys().collect() } else { names.iter().collect() };
    if json {
        let rows = asked.iter().map(|name| json!({"name": name, "answers": is_there(name)})).collect();
        output::document(&Value::Array(rows));
    } else {
        for name in &asked {
            let said = if is_there(name) { "is there" } else { "does not answer" };
            output::say(&format!("{name} {said}"));
        }
    }
    match asked.is_empty() {
        true => Err(nobody()),
        false if asked.into_iter().all(is_there) => Ok(exit::DONE),
        false => Ok(exit::FAILED),
    }
}

async fn inspect(names: &[String], servers: &Servers, json: bool) -> Result<i32, Failure> {
    let answers = ask("active", &json!({}), names, servers).await?;
    let (mut rows, mut started) = (Vec::new(), Vec::new());
    for (worker, active) in &answers {
        for job in active.as_array().into_iter().flatten() {
            started.push(started_at(job));
            rows.push(json!({"worker": worker, "id": job["id"], "task": job["name"], "args": job["args"],
                             "kwargs": job["kwargs"], "queue": job["delivery_info"]["routing_key"],
                             "started_at": started_at(job).map(rfc3339)}));
        }
    }
    if json {
        output::document(&Value::Array(rows));
        return Ok(exit::DONE);
    }
    let now = Utc::now();
    let cells = rows.iter().zip(started).map(|(row, started)| {
        let mut cells: Vec<String> =
            ["worker", "id", "queue"].iter().map(|name| output::cell(&row[*name])).collect();
        cells.push(ago_if_any(started, now));
        cells.push(words(&row["args"]));
        cells
    });
    output::table(&["worker", "job", "queue", "started", "arguments"], &[], cells.collect());
    Ok(exit::DONE)
}

async fn shutdown(names: &[String], servers: &Servers, json: bool) -> Result<i32, Failure> {
    // Nobody answers to a shutdown itself.
    let found = ask("ping", &json!({}), names, servers).await?;
    let missing: Vec<&String> = names.iter().filter(|name| !found.contains_key(*name)).collect();
    if let Some(name) = missing.first() {
        return Err(Failure::operation(format!(
            "no worker is called {name}: `syncfleet worker list` shows them"
        )));
    }
    if found.is_empty() {
        return Err(nobody());
    }
    let told: Vec<String> = found.into_keys().collect();
    let urls = servers.rabbit_urls()?;
    tell_workers(&urls, &servers.client, "shutdown", &json!({}), Some(&told)).await?;
    if json {
        output::document(&json!({ "told": told }));
    } else {
        output::say(&format!("told to end: {}", told.join(", ")));
    }
    Ok(exit::DONE)
}

async fn ask(
    method: &str,
    arguments: &Value,
    names: &[String],
    servers: &Servers,
) -> Result<Answers, Failure> {
    let named = (!names.is_empty()).then_some(names);
    let urls = servers.rabbit_urls()?;
    Ok(ask_workers(&urls, &servers.client, method, arguments, named, ANSWER_LIMIT).await?)
}

fn nobody() -> Failure {
    Failure::operation("no worker answers")
}

fn words(list: &Value) -> String {
    match list {
        Value::Array(items) => items.iter().map(output::cell).collect::<Vec<_>>().join(" "),
        other => output::cell(other),
    }
}

fn started_at(job: &Value) -> Option<DateTime<Utc>> {
    let seconds = job["time_start"].as_f64()?;
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970")]
    DateTime::from_timestamp_millis((seconds * 1000.0) as i64)
}

/// Celery tells seconds, ours whole ones.
fn uptime(seconds: &Value) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "seconds of a program's life")]
    seconds.as_f64().map_or_else(|| "-".to_owned(), |seconds| length(seconds as i64))
}
