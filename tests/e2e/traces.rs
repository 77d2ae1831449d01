//! Traces: from the tick over the queue to the brokerage, the notification and the ack.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use e2e::{Collector, Python, Span, World, fill, free_address, jsonl};
use serde_json::{Value, json};
use testbed::{Answer, Authority, FakeKite, Redis};

const PATIENCE: Duration = Duration::from_secs(60);
/// In the login at the brokerage, and in nothing else.
const TOKEN: &str = "Zq7hush-token";
/// A context as Celery's instrumentation sends it.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const SYNC: &str = "app.tasks.comprehensive_sync_task.comprehensive_account_sync";

/// A world with one account, whose programs send traces.
fn traced() -> (World, Collector) {
    let collector = Collector::new();
    let world = collector.of(World::new());
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100")])).expect(0);
    (world, collector)
}

#[track_caller]
fn only<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found: Vec<&Span> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "{name} in {spans:#?}");
    found[0]
}

/// Publishes a job as a Python producer would, with these headers besides.
fn publish(world: &World, id: &str, more: &Value) {
    let mut headers = json!({"task": SYNC, "id": id, "lang": "py"});
    let more = more.as_object().expect("headers").clone();
    headers.as_object_mut().expect("headers").extend(more);
    let properties = json!({"content_type": "application/json", "content_encoding": "utf-8", "headers": headers,
                            "correlation_id": id, "delivery_mode": 2});
    let body = r#"[["default", "Raghu", false, false], {}, {}]"#;
    assert!(world.vhost.publish("", "periodic", &properties, body.as_bytes()).expect("a message"));
}

#[test]
fn the_trace_of_a_job_goes_from_the_beat_over_the_queue_to_the_brokerage_and_the_ack() {
    let (world, collector) = traced();
    let kite = FakeKite::start().unwrap();
    world.add_login("Raghu", "kite", &kite.base_url(), TOKEN, TOKEN);
    let worker = world.worker(&[("WORKER_NAME", "w@h")]);
    let beat = world.beat(&[]);
    world.wait_for_outcomes(1);
    collector.wait_for("ack periodic", 1);
    let tick = collector.wait_for("tick", 1).remove(0);
    assert_eq!((tick.service.as_str(), tick.parent.as_str()), ("syncfleet-beat", ""));
    assert_eq!((tick.says("syncfleet.accounts"), &tick.error), ("1", &None));

    let job = collector.wait_for("process periodic", 1).remove(0);
    let trace = collector.trace(&job.trace);
    let published = only(&trace, "publish periodic");
    assert_eq!((published.service.as_str(), published.kind), ("syncfleet-beat", "SPAN_KIND_PRODUCER"));
    assert_eq!(published.instance, tick.instance);
    assert_eq!(published.parent, "", "a job is a trace of its own");
    assert_eq!(published.links, [(tick.trace.clone(), tick.id.clone())], "linked to its tick");
    assert_ne!(published.trace, tick.trace);

    assert_eq!((job.service.as_str(), job.instance.as_str()), ("syncfleet-worker", "w@h"));
    assert_eq!((job.kind, &job.parent), ("SPAN_KIND_CONSUMER", &published.id), "over the queue");
    for (name, value) in [
        ("messaging.system", "rabbitmq"),
        ("messaging.destination.name", "periodic"),
        ("messaging.operation.type", "process"),
        ("messaging.message.id", published.says("messaging.message.id")),
        ("syncfleet.task", SYNC),
        ("syncfleet.organization", "default"),
        ("syncfleet.account", "Raghu"),
        ("syncfleet.retries", "0"),
        ("syncfleet.disposition", "ack"),
    ] {
        assert_eq!(job.says(name), value, "{name}: {job:#?}");
    }
    let id = world.sql("SELECT sync_id FROM tradingdb.sync_outcomes");
    assert_eq!(job.says("messaging.message.id"), id);

    let steps = ["lease", "look", "detect", "regenerate", "compare", "snapshot", "notify", "finish"];
    let mut before = job.time.0;
    for (name, outcome) in
        steps.into_iter().zip(["taken", "ready", "completed", "done", "done", "stored", "done", "done"])
    {
        let step = only(&trace, name);
        assert_eq!((&step.parent, step.says("syncfleet.outcome")), (&job.id, outcome), "{step:#?}");
        assert!(step.time.0 >= before && step.time.1 <= job.time.1, "one after the other: {trace:#?}");
        before = step.time.1;
    }
    let ack = only(&trace, "ack periodic");
    assert_eq!(ack.parent, job.id);
    assert!(ack.time.0 >= before, "the ack is last");

    let detect = only(&trace, "detect");
    for path in ["/orders", "/trades", "/portfolio/positions", "/portfolio/holdings", "/user/margins"] {
        let request = only(&trace, &format!("GET {path}"));
        assert_eq!((request.kind, &request.parent), ("SPAN_KIND_CLIENT", &detect.id), "{request:#?}");
        assert_eq!((request.says("url.path"), request.says("http.response.status_code")), (path, "200"));
        assert_eq!(request.says("server.address"), "127.0.0.1");
    }

    let notified = only(&trace, "publish sync_notifications");
    assert_eq!(notified.parent, only(&trace, "notify").id);
    let told = world.notifications();
    assert_eq!(told[0].headers["traceparent"], notified.traceparent(), "whoever listens may go on with it");
    assert!(trace.iter().all(|span| span.error.is_none()), "{trace:#?}");
    assert!(!format!("{:?}", collector.spans()).contains("Zq7hush"), "no secret in any span");

    for process in [&worker, &beat] {
        process.terminate().unwrap();
        assert!(process.wait(PATIENCE).unwrap().success(), "{}", process.output());
    }
}

