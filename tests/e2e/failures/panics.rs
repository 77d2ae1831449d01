//! A job that panics.

use e2e::World;
use serde_json::json;
use testbed::{Process, wait_until};

use super::PATIENCE;

#[test]
fn a_job_that_panics_has_failed_and_its_worker_goes_on_with_the_others() {
    let world = World::new();
    let worker = Process::spawn(world.command("panicking_worker", &[])).unwrap();
    let publish = |id: &str, body: &str| {
        let headers = json!({"task": "any", "id": id});
        let properties = json!({"content_type": "application/json", "content_encoding": "utf-8",
                                "delivery_mode": 2, "correlation_id": id, "headers": headers});
        let publish = || world.vhost.publish("", "periodic", &properties, body.as_bytes());
        wait_until("a queue", PATIENCE, || publish().is_ok_and(|is_routed| is_routed));
    };
    publish("panics", r#"[["now"], {}, {}]"#);
    publish("fine", "[[], {}, {}]");
    // It had its one retry, like any attempt that failed.
    let letters = world.dead_letters(1);
    assert_eq!((letters.len(), &letters[0].headers["id"]), (1, &json!("panics")));
    assert_eq!(letters[0].headers["syncfleet-reason"], "retries_exhausted");
    assert!(letters[0].headers["syncfleet-error"].as_str().unwrap().contains("panicked: told to panic"));
    wait_until("nothing left", PATIENCE, || {
        world.vhost.queue_depth("periodic").is_ok_and(|depth| depth == (0, 0))
    });
    assert!(worker.try_wait().unwrap().is_none(), "{}", worker.output());
}
