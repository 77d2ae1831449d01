//! A model of retry, lease, crash and supersede: a small fleet whose workers die, stop, lose their connection, fail and
//! drain between any two steps, and then are well again until nothing is left to do.
//!
//! What decides is real: `queue::decide` and the statements of `storage` on a PostgreSQL. Simulated are RabbitMQ, time, and
//! the steps of a run, which mirror `queue/src/executor.rs`, `handler.rs` and `sync.rs`. A seed is a course of events:
//! `MODEL_SEED=17 cargo nextest run -p pipeline one_after_another` plays that one and prints it.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failed step fails the test, and a course of events is printed"
)]

mod chaos;
mod checks;
mod driver;
mod records;
mod run;
mod tally;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use storage::Storage;
use testbed::Database;
use tls::Certificates;

use crate::driver::play;
use crate::tally::Tally;
use crate::world::World;

/// Worlds that are played at once: PostgreSQL answers slower than a world thinks.
const AT_ONCE: u64 = 4;

/// Plays these worlds, each with accounts of its own in one database.
async fn play_all(seeds: std::ops::Range<u64>, overlapping: bool) {
    let database = Database::create().unwrap();
    let storage =
        Storage::new(&database.url(), &Certificates::default(), 16, "model test", "default").unwrap();
    storage.migrate().await.unwrap();
    let chosen = std::env::var("MODEL_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let seeds = chosen.map_or(seeds, |seed| seed..seed + 1);
    let next = Arc::new(AtomicU64::new(seeds.start));
    let players: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (next, storage, end) = (Arc::clone(&next), storage.clone(), seeds.end);
            tokio::spawn(async move {
                let mut played = Vec::new();
                while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < end) {
                    let world = play(storage.clone(), seed, overlapping).await;
                    assert_nothing_found(&world);
                    played.push(world);
                }
                played
            })
        })
        .collect();
    let mut worlds = Vec::new();
    for player in players {
        worlds.extend(player.await.unwrap());
    }
    let charged = database.sql("SELECT job_id, fence FROM tradingdb.job_crashes").unwrap();
    let charged = charged.lines().filter_map(|row| row.split_once('|'));
    let charged = charged.map(|(job, fence)| (job.to_owned(), fence.parse().unwrap())).collect();
    for world in &mut worlds {
        world.check_charges(&charged);
        assert_nothing_found(world);
        if chosen.is_some() {
            println!("  {}", world.log.join("\n  "));
        }
    }
    let tally = Tally::of(&worlds);
    println!("{tally:?}");
    assert!(chosen.is_some() || tally.is_rich(), "something that may happen did not: {tally:?}");
}

fn assert_nothing_found(world: &World) {
    let story = world.log.join("\n  ");
    assert!(world.found.is_none(), "{}: {:?}\n  {story}", world.organization, world.found);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_job_is_lost_run_twice_at_once_or_untold_whatever_happens_one_after_another() {
    play_all(0..250, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_job_is_lost_run_twice_at_once_or_untold_when_statements_overlap() {
    play_all(1_000..1_150, true).await;
}