#[test]
fn every_attempt_of_a_job_and_its_dead_letter_stay_in_its_trace() {
    let (world, collector) = traced();
    let world = world.with("RETRY_MAX", "1");
    let _worker = world.worker(&[]);
    world.sql("ALTER TABLE tradingdb.account_sync_state RENAME TO state_away");
    world.syncfleet(&["sync", "Raghu"]).expect(0);
    let letters = world.dead_letters(1);
    // A worker sends its spans in the order of their ends.
    collector.wait_for_one("the dead end", |span| span.says("syncfleet.disposition") == "dead");

    let command = collector.wait_for("syncfleet sync", 1).remove(0);
    assert_eq!(command.service, "syncfleet");
    let published = collector.wait_for("publish adhoc", 1).remove(0);
    assert_eq!((published.parent.as_str(), &published.service), ("", &command.service));
    assert_eq!(published.links, [(command.trace.clone(), command.id.clone())]);
    assert_eq!(letters[0].headers["traceparent"], published.traceparent());

    let trace = collector.trace(&published.trace);
    let attempts: Vec<&Span> = trace.iter().filter(|span| span.name == "process adhoc").collect();
    assert!(attempts.iter().all(|attempt| attempt.parent == published.id), "{trace:#?}");
    let run: Vec<&&Span> =
        attempts.iter().filter(|attempt| attempt.says("syncfleet.disposition") != "park").collect();
    let ends: Vec<_> =
        run.iter().map(|run| (run.says("syncfleet.retries"), run.says("syncfleet.disposition"))).collect();
    assert_eq!(ends, [("0", "retry"), ("1", "dead")]);
    for run in run {
        assert!(run.error.as_deref().unwrap_or_default().contains("account_sync_state"), "{run:#?}");
        let lease = trace.iter().find(|span| span.name == "lease" && span.parent == run.id).unwrap();
        assert!(lease.error.as_deref().unwrap_or_default().contains("account_sync_state"), "{lease:#?}");
    }
    let copies: BTreeSet<&str> = (trace.iter().map(|span| span.name.as_str()))
        .filter(|name| name.starts_with("publish ") && *name != "publish adhoc")
        .collect();
    assert!(copies.contains("publish periodic.dead"), "{copies:?}");
    assert!(copies.iter().any(|name| name.starts_with("publish syncfleet.delay.")), "{copies:?}");
}

#[test]
fn the_jobs_of_a_job_for_all_accounts_are_linked_to_it() {
    let (world, collector) = traced();
    world.import(&jsonl(&[fill("Asha", 2, 75, "100")])).expect(0);
    let _worker = world.worker(&[]);
    let headers =
        json!({"task": "app.tasks.comprehensive_sync_task.sync_all_accounts_comprehensive", "id": "all"});
    let properties = json!({"content_type": "application/json", "content_encoding": "utf-8", "headers": headers,
                            "correlation_id": "all", "delivery_mode": 2});
    assert!(world.vhost.publish("", "periodic", &properties, b"[[], {}, {}]").unwrap());
    world.wait_for_outcomes(2);
    let all = collector.wait_for_one("all", |span| {
        span.says("messaging.message.id") == "all" && span.kind == "SPAN_KIND_CONSUMER"
    });
    let published = collector.wait_for("publish periodic", 2);
    for job in &published {
        assert_eq!(job.links, [(all.trace.clone(), all.id.clone())], "{job:#?}");
        assert_eq!(job.parent, "");
    }
    assert_ne!(published[0].trace, published[1].trace);
}

