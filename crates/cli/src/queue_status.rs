use std::time::Duration;

use chrono::Utc;
use pipeline::Fleet;
use queue::{QueueDepth, QueueDepths, WorkQueue, queue_names};
use serde_json::{Value, json};
use service::exit;
use storage::Storage;

use crate::ago::length;
use crate::failure::Failure;
use crate::management::Management;
use crate::output;
use crate::servers::Servers;

/// What the management API is asked for.
const COLUMNS: &str = "columns=name,messages_unacknowledged,message_stats";

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Depths, rates, consumers and ages of the work queues, the dead letters and the delay steps
    ///
    /// Unacked messages and rates are told by RabbitMQ's management API only: set RABBITMQ_MANAGEMENT_URL. The age is that of
    /// the oldest job that is due and has not ended, as far as PostgreSQL knows: of jobs that Python enqueued it knows none.
    Status(Arguments),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Look again every so many seconds, and draw anew
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    watch: Option<u64>,
}

pub(crate) async fn run(
    Command::Status(arguments): Command,
    servers: &Servers,
    json: bool,
) -> Result<i32, Failure> {
    let depths = QueueDepths::open(&servers.rabbit_urls()?, &servers.client).await?;
    let management = Management::new(servers).unwrap_or_else(|error| {
        output::complain(&format!("the management API cannot be asked, so less is known: {error}"));
        None
    });
    let storage = servers.storage()?;
    loop {
        let rows = look(&depths, management.as_ref(), &storage).await?;
        let is_read = match arguments.watch {
            None if json => output::document(&Value::Array(rows)),
            Some(_) if json => output::say(&Value::Array(rows).to_string()),
            watch => {
                if watch.is_some() {
                    output::redraw(&format!(
                        "{}  every {} s, Ctrl-C ends",
                        Utc::now().format("%H:%M:%S UTC"),
                        watch.unwrap_or_default()
                    ));
                }
                print(&rows)
            }
        };
        match arguments.watch {
            Some(seconds) if is_read => tokio::time::sleep(Duration::from_secs(seconds)).await,
            _ => break,
        }
    }
    depths.close().await;
    Ok(exit::DONE)
}

async fn look(
    depths: &QueueDepths,
    management: Option<&Management>,
    storage: &Storage,
) -> Result<Vec<Value>, Failure> {
    let depths = depths.read().await?;
    let told = match management {
        None => Vec::new(),
        Some(management) => match management.queues(&queue_names(), Some(COLUMNS)).await {
            Ok(queues) => queues,
            Err(error) => {
                output::complain(&format!("the management API did not answer, so less is known: {error}"));
                Vec::new()
            }
        },
    };
    let mut rows = Vec::new();
    for depth in &depths {
        let oldest = match WorkQueue::parse(&depth.name) {
            Some(queue) if depth.ready > 0 => oldest_seconds(queue, depth.ready, storage).await,
            _ => None,
        };
        rows.push(row(depth, &told, oldest));
    }
    Ok(rows)
}

/// What AMQP says, and what only others can say; `null` where nobody does.
fn row(depth: &QueueDepth, told: &[Value], oldest: Option<i64>) -> Value {
    let more = told.iter().find(|queue| queue["name"] == depth.name.as_str()).unwrap_or(&Value::Null);
    // Until the first message of its kind nothing is said of a rate.
    let rate = |name: &str| match more.is_null() {
        true => Value::Null,
        false => json!(more["message_stats"][name]["rate"].as_f64().unwrap_or_default()),
    };
    json!({"name": depth.name, "ready": depth.ready, "unacked": more["messages_unacknowledged"],
           "consumers": depth.consumers, "oldest_seconds": oldest, "publish_rate": rate("publish_details"),
           "deliver_rate": rate("deliver_get_details"), "ack_rate": rate("ack_details")})
}

/// The age of the oldest job that waits; `None` where nobody knows, or PostgreSQL does not answer.
async fn oldest_seconds(queue: WorkQueue, ready: u32, storage: &Storage) -> Option<i64> {
    match queue {
        WorkQueue::Adhoc => {
            let oldest = storage.oldest_enqueued(queue.name(), ready).await.ok()??;
            Some((storage.now().await.ok()? - oldest).num_seconds().max(0))
        }
        WorkQueue::Periodic => {
            let (interval, spread) = storage.tick_pace(pipeline::SCHEDULE).await.ok()??;
            let pace =
                [interval, spread].map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default());
            let age =
                Fleet::new(storage.clone(), pipeline::SCHEDULE, pace[0], pace[1]).queue_age().await.ok()?;
            #[expect(clippy::cast_possible_truncation, reason = "seconds")]
            (age > 0.0).then_some(age as i64)
        }
    }
}

fn print(rows: &[Value]) -> bool {
    let number = |value: &Value| value.as_f64().map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"));
    let cells = rows.iter().map(|row| {
        let mut cells: Vec<String> =
            ["name", "ready", "unacked", "consumers"].iter().map(|name| output::cell(&row[*name])).collect();
        cells.push(row["oldest_seconds"].as_i64().map_or_else(|| "-".to_owned(), length));
        cells.extend(["publish_rate", "deliver_rate", "ack_rate"].map(|name| number(&row[name])));
        cells
    });
    let heads = ["queue", "ready", "unacked", "consumers", "oldest", "in/s", "out/s", "acked/s"];
    output::table(&heads, &[1, 2, 3, 4, 5, 6, 7], cells.collect())
}
