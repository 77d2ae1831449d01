use std::time::Duration;

use e2e::{World, fill, jsonl};
use serde_json::{Value, json};
use testbed::{Process, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);
const HEADS: &str = "symbol,isin,trade_date,exchange,segment,series,trade_type,auction,quantity,price,trade_id,order_id,order_execution_time";

#[test]
fn a_tradebook_is_loaded_once_however_often_it_is_imported() {
    let world = World::new();
    let text = format!(
        "{HEADS}\nINFY,INE009A01021,2025-06-10,NSE,EQ,EQ,buy,false,40,1480.50,1,77,2025-06-10T09:31:10\n\
         INFY,INE009A01021,2025-06-10,NSE,EQ,EQ,buy,false,60,1481.00,2,77,2025-06-10T09:31:12\n"
    );
    let file = world.file("tradebook.csv", &text);
    let import = ["import", "tradebook", &file, "--account", "Asha", "--json"];
    let first = world.syncfleet(&import).expect(0).json();
    assert_eq!((&first["orders_new"], &first["fills_new"]), (&1.into(), &2.into()));
    let second = world.syncfleet(&import).expect(0).json();
    assert_eq!(
        (&second["orders_new"], &second["orders_unchanged"], &second["fills_new"]),
        (&0.into(), &1.into(), &0.into())
    );
    let row = world.sql("SELECT filled_quantity, average_price, exchange_time FROM tradingdb.orders");
    assert!(row.starts_with("100|1480.8"), "{row}");
}

#[test]
fn a_tradebook_with_a_bad_row_names_the_line_and_loads_nothing() {
    let world = World::new();
    let text = format!(
        "{HEADS}\nINFY,,2025-06-10,NSE,EQ,EQ,buy,false,40,1480.50,1,77,2025-06-10T09:31:10\n\
         INFY,,2025-06-10,NSE,EQ,EQ,buy,false,forty,1480.50,2,78,2025-06-10T09:31:10\n"
    );
    let file = world.file("tradebook.csv", &text);
    let answer = world.syncfleet(&["import", "tradebook", &file, "--account", "Asha"]).expect(1);
    assert!(answer.err.contains("line 3: quantity"), "{}", answer.err);
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.orders"), 0);
}

#[test]
fn watch_prints_each_notification_as_a_line_of_json() {
    let world = World::new();
    world.import(&jsonl(&[fill("Raghu", 1, 75, "100"), fill("Asha", 2, 75, "100")])).expect(0);
    let _worker = world.worker(&[]);
    let watch =
        Process::spawn(world.command("syncfleet", &["watch", "--account", "Ra*", "-n", "1"])).unwrap();
    watch.wait_for_line("watching", Duration::from_secs(20)).unwrap();
    let as_json = Process::spawn(world.command("syncfleet", &["watch", "--json", "-n", "2"])).unwrap();
    testbed::wait_until("both watchers", Duration::from_secs(20), || {
        world.vhost.queues().unwrap().iter().filter(|name| name.starts_with("amq.gen")).count() == 2
    });
    // Its queue is there; what is published from the first binding on is seen.
    testbed::wait_until("a bound watcher", Duration::from_secs(20), || {
        let path = format!("/api/exchanges/{}/sync_notifications/bindings/source", world.vhost.name());
        world.vhost.api("GET", &path, None).unwrap().as_array().unwrap().len() == 3
    });
    world.syncfleet(&["sync", "Asha", "Raghu", "--wait", "30"]).expect(0);
    assert_eq!(watch.wait(Duration::from_secs(20)).unwrap().code(), Some(0));
    assert!(watch.output().contains("sync_completed Raghu: success") && !watch.output().contains("Asha"));
    assert_eq!(as_json.wait(Duration::from_secs(20)).unwrap().code(), Some(0));
    let lines: Vec<Value> =
        as_json.output().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line["type"] == "sync_completed"));
}