#[test]
fn the_context_of_a_python_producer_is_honoured_and_a_hostile_one_is_none() {
    let (world, collector) = traced();
    let _worker = world.worker(&[]);
    publish(
        &world,
        "instrumented",
        &json!({"traceparent": format!("00-{TRACE}-{PARENT}-01"), "tracestate": "a=b"}),
    );
    publish(&world, "unsampled", &json!({"traceparent": format!("00-{TRACE}-{PARENT}-00")}));
    let hostile = [
        json!("00-00000000000000000000000000000000-b7ad6b7169203331-01"),
        json!(format!("00-{TRACE}-{PARENT}")),
        json!(format!("ff-{TRACE}-{PARENT}-01")),
        json!("x".repeat(20_000)),
        json!(format!("00-{TRACE}-{PARENT}-01{}", "-x".repeat(2_000))),
        json!(""),
        json!(7),
        json!({"a": [1]}),
        json!(true),
    ];
    for (number, value) in hostile.iter().enumerate() {
        publish(&world, &format!("hostile-{number}"), &json!({"traceparent": value, "tracestate": value}));
    }
    let due = chrono::Utc::now() + chrono::TimeDelta::seconds(2);
    publish(&world, "early", &json!({"eta": due.to_rfc3339()}));
    // Each has an outcome: none of them is a bad message.
    world.wait_for_outcomes(3 + hostile.len());
    // Jobs of one account wait for each other, so each may have come several times.
    let acked = |collector: &Collector, id: &str| {
        collector.wait_for_one(id, |span| {
            span.says("messaging.message.id") == id && span.says("syncfleet.disposition") == "ack"
        })
    };
    let instrumented = acked(&collector, "instrumented");
    assert_eq!((instrumented.trace.as_str(), instrumented.parent.as_str()), (TRACE, PARENT));
    for (number, value) in hostile.iter().enumerate() {
        let last = acked(&collector, &format!("hostile-{number}"));
        assert_eq!(beginnings(&collector, &last), 1, "{value}: {last:#?}");
        assert_ne!(last.trace, TRACE, "{value}");
    }
    let last = acked(&collector, "early");
    assert_ne!(last.parent, "", "it was parked, and comes back as part of its first delivery's trace");
    assert_eq!(beginnings(&collector, &last), 1);
    assert!(collector.spans().iter().all(|span| span.says("messaging.message.id") != "unsampled"));
    let told = world.notifications();
    let header = |id: &str, name: &str| {
        let message = told.iter().find(|message| message.properties["message_id"] == id).unwrap();
        message.headers[name].as_str().unwrap_or_default().to_owned()
    };
    assert!(header("instrumented", "traceparent").starts_with(&format!("00-{TRACE}-")));
    assert_eq!(header("instrumented", "tracestate"), "a=b");
    assert!(header("unsampled", "traceparent").starts_with(&format!("00-{TRACE}-")));
    assert!(header("unsampled", "traceparent").ends_with("-00"));
    assert!(header("hostile-3", "traceparent").starts_with("00-"));
    assert_eq!(header("hostile-3", "tracestate"), "");
}

#[test]
fn the_jobs_of_an_instrumented_celery_are_part_of_its_traces() {
    let Some(python) = Python::new() else { return };
    let (world, collector) = traced();
    let _worker = world.worker(&[]);
    let told = python.produce(&world, &["traced"]);
    assert_eq!(told["answer"]["status"], "success", "{told}");
    let job = collector.wait_for("process periodic", 1).remove(0);
    assert_eq!(job.trace, told["trace"].as_str().unwrap());
    assert_ne!(job.parent, "");
}

/// How many spans the trace of this one begins with.
fn beginnings(collector: &Collector, span: &Span) -> usize {
    collector.trace(&span.trace).iter().filter(|span| span.parent.is_empty()).count()
}

#[test]
fn whoever_begins_a_trace_decides_whether_it_is_kept() {
    let (world, collector) = traced();
    let _worker = world.worker(&[]);
    let beat =
        world.beat(&[("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0")]);
    world.wait_for_outcomes(1);
    let told = world.notifications();
    assert!(told[0].headers["traceparent"].as_str().unwrap().ends_with("-00"), "{:?}", told[0].headers);
    beat.terminate().unwrap();
    beat.wait(PATIENCE).unwrap();
    // One that is kept comes later: had the others been, they would be here by then.
    world.syncfleet(&["sync", "Raghu"]).expect(0);
    collector.wait_for("ack adhoc", 1);
    assert!(
        collector.spans().iter().all(|span| !span.name.ends_with("periodic")),
        "{:#?}",
        collector.spans()
    );
}

