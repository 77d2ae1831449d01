//! Jobs that do nothing: what the queue itself costs. On a RabbitMQ that is there, as `cargo xtask bench` calls it:
//! `noop URL COUNT [SLOTS]`. Persistent messages, a quorum queue, confirms, manual acks. Prints jobs a second as JSON.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use celery::{NewTask, Waiting};
use queue::{
    Attempt, Consumer, ConsumerSettings, End, Ending, Handler, Message, Publisher, RabbitUrls, RetryPolicy,
    WorkQueue,
};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

const TASK: &str = "noop";
const PATIENCE: Duration = Duration::from_secs(300);
/// Jobs enqueued with one call.
const BATCH: usize = 10_000;

/// Does nothing, and counts.
struct Nothing {
    wanted: usize,
    done: AtomicUsize,
    begun: OnceLock<Instant>,
    all_done: Notify,
}

impl Handler for Nothing {
    fn knows(&self, task: &str) -> bool {
        task == TASK
    }

    async fn run(&self, _attempt: Arc<Attempt>, _stop: CancellationToken) -> Ending {
        self.begun.get_or_init(Instant::now);
        if self.done.fetch_add(1, Ordering::Relaxed) + 1 == self.wanted {
            self.all_done.notify_one();
        }
        Ending::Finished(Value::Null)
    }

    async fn conclude(&self, _attempt: &Attempt, end: End) -> Result<End, String> {
        Ok(end)
    }

    async fn tell_result(&self, _waiting: &Waiting, _result: Value) {}
}

#[tokio::main]
async fn main() {
    // Cargo adds words of its own, such as `--bench`.
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let url = words.next().expect("a URL of RabbitMQ");
    let wanted: usize = words.next().and_then(|count| count.parse().ok()).expect("a number of jobs");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // By default as many as a worker has.
    let slots = words.next().map_or(64 * cores, |slots| slots.parse().expect("a number of slots"));

    let urls = RabbitUrls::parse(&url).expect("a URL of RabbitMQ");
    let publisher = Publisher::start(urls.clone(), "bench");
    publisher.connected(PATIENCE).await.expect("RabbitMQ");
    for first in (0..wanted).step_by(BATCH) {
        let jobs = (first..wanted.min(first + BATCH)).map(job).collect();
        publisher.publish_all(jobs).await.expect("all jobs are taken");
    }

    let (done, begun, all_done) = (AtomicUsize::new(0), OnceLock::new(), Notify::new());
    let handler = Arc::new(Nothing { wanted, done, begun, all_done });
    let settings = ConsumerSettings {
        urls,
        worker: "bench@host".to_owned(),
        queues: vec![(WorkQueue::Periodic, slots)],
        policy: RetryPolicy::default(),
        time_limit: PATIENCE,
        crash_limit: 5,
        tracks_started: false,
        grace: PATIENCE,
        give_up_after: PATIENCE,
    };
    let consumer = Consumer::new(settings, Arc::clone(&handler), publisher);
    tokio::spawn(async move { consumer.run(CancellationToken::new()).await });
    tokio::time::timeout(PATIENCE, handler.all_done.notified()).await.expect("all jobs are done in time");
    let seconds = handler.begun.get().map_or(f64::NAN, |begun| begun.elapsed().as_secs_f64());
    println!("{}", json!({ "per_second": wanted as f64 / seconds, "slots": slots }));
}

fn job(number: usize) -> Message {
    let id = format!("00000000-0000-4000-8000-{number:012}");
    let mut task = NewTask::new(&id, TASK, "bench");
    task.args = vec![json!("org1"), json!(format!("acct-{number:06}"))];
    task.ignore_result = Some(true);
    Message::job(WorkQueue::Periodic, id, celery::encode(&task))
}
