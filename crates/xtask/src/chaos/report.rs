use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use super::Recovery;
use super::audit::Audit;
use super::plan::Kind;
use super::stage::logs;

/// A fleet that is not well again within this time after a fault is as good as dead.
const RECOVERY_MAX: Duration = Duration::from_secs(30);
/// Of each kind of finding, so many are told.
const SHOWN: usize = 20;

/// Prints the table and the last lines; the exit code says whether all is well.
pub(super) fn report(recoveries: &[Recovery], audit: &Audit) -> ExitCode {
    let mut by_kind: BTreeMap<Kind, Vec<Option<Duration>>> = BTreeMap::new();
    for (kind, recovery) in recoveries {
        by_kind.entry(*kind).or_default().push(*recovery);
    }
    println!("\n| what happened | times | well again after, median | at most |\n|---|---:|---:|---:|");
    for (kind, times) in &mut by_kind {
        times.sort_by_key(|time| time.unwrap_or(Duration::MAX));
        let worst = times.last().copied().map_or(String::new(), shown);
        println!("| {kind} | {} | {} | {worst} |", times.len(), shown(times[times.len() / 2]));
    }
    for (what, count) in &audit.counts {
        println!("| {what} | {count} | | |");
    }
    println!();
    let found = [("lost", &audit.lost), ("wrong", &audit.wrong), ("missed", &audit.missed)];
    for (what, list) in found {
        list.iter().take(SHOWN).for_each(|item| println!("{what}: {item}"));
    }
    let slow: Vec<_> =
        recoveries.iter().filter(|(_, time)| time.is_none_or(|time| time > RECOVERY_MAX)).collect();
    slow.iter().for_each(|(kind, time)| println!("well again too late, {}: {kind}", shown(*time)));
    let is_well = found.iter().all(|(_, list)| list.is_empty()) && slow.is_empty();
    if !is_well {
        println!("what the programs logged: {}", logs().display());
    }
    for (what, list) in found {
        println!("{what}: {}", list.len());
    }
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A time, or that it did not come.
pub(super) fn shown(time: Option<Duration>) -> String {
    time.map_or("never".to_owned(), |time| format!("{:.1} s", time.as_secs_f64()))
}
