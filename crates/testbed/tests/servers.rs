//! Each kind of server: two side by side, killed and brought back.

use std::time::Duration;

use serde_json::json;
use testbed::{Database, Postgres, RabbitMq, Redis, RedisCluster, Vhost, wait_until};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn two_redis_run_side_by_side_and_share_nothing() {
    let (one, two) = (Redis::start().unwrap(), Redis::start().unwrap());
    assert_ne!(one.url(), two.url());
    assert_eq!(one.command("SET key 1").unwrap(), "OK");
    assert_eq!(one.command("GET key").unwrap(), "1");
    assert_eq!(two.command("EXISTS key").unwrap(), "0");
}

#[test]
fn a_killed_redis_is_gone_and_comes_back_empty_on_its_port() {
    let redis = Redis::start().unwrap();
    let url = redis.url();
    redis.command("SET key 1").unwrap();
    redis.kill().unwrap();
    assert!(redis.command("PING").is_err());
    redis.restart().unwrap();
    assert_eq!(redis.url(), url);
    assert_eq!(redis.command("EXISTS key").unwrap(), "0");
}

#[test]
fn a_frozen_redis_answers_once_it_is_thawed() {
    let redis = Redis::start().unwrap();
    redis.freeze().unwrap();
    assert!(redis.command("PING").is_err());
    redis.thaw().unwrap();
    assert_eq!(redis.command("PING").unwrap(), "PONG");
}

#[test]
fn a_cluster_has_three_masters_and_replaces_a_killed_one() {
    let cluster = RedisCluster::start().unwrap();
    assert_eq!(cluster.hosts().split(',').count(), 6);
    let nodes = cluster.node(0).command("CLUSTER NODES").unwrap();
    assert_eq!(nodes.matches("master").count(), 3);
    cluster.node(0).kill().unwrap();
    wait_until("a replica has taken over", SOON, || {
        let nodes = cluster.node(1).command("CLUSTER NODES").unwrap();
        let masters = nodes.lines().filter(|line| line.contains("master") && !line.contains("fail")).count();
        masters == 3 && cluster.node(1).command("CLUSTER INFO").unwrap().contains("cluster_state:ok")
    });
    cluster.node(0).restart().unwrap();
}

#[test]
fn two_postgres_run_side_by_side_and_keep_their_data_when_killed() {
    let (one, two) = (Postgres::start().unwrap(), Postgres::start().unwrap());
    let url = one.create_database("mine").unwrap();
    testbed::psql(&url, &["-c", "CREATE TABLE kept AS SELECT 42 AS answer"]).unwrap();
    assert!(testbed::psql(&two.url_of("mine"), &["-c", "SELECT 1"]).is_err());

    one.kill().unwrap();
    assert!(testbed::psql(&url, &["-c", "SELECT 1"]).is_err());
    one.restart().unwrap();
    assert_eq!(testbed::psql(&url, &["-c", "SELECT answer FROM kept"]).unwrap(), "42");
    one.stop().unwrap();
    one.restart().unwrap();
    assert_eq!(testbed::psql(&url, &["-c", "SHOW max_connections"]).unwrap(), "300");
}

#[test]
fn a_durable_postgres_syncs_to_disk() {
    let postgres = Postgres::start_durable().unwrap();
    assert_eq!(testbed::psql(&postgres.url(), &["-c", "SHOW fsync"]).unwrap(), "on");
}

#[test]
fn databases_of_two_tests_share_nothing_and_go_with_their_test() {
    let postgres = Postgres::start().unwrap();
    let (one, two) =
        (Database::create_on(&postgres.url()).unwrap(), Database::create_on(&postgres.url()).unwrap());
    one.sql("CREATE TABLE mine ()").unwrap();
    assert!(two.sql("SELECT FROM mine").is_err());
    drop((one, two));
    let left = "SELECT count(*) FROM pg_database WHERE datname LIKE 'test%'";
    assert_eq!(testbed::psql(&postgres.url(), &["-c", left]).unwrap(), "0");
}

#[test]
fn two_rabbitmq_run_side_by_side_and_keep_messages_when_stopped_and_killed() {
    let (one, two) = std::thread::scope(|scope| {
        let two = scope.spawn(RabbitMq::start);
        (RabbitMq::start().unwrap(), two.join().unwrap().unwrap())
    });
    assert_ne!(one.url(), two.url());
    let vhost = Vhost::create_on(&one.url(), &one.management_url()).unwrap();
    vhost.declare_queue("kept", &json!({ "x-queue-type": "quorum" })).unwrap();
    assert!(vhost.publish("", "kept", &json!({ "delivery_mode": 2 }), b"body").unwrap());

    // In this order: a queue that is some milliseconds old would not survive the kill, see `RabbitMq::kill`.
    one.stop().unwrap();
    assert!(vhost.queue_depth("kept").is_err());
    one.restart().unwrap();
    wait_until("the queue is back", SOON, || vhost.queue_depth("kept").is_ok_and(|depth| depth == (1, 0)));
    one.kill().unwrap();
    one.restart().unwrap();
    wait_until("the queue is back", SOON, || vhost.queue_depth("kept").is_ok_and(|depth| depth == (1, 0)));
    assert_eq!(vhost.get("kept", 1).unwrap()[0].payload, b"body");
}
