use serde_json::json;

use super::*;
use crate::{Envelope, decode, parse_time};

fn now() -> DateTime<Utc> {
    parse_time("2026-11-22T13:14:58Z").unwrap()
}

fn task(embed: &Value) -> TaskMessage {
    let headers = json!({"task": "app.tasks.sync", "id": "job-1", "root_id": "root"});
    let body = json!([[], {}, embed]).to_string();
    let envelope = Envelope {
        content_type: Some("application/json"),
        content_encoding: Some("utf-8"),
        correlation_id: None,
        headers: headers.as_object().unwrap(),
        body: body.as_bytes(),
    };
    decode(&envelope).unwrap()
}

fn after_success(embed: &Value) -> Vec<FollowUp> {
    let task = task(embed);
    Sequel::of(&task).unwrap().after_success(&task, &json!({"status": "success"}), "syncfleet@h", now())
}

fn refusal(embed: &Value) -> String {
    Sequel::of(&task(embed)).unwrap_err().to_string()
}

fn body(follow_up: &FollowUp) -> Value {
    serde_json::from_slice(&follow_up.encoded.body).unwrap()
}

fn signature(task: &str, options: Value) -> Value {
    json!({"task": task, "args": [], "kwargs": {}, "options": options, "subtask_type": null, "immutable": false})
}

/// The captured message with this label.
fn captured(label: &str) -> Value {
    let frames: Vec<Value> = serde_json::from_str(include_str!("../../tests/captures/tasks.json")).unwrap();
    let frame = frames.into_iter().find(|frame| frame["label"] == label).unwrap();
    serde_json::from_str::<Value>(frame["body_raw"].as_str().unwrap()).unwrap()[2].take()
}

#[test]
fn a_task_that_nothing_follows_is_followed_by_nothing() {
    assert_eq!(
        after_success(&json!({"callbacks": null, "errbacks": null, "chain": null, "chord": null})),
        []
    );
    assert_eq!(waiting(&Embed::default()), []);
}

#[test]
fn a_captured_chain_goes_on_with_the_result_first_and_the_rest_behind() {
    let embed = captured("chain");
    let sent = after_success(&embed);
    let [next] = sent.as_slice() else { panic!("{sent:?}") };
    assert_eq!(
        (next.id.as_str(), next.task.as_str()),
        ("4abe88be-05be-43da-a3c1-e408eaa4daca", "app.tasks.add")
    );
    assert_eq!(next.queue.as_deref(), Some("periodic"));
    assert_eq!(next.reply_to.as_deref(), Some("d55e3a9a-f82e-38f1-8954-2e7db8899b90"));
    let headers = &next.encoded.headers;
    assert_eq!((&headers["root_id"], &headers["parent_id"]), (&json!("root"), &json!("job-1")));
    let rest = json!([embed["chain"][0]]);
    let follows = json!({"callbacks": null, "errbacks": null, "chain": rest, "chord": null});
    assert_eq!(body(next), json!([[{"status": "success"}, 3], {}, follows]));
    let ids: Vec<String> = waiting(&task(&embed).embed).into_iter().map(|waiting| waiting.id).collect();
    assert_eq!(ids, ["4abe88be-05be-43da-a3c1-e408eaa4daca", "a9ba6b76-4796-4e36-82af-c73d150ca6ed"]);
}

#[test]
fn captured_callbacks_get_the_result_and_errbacks_the_id() {
    let embed = captured("link+link_error");
    let sent = after_success(&embed);
    assert_eq!(body(&sent[0])[0], json!([{"status": "success"}, 10]));
    assert_eq!((sent.len(), sent[0].task.as_str(), &sent[0].queue), (1, "app.tasks.add", &None));
    let task = task(&embed);
    let failed = super::after_failure(&task, "syncfleet@h", now());
    assert_ne!(failed[0].id, sent[0].id, "each has an id of its own");
    let sent = failed;
    assert_eq!(
        (sent.len(), sent[0].task.as_str(), body(&sent[0])[0].clone()),
        (1, "app.tasks.onerr", json!(["job-1"]))
    );
}

#[test]
fn no_more_errbacks_are_sent_than_may_follow() {
    let group = of("celery.group", &vec![signature("a", json!({})); 90], json!({}));
    let task = task(&json!({"errbacks": [group, group, signature("b", json!({}))]}));
    let sent = super::after_failure(&task, "syncfleet@h", now());
    assert_eq!((sent.len(), sent[90].task.as_str()), (91, "b"));
}

