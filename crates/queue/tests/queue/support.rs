use std::sync::{Arc, Mutex};
use std::time::Duration;

use celery::{NewTask, Waiting};
use chrono::{DateTime, Utc};
use queue::{
    Attempt, Consumer, ConsumerSettings, DEAD_QUEUE, End, Ending, Handler, Message, Publisher, QueueError,
    RabbitUrls, RetryPolicy, WorkQueue,
};
use serde_json::{Value, json};
use testbed::{Vhost, wait_until};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The only task that the workers of the tests know.
pub(crate) const TASK: &str = "tests.job";
/// Long enough for a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A vhost with everything declared, and a publisher into it.
pub(crate) struct Bed {
    pub(crate) vhost: Vhost,
    pub(crate) publisher: Publisher,
}

impl Bed {
    pub(crate) async fn new() -> Self {
        Self::on(Vhost::create().unwrap()).await
    }

    pub(crate) async fn on(vhost: Vhost) -> Self {
        let publisher = Publisher::start(urls(&vhost), "test");
        publisher.connected(SOON).await.unwrap();
        Self { vhost, publisher }
    }

    /// A worker of `slots` on `periodic` that runs by a script.
    pub(crate) fn worker(&self, slots: usize, script: Script) -> Worker {
        Worker::start(self, settings(&self.vhost, slots), script)
    }

    /// Enqueues a job and waits for the confirm.
    pub(crate) async fn enqueue(&self, id: &str) {
        self.publisher.publish(job(id)).await.unwrap();
    }

    pub(crate) async fn enqueue_task(&self, task: NewTask) {
        let id = task.id.clone();
        self.publisher.publish(Message::job(WorkQueue::Periodic, id, celery::encode(&task))).await.unwrap();
    }

    /// Waits until a queue has so many messages (ready, delivered and not acked).
    pub(crate) fn wait_for_depth(&self, queue: &str, depth: (u64, u64)) {
        let what = format!("{queue} has {depth:?}, ready and unacked");
        wait_until(&what, SOON, || self.vhost.queue_depth(queue).is_ok_and(|found| found == depth));
    }

    /// Waits until every message of the work queues is done with, stops the worker, and makes sure that it gave none
    /// back: depths may be half a second old, what can be fetched is not.
    pub(crate) async fn done(&self, worker: Worker) -> Arc<Script> {
        for queue in WorkQueue::ALL {
            self.wait_for_depth(queue.name(), (0, 0));
        }
        let script = worker.stop().await;
        for queue in WorkQueue::ALL {
            assert_eq!(self.vhost.get(queue.name(), 10).unwrap(), [], "{}", queue.name());
        }
        script
    }

    /// The dead letters, once there are so many.
    pub(crate) fn dead_letters(&self, count: u64) -> Vec<testbed::Message> {
        self.wait_for_depth(DEAD_QUEUE, (count, 0));
        self.vhost.get(DEAD_QUEUE, 100).unwrap()
    }
}

pub(crate) fn urls(vhost: &Vhost) -> RabbitUrls {
    RabbitUrls::parse(&vhost.url()).unwrap()
}

pub(crate) fn task(id: &str) -> NewTask {
    NewTask { args: vec![json!("org"), json!("Raghu")], ..NewTask::new(id, TASK, "test") }
}

pub(crate) fn job(id: &str) -> Message {
    job_for(WorkQueue::Periodic, id)
}

pub(crate) fn job_for(queue: WorkQueue, id: &str) -> Message {
    Message::job(queue, id.to_owned(), celery::encode(&task(id)))
}

/// Retries twice, as soon as the shortest delay step allows.
pub(crate) fn quick() -> RetryPolicy {
    RetryPolicy {
        initial: Duration::from_millis(100),
        multiplier: 1.0,
        max: Duration::from_millis(100),
        jitter: 0.0,
        retries: 2,
    }
}

pub(crate) fn settings(vhost: &Vhost, slots: usize) -> ConsumerSettings {
    ConsumerSettings {
        urls: urls(vhost),
        worker: "worker-1".into(),
        queues: vec![(WorkQueue::Periodic, slots)],
        policy: quick(),
        time_limit: Duration::from_secs(60),
        crash_limit: 2,
        tracks_started: false,
        grace: Duration::from_secs(20),
        give_up_after: Duration::from_secs(60),
    }
}

/// What a run does.
pub(crate) enum Step {
    End(Ending),
    Panic,
    /// Finishes when the script's gate opens, or is interrupted when it is told to stop.
    Wait,
    /// Finishes when the gate opens and does not listen.
    Deaf,
}

pub(crate) fn finished() -> Step {
    Step::End(Ending::Finished(serde_json::Value::Null))
}

pub(crate) fn failed(error: &str) -> Step {
    Step::End(Ending::Failed {
        error: error.into(),
        retry_after: None,
        report: Some(json!({"left by": error})),
    })
}

/// One run as the handler saw it.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) retries: u32,
    pub(crate) eta: Option<DateTime<Utc>>,
    pub(crate) last_error: Option<String>,
    pub(crate) began: DateTime<Utc>,
}

type Plan = dyn Fn(&Attempt, usize) -> Step + Send + Sync;

/// A handler that does what it is told and remembers everything.
pub(crate) struct Script {
    plan: Box<Plan>,
    /// Lets waiting runs finish.
    pub(crate) gate: CancellationToken,
    runs: Mutex<Vec<Run>>,
    finished: Mutex<Vec<String>>,
    concluded: Mutex<Vec<Value>>,
    results: Mutex<Vec<(Waiting, Value)>>,
    failing_conclusions: Mutex<usize>,
}