#[test]
fn a_collector_that_is_away_is_said_once_and_neither_stops_jobs_nor_the_end() {
    let away = World::new()
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{}", free_address()))
        .with("OTEL_BSP_SCHEDULE_DELAY", "50");
    away.import(&jsonl(&[fill("Raghu", 1, 75, "100")])).expect(0);
    let worker = away.worker(&[]);
    let line = "traces do not reach the collector";
    for _ in 0..3 {
        assert_eq!(away.sync("Raghu")["status"], "success");
        worker.wait_for_line(line, PATIENCE).unwrap();
    }
    worker.terminate().unwrap();
    assert!(worker.wait(PATIENCE).unwrap().success(), "{}", worker.output());
    assert_eq!(worker.output().matches(line).count(), 1, "{}", worker.output());
}

#[test]
fn a_collector_that_never_answers_delays_no_job_and_the_end_by_three_seconds_at_most() {
    let (world, collector) = traced();
    collector.server().always(Some(Answer::silence()));
    let worker = world.worker(&[]);
    publish(&world, "one", &json!({}));
    world.wait_for_outcomes(1);
    publish(&world, "two", &json!({}));
    world.wait_for_outcomes(2);
    let begun = Instant::now();
    worker.terminate().unwrap();
    assert!(worker.wait(PATIENCE).unwrap().success(), "{}", worker.output());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(worker.output().contains("did not reach the collector within 3s"), "{}", worker.output());
}

#[test]
fn a_collector_that_comes_back_gets_what_comes_then_and_headers_are_sent_to_it() {
    let (world, collector) = traced();
    let world = world.with("OTEL_EXPORTER_OTLP_HEADERS", "x-key=Zq7hush%2Ckey");
    collector.server().always(Some(Answer::html(503)));
    let worker = world.worker(&[("RUST_LOG", "trace")]);
    publish(&world, "one", &json!({}));
    worker.wait_for_line("traces do not reach the collector", PATIENCE).unwrap();
    collector.server().always(None);
    publish(&world, "two", &json!({}));
    worker.wait_for_line("traces reach the collector", PATIENCE).unwrap();
    let batches = collector.server().batches();
    assert!(batches.iter().all(|batch| batch.header("x-key") == Some("Zq7hush,key")), "{batches:?}");
    assert!(!worker.output().contains("Zq7hush"), "a secret");
}

#[test]
fn the_collectors_certificate_must_be_from_the_authorities_that_are_set() {
    let authority = Authority::new().unwrap();
    // Something that speaks TLS. It is no collector: what follows the handshake fails in either case.
    let server = Redis::start_tls(&authority.certify().unwrap()).unwrap();
    let endpoint = format!("https://{}", server.tls_address().unwrap());
    let world = World::new().with("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint);
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100")])).expect(0);
    let file = world.file("collector.pem", &authority.pem());
    let said = |file: &str| {
        let mut command = world.command("syncfleet", &["sync", "Raghu"]);
        let output = command.env("OTEL_EXPORTER_OTLP_CERTIFICATE", file).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (file, is_trusted) in [("", false), (file.as_str(), true)] {
        let (code, text) = said(file);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("traces do not reach the collector https://"), "{text}");
        assert_eq!(!text.contains("UnknownIssuer"), is_trusted, "{text}");
    }
    for file in ["/nowhere.pem".to_owned(), world.file("empty.pem", "")] {
        let (code, text) = said(&file);
        assert_eq!(code, Some(78), "{text}");
        assert!(text.contains("setting OTEL_EXPORTER_OTLP_CERTIFICATE"), "{text}");
    }
}

#[test]
fn without_a_collector_messages_carry_no_context_of_ours() {
    let world = World::new();
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100")])).expect(0);
    world.syncfleet(&["sync", "Raghu"]).expect(0);
    let message = world.vhost.get("adhoc", 1).unwrap().remove(0);
    assert!(message.headers.get("traceparent").is_none(), "{}", message.headers);
    let _worker = world.worker(&[]);
    assert_eq!(world.sync("Raghu")["status"], "success");
    let told = world.notifications();
    assert!(told[0].headers.get("traceparent").is_none(), "{}", told[0].headers);
}

#[test]
fn lines_of_json_name_the_trace_they_belong_to() {
    let (world, collector) = traced();
    let worker = world.worker(&[("LOG_FORMAT", "json")]);
    publish(&world, "one", &json!({}));
    let line = worker.wait_for_line("default/Raghu synced", PATIENCE).unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    let job = collector.wait_for("process periodic", 1).remove(0);
    assert_eq!(line["trace_id"], job.trace.as_str(), "{line}");
    assert_eq!((&line["span"]["name"], &line["span"]["id"]), (&json!("job"), &json!("one")), "{line}");
    assert!(!worker.output().lines().next().unwrap().contains("trace_id"), "outside of any trace");
}