#[test]
fn accounts_are_listed_with_their_age_and_shown_with_their_rows() {
    let world = World::new();
    world
        .import(&jsonl(&[
            fill("Raghu", 1, 75, "100.25"),
            fill("Raghu", 2, -25, "101"),
            fill("Asha", 3, 75, "100"),
        ]))
        .expect(0);
    let listed = world.syncfleet(&["account", "list", "--json"]).expect(0).json();
    assert_eq!(
        listed[1],
        json!({"organization_id": "default", "account": "Raghu", "status": null,
                                 "last_sync_at": null, "last_success_at": null, "staleness_seconds": null, "brokerage": null, "login_needed": false, "login_refused_at": null, "login_message": null, "open_external_orders": 0,
                                 "paused": false})
    );
    let _worker = world.worker(&[]);
    world.syncfleet(&["sync", "--all", "--wait", "30"]).expect(0);
    let shown = world.show("Raghu");
    assert_eq!(
        (&shown["organization_id"], &shown["account"], &shown["status"]),
        (&"default".into(), &"Raghu".into(), &"success".into())
    );
    assert!(shown["staleness_seconds"].as_i64().unwrap() < 60 && shown["as_of"].is_string());
    let position = &shown["positions"][0];
    assert_eq!((&position["net_quantity"], &position["type"]), (&50.into(), &"NRML".into()));
    assert_eq!(position["buy_avg_price"].to_string(), "100.25");
    assert!(shown["holdings"].as_array().unwrap().is_empty() && shown["discrepancies"].is_array());
    let text = world.syncfleet(&["account", "show", "Raghu"]).expect(0).out;
    assert!(text.contains("NIFTYFUT") && text.contains("100.25"), "{text}");
}

#[test]
fn queue_status_lists_every_queue_before_any_worker_ever_ran() {
    let world = World::new();
    world.syncfleet(&["sync", "Raghu"]).expect(0);
    let rows = world.syncfleet(&["queue", "status", "--json"]).expect(0).json();
    let row = |name: &str| rows.as_array().unwrap().iter().find(|row| row["name"] == name).cloned().unwrap();
    let mut adhoc = row("adhoc");
    let oldest = adhoc["oldest_seconds"].take();
    assert!(oldest.as_i64().is_some_and(|seconds| (0..60).contains(&seconds)), "{oldest}");
    assert_eq!(
        adhoc,
        json!({"name": "adhoc", "ready": 1, "unacked": null, "consumers": 0, "oldest_seconds": null,
               "publish_rate": null, "deliver_rate": null, "ack_rate": null})
    );
    assert_eq!(row("periodic")["ready"], 0);
    assert_eq!(row("periodic.dead")["ready"], 0);
    assert_eq!(row("syncfleet.delay.512s")["ready"], 0);
}

#[test]
fn queue_status_tells_unacked_messages_and_rates_where_it_may_ask_for_them() {
    let world = World::new();
    let url = world.vhost.management_url().to_owned();
    let world = world.with("RABBITMQ_MANAGEMENT_URL", &url);
    world.syncfleet(&["sync", "Raghu"]).expect(0);
    wait_until("what the management API tells", PATIENCE, || {
        let answer = world.syncfleet(&["queue", "status", "--json"]).expect(0);
        assert_eq!(answer.err, "", "it answers");
        let rows = answer.json();
        let is_told = |row: &Value| row["unacked"] == 0 && row["publish_rate"].is_number();
        rows.as_array().unwrap().iter().all(is_told)
    });
}

#[test]
fn a_sync_nobody_runs_times_out_with_1() {
    let world = World::new();
    let answer = world.syncfleet(&["sync", "Raghu", "--wait", "1", "--json"]).expect(1).json();
    assert_eq!(
        answer,
        json!({"requested": 1, "success": 0, "partial_success": 0, "failed": 0, "timed_out": 1, "results": []})
    );
}

#[test]
fn a_celery_job_for_all_accounts_fans_out_as_a_tick_does() {
    let world = World::new();
    world.import(&crate::workers::accounts(5)).expect(0);
    let _worker = world.worker(&[]);
    let headers =
        json!({"id": "all-1", "task": "app.tasks.comprehensive_sync_task.sync_all_accounts_comprehensive"});
    let properties =
        json!({"content_type": "application/json", "content_encoding": "utf-8", "headers": headers});
    assert!(world.vhost.publish("", "periodic", &properties, b"[[], {}, {}]").unwrap());
    world.wait_for_outcomes(5);
    let result = world.redis.command("GET celery-task-meta-all-1").unwrap();
    assert!(
        result.contains("\"accounts_queued\":5") && result.contains("\"external_order_check_interval\":30"),
        "{result}"
    );
}