#[test]
fn what_is_sent_again_has_the_same_id() {
    let embed = json!({"callbacks": [signature("a", json!({})), signature("a", json!({}))]});
    let (once, again) = (after_success(&embed), after_success(&embed));
    assert_eq!(once, again);
    assert_ne!(once[0].id, once[1].id);
}

#[test]
fn an_immutable_signature_takes_no_result() {
    let mut callback = signature("a", json!({}));
    callback["immutable"] = json!(true);
    callback["args"] = json!([7]);
    assert_eq!(body(&after_success(&json!({"callbacks": [callback]}))[0])[0], json!([7]));
}

#[test]
fn options_become_headers_and_properties() {
    let options = json!({"queue": "q", "countdown": 2.5, "expires": 60, "priority": 7, "time_limit": 9,
                         "soft_time_limit": 8, "ignore_result": true, "shadow": "shown", "headers": {"x-tenant": "t"},
                         "link": [signature("b", json!({}))], "link_error": signature("c", json!({})),
                         "group_id": "g", "group_index": 3, "chord": signature("d", json!({}))});
    let sent = after_success(&json!({"callbacks": [signature("a", options)]}));
    let headers = &sent[0].encoded.headers;
    for (header, value) in [
        ("eta", json!("2026-11-22T13:15:00.500000+00:00")),
        ("expires", json!("2026-11-22T13:15:58+00:00")),
        ("timelimit", json!([9.0, 8.0])),
        ("ignore_result", json!(true)),
        ("shadow", json!("shown")),
        ("x-tenant", json!("t")),
        ("group", json!("g")),
        ("group_index", json!(3)),
    ] {
        assert_eq!(headers[header], value, "{header}");
    }
    assert_eq!((sent[0].priority, sent[0].queue.as_deref()), (Some(7), Some("q")));
    let embed = &body(&sent[0])[2];
    assert_eq!((&embed["callbacks"][0]["task"], &embed["errbacks"][0]["task"]), (&json!("b"), &json!("c")));
    assert_eq!(embed["chord"]["task"], "d");
}

fn of(kind: &str, tasks: &[Value], options: Value) -> Value {
    let mut signature = signature(kind, options);
    signature["kwargs"] = json!({ "tasks": tasks });
    signature
}

#[test]
fn a_group_is_sent_member_by_member_with_its_options_and_of_a_chain_the_last_is_the_member() {
    let chain = of("celery.chain", &[signature("b", json!({})), signature("c", json!({}))], json!({}));
    let members = [signature("a", json!({"task_id": "a-1"})), chain];
    let group = of("celery.group", &members, json!({"task_id": "group-1", "queue": "q"}));
    let sent = after_success(&json!({"chain": [group]}));
    let header = |n: usize, name: &str| sent[n].encoded.headers[name].clone();
    assert_eq!((sent[0].id.as_str(), sent[0].task.as_str(), sent[1].task.as_str()), ("a-1", "a", "b"));
    assert_eq!((header(0, "group"), header(0, "group_index")), (json!("group-1"), json!(0)));
    assert_eq!((header(1, "group"), header(1, "group_index")), (Value::Null, Value::Null));
    assert_eq!((sent[0].queue.as_deref(), sent[1].queue.as_deref()), (Some("q"), Some("q")));
    let last = &body(&sent[1])[2]["chain"][0];
    assert_eq!(
        (&last["task"], &last["options"]),
        (&json!("c"), &json!({"group_id": "group-1", "group_index": 1}))
    );
}

#[test]
fn options_of_a_chain_are_its_firsts_but_for_what_its_end_means() {
    let tasks = [signature("b", json!({})), signature("c", json!({"link": [signature("own", json!({}))]}))];
    let options = json!({"queue": "q", "countdown": 9, "task_id": "last", "link": [signature("more", json!({}))],
                         "link_error": [signature("oops", json!({}))]});
    let mut chain = of("celery.chain", &tasks, options);
    chain["immutable"] = json!(true);
    let sent = after_success(&json!({"callbacks": [chain]}));
    assert_eq!((sent[0].queue.as_deref(), body(&sent[0])[0].clone()), (Some("q"), json!([])));
    assert_eq!(sent[0].encoded.headers["eta"], "2026-11-22T13:15:07+00:00");
    let embed = &body(&sent[0])[2];
    assert_eq!(embed["errbacks"][0]["task"], "oops");
    let options = &embed["chain"][0]["options"];
    let links: Vec<&str> =
        options["link"].as_array().unwrap().iter().filter_map(|link| link["task"].as_str()).collect();
    assert_eq!((links, &options["task_id"]), (vec!["own", "more"], &json!("last")));
    assert_eq!(options["link_error"][0]["task"], "oops");
}

