//! A RabbitMQ of several nodes.

use std::time::Duration;

use e2e::World;
use testbed::{RabbitCluster, wait_until};

use super::{PATIENCE, assert_done_and_uncharged, slow_accounts, wait_for_running};

#[test]
fn the_death_of_a_rabbitmq_node_is_survived_by_consumers_and_publishers_without_a_restart_of_theirs() {
    let cluster = RabbitCluster::start().unwrap();
    let nodes = cluster.nodes();
    let world = World::on_rabbitmq_nodes(nodes);
    let _kite = slow_accounts(&world, 12, Duration::from_secs(1));
    let worker = world.worker(&[("WORKER_CONCURRENCY", "4")]);
    let beat = world.beat(&[("SYNC_INTERVAL_SECONDS", "604800")]);
    // Both use the first server of the list that answers.
    beat.wait_for_line("publishing through", PATIENCE).unwrap();
    wait_for_running(&world, 4);
    nodes[0].kill().unwrap();
    worker.wait_for_line("connection for consuming lost", PATIENCE).unwrap();
    beat.wait_for_line("connection for publishing lost", PATIENCE).unwrap();
    world.wait_for_outcomes(12);
    // Operators are served as well, while the node is still away.
    wait_until("a command served by another node", PATIENCE, || {
        world.syncfleet(&["sync", "account-0", "--wait", "30"]).code == Some(0)
    });
    assert!(worker.try_wait().unwrap().is_none() && beat.try_wait().unwrap().is_none());
    nodes[0].restart().unwrap();
    world.sql("DELETE FROM tradingdb.sync_outcomes WHERE substr(sync_id, 15, 1) <> '5'");
    assert_done_and_uncharged(&world, 12);
}
