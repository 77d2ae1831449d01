use celery::{Embed, NewTask};
use queue::{ConsumerSettings, End, Ending, RetryPolicy};
use serde_json::{Value, json};

use crate::support::{Bed, Script, Step, TASK, Worker, failed, quick, settings, task};

fn returns(value: Value) -> Step {
    Step::End(Ending::Finished(value))
}

fn signature(task: &str, options: Value) -> Value {
    json!({"task": task, "args": [7], "kwargs": {}, "options": options, "subtask_type": null, "immutable": false})
}

fn followed_by(id: &str, embed: Embed) -> NewTask {
    NewTask { embed, ..task(id) }
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_are_sent_with_the_result_and_a_chain_goes_on_in_its_queue() {
    let bed = Bed::new().await;
    bed.vhost.declare_queue("theirs", &json!({})).unwrap();
    let chain = vec![
        signature("theirs.last", json!({"task_id": "last", "queue": "theirs", "reply_to": "inbox"})),
        signature(TASK, json!({"task_id": "second"})),
    ];
    let callbacks = vec![signature("theirs.callback", json!({"queue": "theirs", "priority": 3}))];
    bed.enqueue_task(followed_by("first", Embed { callbacks, chain, ..Embed::default() })).await;
    let worker = bed.worker(1, Script::new(|attempt, _| returns(json!({"from": attempt.task.id}))));
    worker.script.wait_for_runs(2);
    bed.wait_for_depth("theirs", (2, 0));
    let script = bed.done(worker).await;
    assert_eq!(
        (script.ids(), script.told("second")),
        (vec!["first".into(), "second".into()], vec!["SUCCESS".into()])
    );

    let sent = bed.vhost.get("theirs", 10).unwrap();
    let body = |n: usize| serde_json::from_str::<Value>(&String::from_utf8_lossy(&sent[n].payload)).unwrap();
    assert_eq!(
        (&sent[0].headers["task"], body(0)[0].clone()),
        (&json!("theirs.callback"), json!([{"from": "first"}, 7]))
    );
    assert_eq!(
        (&sent[0].headers["parent_id"], &sent[0].properties["priority"]),
        (&json!("first"), &json!(3))
    );
    assert_eq!(
        (&sent[1].headers["id"], body(1)[0].clone()),
        (&json!("last"), json!([{"from": "second"}, 7]))
    );
    assert_eq!(
        (&sent[1].headers["root_id"], &sent[1].properties["reply_to"]),
        (&json!("first"), &json!("inbox"))
    );
    for (message, id) in [(&sent[0], &sent[0].headers["id"]), (&sent[1], &json!("last"))] {
        assert_eq!(message.properties["correlation_id"], *id);
        assert_eq!(message.properties["content_type"], "application/json");
        assert_eq!(message.properties["delivery_mode"], 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_for_good_sends_its_errbacks_and_tells_everybody_behind_it() {
    let bed = Bed::new().await;
    bed.vhost.declare_queue("theirs", &json!({})).unwrap();
    let chain =
        vec![signature("c", json!({"task_id": "third"})), signature("b", json!({"task_id": "second"}))];
    let errbacks = vec![
        signature("nobody", json!({"queue": "is not there"})),
        signature("theirs.errback", json!({"queue": "theirs"})),
    ];
    bed.enqueue_task(followed_by("first", Embed { errbacks, chain, ..Embed::default() })).await;
    let policy = RetryPolicy { retries: 1, ..quick() };
    let settings = ConsumerSettings { policy, tracks_started: true, ..settings(&bed.vhost, 1) };
    let worker = Worker::start(&bed, settings, Script::new(|_, _| failed("boom")));
    assert_eq!(bed.dead_letters(1)[0].headers["id"], "first");
    bed.wait_for_depth("theirs", (1, 0));
    let script = bed.done(worker).await;
    assert_eq!(script.told("first"), ["STARTED", "RETRY", "STARTED", "FAILURE"]);
    for behind in ["second", "third"] {
        assert_eq!(script.told(behind), ["FAILURE"], "{behind}");
    }
    let sent = &bed.vhost.get("theirs", 10).unwrap()[0];
    let body: Value = serde_json::from_slice(&sent.payload).unwrap();
    assert_eq!((&sent.headers["task"], &body[0]), (&json!("theirs.errback"), &json!(["first", 7])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_callback_has_no_queue_is_done_and_a_dead_letter_that_can_be_replayed() {
    let bed = Bed::new().await;
    let chain = vec![signature("theirs", json!({"task_id": "second", "queue": "not yet there"}))];
    bed.enqueue_task(followed_by("first", Embed { chain, ..Embed::default() })).await;
    let worker = bed.worker(1, Script::new(|_, _| returns(json!(1))));
    let letters = bed.dead_letters(1);
    assert_eq!(letters[0].headers["syncfleet-reason"], "unroutable_callback");
    let error = letters[0].headers["syncfleet-error"].as_str().unwrap();
    assert!(error.contains("theirs (second) for not yet there"), "{error}");
    let script = bed.done(worker).await;
    assert_eq!(script.told("second"), ["FAILURE"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_ignores_results_is_told_nothing() {
    let bed = Bed::new().await;
    bed.enqueue_task(NewTask { ignore_result: Some(true), ..task("well") }).await;
    bed.enqueue_task(NewTask { ignore_result: Some(true), ..task("badly") }).await;
    let policy = RetryPolicy { retries: 0, ..quick() };
    let settings = ConsumerSettings { policy, tracks_started: true, ..settings(&bed.vhost, 1) };
    let script = Script::new(|attempt, _| match attempt.task.id.as_str() {
        "well" => returns(json!(1)),
        _ => failed("boom"),
    });
    let worker = Worker::start(&bed, settings, script);
    bed.dead_letters(1);
    assert_eq!(bed.done(worker).await.results(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_of_somebody_elses_holds_no_slot_for_long() {
    let bed = Bed::new().await;
    bed.vhost.declare_queue("full", &json!({"x-max-length": 0, "x-overflow": "reject-publish"})).unwrap();
    let callbacks = vec![signature("theirs", json!({"queue": "full"}))];
    bed.enqueue_task(followed_by("first", Embed { callbacks, ..Embed::default() })).await;
    bed.enqueue("next").await;
    let worker = bed.worker(1, Script::new(|_, _| returns(json!(1))));
    worker.script.wait_for_runs(2);
    assert_eq!(bed.dead_letters(1)[0].headers["syncfleet-reason"], "unroutable_callback");
    assert_eq!(bed.done(worker).await.ids(), ["first", "next"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_behind_a_job_that_had_failed_before_is_told_when_its_worker_died_in_between() {
    let bed = Bed::new().await;
    let chain = vec![signature(TASK, json!({"task_id": "second"}))];
    bed.enqueue_task(followed_by("first", Embed { chain, ..Embed::default() })).await;
    let dead = || End::Dead { reason: "retries_exhausted".into(), error: "boom".into(), report: None };
    let worker = bed.worker(1, Script::new(move |_, _| Step::End(Ending::EndedBefore(dead()))));
    worker.script.wait_for_runs(1);
    let script = bed.done(worker).await;
    assert_eq!(
        (script.told("first"), script.told("second")),
        (vec!["FAILURE".into()], vec!["FAILURE".into()])
    );
    assert_eq!(script.concluded(), Vec::<Value>::new());
}