impl Script {
    /// `plan` says what a run does, by its attempt and the number of runs of that job before it.
    pub(crate) fn new(plan: impl Fn(&Attempt, usize) -> Step + Send + Sync + 'static) -> Self {
        Self {
            plan: Box::new(plan),
            gate: CancellationToken::new(),
            runs: Mutex::default(),
            finished: Mutex::default(),
            concluded: Mutex::default(),
            results: Mutex::default(),
            failing_conclusions: Mutex::default(),
        }
    }

    /// The first conclusions fail, so many.
    pub(crate) fn failing_conclusions(self, count: usize) -> Self {
        *self.failing_conclusions.lock().unwrap() = count;
        self
    }

    pub(crate) fn runs(&self) -> Vec<Run> {
        self.runs.lock().unwrap().clone()
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.runs().into_iter().map(|run| run.id).collect()
    }

    /// Ids of the runs that came to their own end.
    pub(crate) fn finished(&self) -> Vec<String> {
        self.finished.lock().unwrap().clone()
    }

    pub(crate) fn concluded(&self) -> Vec<Value> {
        self.concluded.lock().unwrap().clone()
    }

    /// What was told to whom, in order.
    pub(crate) fn results(&self) -> Vec<(Waiting, Value)> {
        self.results.lock().unwrap().clone()
    }

    /// The statuses told to those who wait for this id, in order.
    pub(crate) fn told(&self, id: &str) -> Vec<String> {
        let results = self.results();
        let of_id = results.iter().filter(|(waiting, _)| waiting.id == id);
        of_id.map(|(_, result)| result["status"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn wait_for_runs(&self, count: usize) {
        wait_until(&format!("{count} runs have begun"), SOON, || self.runs().len() >= count);
    }
}

impl Handler for Script {
    fn knows(&self, task: &str) -> bool {
        task == TASK
    }

    async fn run(&self, attempt: Arc<Attempt>, stop: CancellationToken) -> Ending {
        let before = {
            let mut runs = self.runs.lock().unwrap();
            let before = runs.iter().filter(|run| run.id == attempt.task.id).count();
            runs.push(Run {
                id: attempt.task.id.clone(),
                retries: attempt.task.retries,
                eta: attempt.task.eta,
                last_error: attempt.last_error.clone(),
                began: Utc::now(),
            });
            before
        };
        let ending = match (self.plan)(&attempt, before) {
            Step::End(ending) => ending,
            Step::Panic => panic!("as told"),
            Step::Wait => tokio::select! {
                () = self.gate.cancelled() => Ending::Finished(serde_json::Value::Null),
                () = stop.cancelled() => return Ending::Interrupted,
            },
            Step::Deaf => {
                self.gate.cancelled().await;
                Ending::Finished(serde_json::Value::Null)
            }
        };
        self.finished.lock().unwrap().push(attempt.task.id.clone());
        ending
    }

    async fn conclude(&self, attempt: &Attempt, end: End) -> Result<End, String> {
        {
            let mut failing = self.failing_conclusions.lock().unwrap();
            if *failing > 0 {
                *failing -= 1;
                return Err("nobody to tell".into());
            }
        }
        let shown = match end.clone() {
            End::Finished(_) => panic!("it is concluded though it finished"),
            End::Expired => json!({"id": attempt.task.id, "end": "expired"}),
            End::FailedAndExpired { error } => {
                json!({"id": attempt.task.id, "end": "failed and expired", "error": error})
            }
            End::Revoked { is_terminated } => {
                json!({"id": attempt.task.id, "end": "revoked", "terminated": is_terminated})
            }
            End::Dead { reason, error, report } => {
                json!({"id": attempt.task.id, "end": "dead", "reason": reason, "error": error, "report": report})
            }
        };
        self.concluded.lock().unwrap().push(shown);
        Ok(end)
    }

    async fn tell_result(&self, waiting: &Waiting, result: Value) {
        self.results.lock().unwrap().push((waiting.clone(), result));
    }
}

/// A consumer that runs in the background.
pub(crate) struct Worker {
    pub(crate) script: Arc<Script>,
    pub(crate) stop: CancellationToken,
    running: JoinHandle<Result<(), QueueError>>,
}

impl Worker {
    pub(crate) fn start(bed: &Bed, settings: ConsumerSettings, script: Script) -> Self {
        let (script, stop) = (Arc::new(script), CancellationToken::new());
        let consumer = Consumer::new(settings, Arc::clone(&script), bed.publisher.clone());
        let token = stop.clone();
        Self { script, stop, running: tokio::spawn(async move { consumer.run(token).await }) }
    }

    /// Waits for the end of a drain.
    pub(crate) async fn ended(self) -> Arc<Script> {
        tokio::time::timeout(SOON, self.running).await.expect("it drains in time").unwrap().unwrap();
        self.script
    }

    pub(crate) async fn stop(self) -> Arc<Script> {
        self.stop.cancel();
        self.ended().await
    }
}

/// The consumers of a queue as (tag, prefetch).
pub(crate) fn consumers(vhost: &Vhost, queue: &str) -> Vec<(String, u64)> {
    let found = vhost.api("GET", &format!("/api/consumers/{}", vhost.name()), None).unwrap();
    let of_queue = found.as_array().unwrap().iter().filter(|consumer| consumer["queue"]["name"] == queue);
    of_queue
        .map(|consumer| {
            assert_eq!(consumer["ack_required"], true);
            (
                consumer["consumer_tag"].as_str().unwrap().to_owned(),
                consumer["prefetch_count"].as_u64().unwrap(),
            )
        })
        .collect()
}
