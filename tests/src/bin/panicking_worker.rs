//! A worker whose jobs panic if they are told to: all but what they do is the real thing. Nothing from outside makes a sync
//! panic, as far as we know; this shows what would happen.

use std::sync::Arc;
use std::time::Duration;

use queue::{
    Attempt, Consumer, ConsumerSettings, End, Ending, Handler, Publisher, RabbitUrls, RetryPolicy, WorkQueue,
};
use service::{LogArgs, LogFormat};
use tokio_util::sync::CancellationToken;

struct Panicking;

impl Handler for Panicking {
    fn knows(&self, _: &str) -> bool {
        true
    }

    async fn run(&self, attempt: Arc<Attempt>, _: CancellationToken) -> Ending {
        assert!(attempt.task.args.is_empty(), "told to panic");
        Ending::Finished(serde_json::Value::Null)
    }

    async fn conclude(&self, _: &Attempt, end: End) -> Result<End, String> {
        Ok(end)
    }

    async fn tell_result(&self, _: &celery::Waiting, _: serde_json::Value) {}
}

#[tokio::main]
async fn main() {
    let log_format = if std::env::var("LOG_FORMAT").is_ok_and(|format| format == "json") {
        LogFormat::Json
    } else {
        LogFormat::Pretty
    };
    service::init_logging(&LogArgs { log_format, rust_log: None }, "info");
    let urls = std::env::var("RABBITMQ_URL").expect("RABBITMQ_URL");
    let urls = RabbitUrls::parse(&urls).expect("a usable URL");
    let settings = ConsumerSettings {
        urls: urls.clone(),
        worker: "panicking@host".to_owned(),
        queues: vec![(WorkQueue::Periodic, 1)],
        policy: RetryPolicy { initial: Duration::from_secs(1), retries: 1, ..RetryPolicy::default() },
        time_limit: Duration::from_secs(60),
        crash_limit: 5,
        tracks_started: false,
        grace: Duration::from_secs(5),
        give_up_after: Duration::from_secs(60),
    };
    let publisher = Publisher::start(urls, "panicking@host");
    let consumer = Consumer::new(settings, Arc::new(Panicking), publisher);
    consumer.run(CancellationToken::new()).await.expect("a session");
}
