//! `cargo xtask chaos`: a real fleet under a storm of faults, and an independent count of what became of everything.

mod audit;
mod books;
mod market;
mod open;
mod plan;
mod report;
mod rows;
mod sightings;
mod stage;
mod strike;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use serde_json::Value;

use self::audit::Audit;
use self::market::{Market, PAUSE};
use self::plan::{Fault, Kind, Round, plan};
use self::sightings::Sightings;
use self::stage::Stage;
use self::strike::planted;
use crate::workspace::{cargo, run as run_command};

/// How long the storm waits for it nevertheless.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two commands that ask for a sync of every account.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// After the storm: until the last job is done.
const CALM: Duration = Duration::from_secs(180);

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How long the storm blows
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    minutes: u64,
    /// Which storm: the same seed brings the same faults in the same order
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
}

/// A fault that is over, with how long after its end, and that of the faults with it, everything was well; `None`: not in time.
type Recovery = (Kind, Option<Duration>);

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if std::env::var_os(testbed::BIN_DIR).is_none() {
        run_command(&mut cargo(&["build", "--bins"]))?;
    }
    println!("starting RabbitMQ on three nodes, PostgreSQL, and Redis on six");
    let stage = Stage::set()?;
    let mut market = Market::open(&stage.database_url, arguments.seed)?;
    stage.members().try_for_each(|member| stage.start(member))?;
    let rounds = plan(arguments.seed, arguments.minutes);
    println!("the storm of seed {}: {} rounds", arguments.seed, rounds.len());

    let sightings = Sightings::default();
    let over = AtomicBool::new(false);
    let (recoveries, asked) = thread::scope(|scope| {
        scope.spawn(|| sightings.watch(&stage, &over));
        let asked = scope.spawn(|| ask_for_syncs(&stage, &over));
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                market.trade();
                thread::sleep(PAUSE);
            }
        });
        let blown = blow(&stage, &rounds, &sightings);
        over.store(true, Ordering::SeqCst);
        let asked = asked.join().map_err(|_| anyhow!("whoever asks for syncs panicked"))?;
        Ok::<_, anyhow::Error>((blown?, asked))
    })?;
    println!("calm: waiting for the last job");
    come_to_rest(&stage, &asked)?;
    let planted = rounds.iter().flat_map(|round| &round.faults).map(planted).sum();
    let mut audit = stage.audit(planted, &asked)?;
    compare_with_a_rebuild(&stage, &mut audit)?;
    stage.members().try_for_each(|member| member.bury())?;
    Ok(report::report(&recoveries, &audit))
}

/// Ids of jobs.
type Ids = BTreeSet<String>;

/// An operator who wants everything synced, again and again, so that there is work at every moment. Returns the jobs that were
/// taken: those of a command that failed may be done or not.
fn ask_for_syncs(stage: &Stage, over: &AtomicBool) -> Ids {
    let mut asked = Ids::new();
    while !over.load(Ordering::SeqCst) {
        if let Ok(answer) = stage.syncfleet(&["sync", "--all", "--json"]) {
            let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
            let jobs = answer["jobs"].as_array().map_or(&[][..], Vec::as_slice);
            asked.extend(jobs.iter().filter_map(|job| job["sync_id"].as_str()).map(str::to_owned));
        }
        thread::sleep(ASK_EVERY);
    }
    asked
}

/// All rounds, one after the other; each begins when what came before is well again.
fn blow(stage: &Stage, rounds: &[Round], sightings: &Sightings) -> Result<Vec<Recovery>> {
    sightings.well_after(Instant::now(), PATIENCE).context("the fleet was never well")?;
    let begun = Instant::now();
    let mut recoveries = Vec::new();
    for round in rounds {
        thread::sleep((begun + round.at).saturating_duration_since(Instant::now()));
        let ends = Mutex::default();
        let ended: Vec<Result<Recovery>> = thread::scope(|scope| {
            let ends = &ends;
            let suffer = |fault| scope.spawn(move || suffer(stage, fault, begun, sightings, ends));
            let faults: Vec<_> = round.faults.iter().map(suffer).collect();
            faults.into_iter().map(|fault| fault.join().map_err(|_| anyhow!("a fault panicked"))?).collect()
        });
        for ended in ended {
            recoveries.push(ended?);
        }
    }
    Ok(recoveries)
}