#[test]
fn datetimes_and_stamps_are_understood_and_headers_that_act_are_left_out() {
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    let options = json!({"eta": {"__type__": "datetime", "__value__": "2027-01-01T00:00:00+00:00"},
                         "stamped_headers": ["x"], "x": ["a"],
                         "headers": {"CC": 1, "bcc": ["periodic"], "compression": "zlib", "syncfleet-reason": "x",
                                     "x-death": [], "deep": deep, "x-tenant": "t"}});
    let sent = after_success(&json!({"callbacks": [signature("a", options)]}));
    let headers = &sent[0].encoded.headers;
    assert_eq!(headers["eta"], "2027-01-01T00:00:00+00:00");
    assert_eq!((&headers["stamped_headers"], &headers["stamps"]), (&json!(["x"]), &json!({"x": ["a"]})));
    assert_eq!(headers["x-tenant"], "t");
    for dropped in ["CC", "bcc", "compression", "syncfleet-reason", "x-death", "deep"] {
        assert!(!headers.contains_key(dropped), "{dropped}");
    }
}

#[test]
fn what_cannot_be_sent_is_refused_before_the_task_runs() {
    let group = |options| of("celery.group", &[signature("a", json!({}))], options);
    let many = vec![json!({"task": "a"}); 1000];
    let mut with_arguments = group(json!({}));
    with_arguments["args"] = json!([7]);
    let deep = (0..40).fold(signature("a", json!({})), |inner, _| of("celery.group", &[inner], json!({})));
    for (embed, word) in [
        (captured("chord[0]"), "chord"),
        (json!({"callbacks": [of("celery.chord", &[], json!({}))]}), "chord"),
        // The next one is the last of the list.
        (json!({"chain": [signature("after", json!({})), group(json!({}))]}), "chord"),
        (json!({"callbacks": [group(json!({"link": [signature("a", json!({}))]}))]}), "chord"),
        (json!({"errbacks": [signature("a", json!({"exchange": "e"}))]}), "queue"),
        (json!({"errbacks": [signature("a", json!({"queue": {"name": "q"}}))]}), "queue is {"),
        (json!({"callbacks": [signature("a", json!({"queue": "amq.rabbitmq.reply-to"}))]}), "queue is"),
        (json!({"callbacks": [signature("a", json!({"reply_to": "amq.rabbitmq.reply-to"}))]}), "reply_to is"),
        (json!({"callbacks": [signature("a", json!({"eta": "soon"}))]}), "eta is"),
        (json!({"callbacks": [signature("a", json!({"countdown": []}))]}), "countdown is"),
        (json!({"callbacks": [signature("a", json!({"serializer": "pickle"}))]}), "pickle"),
        (json!({"callbacks": [signature("a", json!({"link": "x"}))]}), "link is"),
        (json!({"callbacks": [of("celery.chain", &many, json!({"link_error": many}))]}), "too large"),
        (
            json!({"callbacks": [of("celery.group", &many, json!({"headers": {"x": "y".repeat(10_000)}}))]}),
            "too large",
        ),
        (json!({"callbacks": [7]}), "signature is 7"),
        (json!({"callbacks": [{}]}), "no task"),
        (json!({"callbacks": vec![signature("a", json!({})); 101]}), "more than 100"),
        (json!({"chain": [of("celery.chain", &[], json!({}))]}), "no tasks"),
        (json!({"callbacks": [with_arguments]}), "as a whole"),
        (json!({"chain": [deep]}), "too deeply"),
    ] {
        let error = refusal(&embed);
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn who_waits_for_the_body_of_a_chord_is_known() {
    // As `sync | group(a, b) | c` is written, whose caller waits for the body.
    let body = signature("c", json!({"task_id": "body"}));
    let mut chord = signature("celery.chord", json!({"task_id": "header"}));
    chord["kwargs"] = json!({"header": of("celery.group", &[signature("a", json!({"task_id": "a-1"}))], json!({})), "body": body});
    let ids: Vec<String> =
        waiting(&task(&json!({"chain": [chord]})).embed).into_iter().map(|waiting| waiting.id).collect();
    assert_eq!(ids, ["header", "a-1", "body"]);
    let ids = waiting(&task(&captured("chord[0]")).embed);
    let reply_to = Some("d55e3a9a-f82e-38f1-8954-2e7db8899b90".to_owned());
    assert_eq!(ids, [Waiting { id: "22d800a3-5737-436d-96b0-7b36341b557f".to_owned(), reply_to }]);
}
