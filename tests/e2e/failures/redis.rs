//! Redis dies.

use e2e::World;
use testbed::{Process, RedisCluster, wait_until};

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

/// Killed, a master is left by the client library; of one that hangs it goes on asking until we take another connection.
#[test]
fn the_death_of_a_master_of_a_redis_cluster_costs_some_seconds_and_no_sync() {
    let (world, cluster, _worker) = in_a_cluster();
    cluster.node(0).kill().unwrap();
    until_all_are_written(&world);
}

#[test]
fn a_master_of_a_redis_cluster_that_hangs_costs_some_seconds_and_no_sync() {
    let (world, cluster, _worker) = in_a_cluster();
    cluster.node(0).freeze().unwrap();
    until_all_are_written(&world);
}

fn in_a_cluster() -> (World, RedisCluster, Process) {
    let world = World::new();
    world.import(&accounts(20)).expect(0);
    let cluster = RedisCluster::start().expect("a Redis Cluster");
    let worker = world.worker(&[("ENVIRONMENT", "production"), ("REDIS_CLUSTER_HOSTS", &cluster.hosts())]);
    let written = world.syncfleet(&["sync", "--all", "--force", "--wait", "60", "--json"]).json();
    assert_eq!(written["success"], 20, "{written}");
    assert_eq!(world.sync("account-0")["redis_sync"]["redis_type"], "cluster");
    cluster.wait_until_replicated().expect("a replicated one");
    (world, cluster, worker)
}

fn until_all_are_written(world: &World) {
    wait_until("every account written", PATIENCE, || {
        let answer = world.syncfleet(&["sync", "--all", "--force", "--wait", "60", "--json"]).json();
        assert_eq!(answer["failed"], 0, "{answer}");
        answer["success"] == 20
    });
}
