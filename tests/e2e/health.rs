use std::time::Duration;

use e2e::{World, free_address, get};
use testbed::wait_until;

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn readiness_follows_the_servers_and_life_does_not() {
    let world = World::new();
    let address = free_address();
    let _worker = world.worker(&[("METRICS_ADDR", &address)]);
    let ready = || get(&address, "/health/ready");
    assert!(ready().starts_with("HTTP/1.1 200"), "{}", ready());
    world.redis.stop().unwrap();
    wait_until("not ready", PATIENCE, || ready().starts_with("HTTP/1.1 503"));
    assert!(ready().contains("Redis: "), "{}", ready());
    assert!(get(&address, "/health/live").starts_with("HTTP/1.1 200"));
    world.redis.restart().unwrap();
    wait_until("ready again", PATIENCE, || ready().starts_with("HTTP/1.1 200"));
    world.vhost.close_all_connections().unwrap();
    wait_until("ready after lost connections", PATIENCE, || ready().starts_with("HTTP/1.1 200"));
}

#[test]
fn a_beat_tells_whether_it_can_publish_ticks() {
    let world = World::new();
    let address = free_address();
    let beat = world.beat(&[("METRICS_ADDR", &address)]);
    beat.wait_for_line("a tick every", PATIENCE).unwrap();
    assert!(get(&address, "/health/ready").starts_with("HTTP/1.1 200"));
    assert!(get(&address, "/metrics").starts_with("HTTP/1.1 200"));
}
