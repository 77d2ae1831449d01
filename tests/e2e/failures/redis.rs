//! Redis dies.

use e2e::World;
use testbed::{RedisCluster, wait_until};

use super::PATIENCE;
use crate::workers::accounts;

#[test]
fn a_redis_that_comes_back_empty_is_filled_by_the_next_sync() {
    let world = World::new();
    world.import(&accounts(1)).expect(0);
    let _worker = world.worker(&[]);
    world.sync("account-0");
    let positions = world.redis.command("GET trade_data:default:account-0:positions").unwrap();
    assert!(positions.contains("75"), "{positions}");
    world.redis.restart().unwrap();
    assert_eq!(world.sync("account-0")["status"], "success");
    assert!(world.redis.command("GET trade_data:default:account-0:positions").unwrap().contains("75"));
}

#[test]
fn the_death_of_a_master_of_a_redis_cluster_costs_some_seconds_and_no_sync() {
    let world = World::new();
    world.import(&accounts(20)).expect(0);
    let cluster = RedisCluster::start().unwrap();
    let _worker = world.worker(&[("ENVIRONMENT", "production"), ("REDIS_CLUSTER_HOSTS", &cluster.hosts())]);
    assert_eq!(world.sync("account-0")["redis_sync"]["redis_type"], "cluster");
    cluster.wait_until_replicated().unwrap();
    cluster.node(0).kill().unwrap();
    wait_until("every account written", PATIENCE, || {
        let answer = world.syncfleet(&["sync", "--all", "--force", "--wait", "60", "--json"]).json();
        assert_eq!(answer["failed"], 0, "{answer}");
        answer["success"] == 20
    });
}