/// `ends` are those of the faults of the round that are over: nobody can be well while another one goes on.
fn suffer(
    stage: &Stage,
    fault: &Fault,
    begun: Instant,
    sightings: &Sightings,
    ends: &Mutex<Vec<Instant>>,
) -> Result<Recovery> {
    thread::sleep(fault.after);
    let seconds = begun.elapsed().as_secs_f64();
    println!("{seconds:6.1} s  {} ({}), {:.1} s", fault.kind, fault.victim, fault.lasts.as_secs_f64());
    stage.strike(fault).with_context(|| fault.kind.to_string())?;
    thread::sleep(fault.lasts);
    stage.heal(fault).with_context(|| format!("the end of: {}", fault.kind))?;
    let healed = Instant::now();
    ends.lock().unwrap_or_else(PoisonError::into_inner).push(healed);
    let recovery = sightings.well_after(healed, PATIENCE).map(|well| {
        let ends = ends.lock().unwrap_or_else(PoisonError::into_inner);
        well - ends.iter().copied().filter(|end| *end <= well).fold(healed, Instant::max)
    });
    println!(
        "{:6.1} s    well again after {}: {}",
        begun.elapsed().as_secs_f64(),
        report::shown(recovery),
        fault.kind
    );
    Ok((fault.kind, recovery))
}

/// A whole interval more, so that every account is synced once after the last fault and the last order; then no more ticks, and
/// the jobs there are get done.
fn come_to_rest(stage: &Stage, asked: &Ids) -> Result<()> {
    let since = stage.count("SELECT extract(epoch FROM now())::bigint")?;
    let done_since = format!(
        "SELECT count(*) FROM tradingdb.ticks t WHERE published_at IS NOT NULL AND tick_at > to_timestamp({since})"
    );
    wait_for("a tick after the storm", || Ok(stage.count(&done_since)? > 0))?;
    for beat in &stage.beats {
        beat.signal(testbed::Process::terminate)?;
    }
    wait_for("the jobs of every tick", || {
        if stage.ended_of_ticks()? < stage.published()? || !asked.is_subset(&stage.ended()?) {
            return Ok(false);
        }
        let depths =
            stage.through_any(|vhost| Ok((vhost.queue_depth("periodic")?, vhost.queue_depth("adhoc")?)))?;
        Ok(depths == ((0, 0), (0, 0)))
    })
    .or_else(|error| {
        // What is still open by now is lost, and counted so.
        println!("{error:#}");
        stage.say_what_is_open()
    })
}

fn wait_for(what: &str, mut reached: impl FnMut() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !reached()? {
        if begun.elapsed() > CALM {
            bail!("after {CALM:?} still not so: {what}");
        }
        thread::sleep(Duration::from_millis(250));
    }
    Ok(())
}

/// What the fleet came to step by step must be what it comes to from nothing.
fn compare_with_a_rebuild(stage: &Stage, audit: &mut Audit) -> Result<()> {
    let rows = |table: &str| {
        let query = format!(
            "SELECT coalesce(jsonb_agg(to_jsonb(r) - 'id' - 'timestamp' ORDER BY pseudo_account, instrument_key), '[]') FROM tradingdb.{table} r"
        );
        testbed::psql(&stage.database_url, &["-c", &query])
    };
    let before = (rows("positions")?, rows("holdings")?);
    stage.syncfleet(&["sync", "--all", "--force", "--wait", "120"])?;
    if (rows("positions")?, rows("holdings")?) != before {
        audit.wrong.push("a rebuild from nothing gives other rows".to_owned());
    }
    Ok(())
}
