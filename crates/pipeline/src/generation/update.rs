//! Families that go on from where they were put away, with what is new and no look at the past.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;
use ledger::{Fill, Name, ist};
use storage::{LedgerChanges, LedgerDays, LedgerReader, LedgerState, is_strategy};

use super::GenerationError;
use super::folded::{Folded, Reference, Work};
use super::notes::{self, Notes};
use super::rebuild::{Place, rebuild};

/// What an update came to.
pub(super) struct Update {
    pub(super) work: Work,
    /// The days of the account and its strategies after it.
    pub(super) days: Vec<LedgerDays>,
    /// All rows of the account are in it, not only those of what changed.
    pub(super) is_whole: bool,
}

/// A family with the fills it is to take in.
struct Addition {
    family: Folded,
    fills: Vec<Fill>,
}

/// What is new in a family, and of how many orders.
#[derive(Default)]
struct NewFills {
    orders: usize,
    fills: Vec<Fill>,
}

/// Folds what changed. With `look_again` every row is made anew, as on a new trading day.
///
/// `None` where only making everything anew is right: a day that was ended has come again, or one that opening lots
/// begin, of which no family may know.
pub(super) async fn update(
    reader: &mut LedgerReader,
    state: &LedgerState,
    changes: &LedgerChanges,
    look_again: bool,
) -> Result<Option<Update>, GenerationError> {
    let mut work = Work::default();
    let mut again = altered(reader, changes).await?;
    let mut additions = added(reader, state, changes, &mut again, &mut work).await?;
    if !again.is_empty() {
        rebuild(reader, state, again, &mut work).await?;
        // Some may have turned out to belong to what was made anew; they are in it.
        additions.retain(|addition| addition.family.id.is_none_or(|id| !work.gone.contains(&id)));
    }
    let mut met = work.met();
    met.extend(additions.iter().filter_map(|addition| addition.family.id));
    let others = reader.other_days(&met).await?;
    let new = additions.iter().flat_map(|addition| {
        let strategy = addition.family.strategy_id.as_str();
        let known = addition.family.traded_days().into_iter();
        known.chain(addition.fills.iter().map(|fill| ist::day_of(fill.at))).map(move |day| (strategy, day))
    });
    let days = work.days(&others, new, &state.holidays, reader.as_of);
    for now in &days {
        let before = others.get(&now.strategy_id).map_or(now.view_day, |other| other.stored.view_day);
        let is_account = now.strategy_id.is_empty();
        if now.view_day < before || is_account && reader.has_lots_between(before, now.view_day).await? {
            return Ok(None);
        }
    }
    let moved: BTreeSet<&str> = (days.iter())
        .filter(|days| look_again || others.get(&days.strategy_id).is_none_or(|other| other.stored != **days))
        .map(|days| days.strategy_id.as_str())
        .collect();
    let live = if moved.is_empty() { Vec::new() } else { reader.live_families().await? };
    let live =
        live.into_iter().filter(|(strategy, id)| moved.contains(strategy.as_str()) && !met.contains(id));
    let live: Vec<i64> = live.map(|(_, id)| id).collect();
    for family in take_up(reader, state, &live).await? {
        additions.push(Addition { family, fills: Vec::new() });
    }
    let rebuilt = std::mem::take(&mut work.families);
    additions.extend(rebuilt.into_iter().map(|family| Addition { family, fills: Vec::new() }));
    for Addition { mut family, fills } in additions {
        let view_day = view_day_of(&days, &family);
        if !family.ledger.is_same() || family.ledger.view_day() > view_day {
            return Ok(None);
        }
        go_on(&mut family, view_day, fills)?;
        if family.strategy_id.is_empty() {
            work.names.extend(family.names.iter().cloned());
        }
        work.families.push(family);
    }
    let is_whole = moved.contains("");
    Ok(Some(Update { work, days, is_whole }))
}

/// What must be made anew: whatever counted before and may count otherwise now.
async fn altered(
    reader: &mut LedgerReader,
    changes: &LedgerChanges,
) -> Result<BTreeSet<Place>, GenerationError> {
    let mut again = changes.altered.clone();
    if !changes.reference.is_empty() {
        let families = reader.families_knowing(&changes.reference).await?;
        again.extend(keys_of(reader, &families).await?);
    }
    Ok(again)
}

/// New fills of families that only have to go on. Those of other instruments are read again with all of theirs.
async fn added(
    reader: &mut LedgerReader,
    state: &LedgerState,
    changes: &LedgerChanges,
    again: &mut BTreeSet<Place>,
    work: &mut Work,
) -> Result<Vec<Addition>, GenerationError> {
    if changes.added_to.is_empty() {
        return Ok(Vec::new());
    }
    let places = changes.added_to.iter().map(|(strategy, key)| (strategy.clone(), Name::Key(key.clone())));
    let families = reader.families_named(&places.collect()).await?;
    let mut notes = Notes::default();
    let mut new: BTreeMap<i64, NewFills> = BTreeMap::new();
    for execution in reader.executions_of(&changes.appeared).await? {
        if execution.at > reader.as_of {
            work.rebuild_at = [work.rebuild_at, Some(execution.at)].into_iter().flatten().min();
            continue;
        }
        notes.take(&execution);
        let key = execution.terms.instrument_key.clone();
        let own = execution.terms.strategy_id.clone().filter(|strategy| is_strategy(strategy));
        let fill = execution.fill.filter(|fill| !fill.quantity.is_sign_negative());
        for strategy in own.into_iter().chain([String::new()]) {
            match families.get(&(strategy.clone(), Name::Key(key.clone()))) {
                Some(family) => {
                    let new = new.entry(*family).or_default();
                    new.orders += usize::from(execution.is_first);
                    new.fills.extend(fill.clone());
                }
                None => drop(again.insert((strategy, key.clone()))),
            }
        }
    }
    let ids: Vec<i64> = new.keys().copied().collect();
    let mut additions = Vec::new();
    for mut family in take_up(reader, state, &ids).await? {
        let NewFills { orders, mut fills } = family.id.and_then(|id| new.remove(&id)).unwrap_or_default();
        fills.sort_by(Fill::matching_order);
        // All are seen before the first is applied: the ISIN of a later one counts for an earlier one too.
        let is_same = fills.iter().all(|fill| family.ledger.see(fill)) && family.ledger.is_same();
        let is_again = family.places().any(|place| again.contains(&place));
        if is_again || !is_same || !fills.iter().all(|fill| family.ledger.is_next(fill)) {
            again.extend(family.places());
            continue;
        }
        if family.strategy_id.is_empty() {
            family.notes.extend(notes.of(&family.names));
            work.orders += orders;
        }
        additions.push(Addition { family, fills });
    }
    Ok(additions)
}

fn go_on(family: &mut Folded, view_day: NaiveDate, fills: Vec<Fill>) -> Result<(), GenerationError> {
    let since = family.ledger.view_day();
    let reference = Arc::clone(&family.reference);
    let actions = reference.actions.iter();
    family.ledger.turn_to(view_day);
    family.ledger.expect(actions.filter(|action| since < action.ex_date && action.ex_date <= view_day), []);
    for fill in fills {
        family.ledger.apply(fill)?;
    }
    Ok(family.ledger.reach_view()?)
}

async fn take_up(
    reader: &mut LedgerReader,
    state: &LedgerState,
    ids: &[i64],
) -> Result<Vec<Folded>, GenerationError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let families = reader.families(ids, &notes::KINDS).await?;
    let mut all = families.iter().flat_map(|stored| stored.names.iter().cloned()).collect();
    let (instruments, actions) = reader.reference(&mut all).await?;
    let reference = Arc::new(Reference::new(&instruments, actions));
    let mut taken = Vec::new();
    for stored in families {
        let identities = reference.identities.clone();
        let ledger = stored.ledger.and_then(|saved| saved.restore(identities, Arc::clone(&state.holidays)));
        taken.push(Folded {
            id: Some(stored.id),
            strategy_id: stored.strategy_id,
            ledger: ledger.ok_or(GenerationError::Unreadable)?,
            names: stored.names,
            notes: stored.notes,
            reference: Arc::clone(&reference),
        });
    }
    Ok(taken)
}

async fn keys_of(reader: &mut LedgerReader, families: &[i64]) -> Result<BTreeSet<Place>, GenerationError> {
    let names = reader.names_of(families).await?.into_iter();
    let keys = names.filter_map(|(_, strategy, name)| Some((strategy, key_of(&name)?.to_owned())));
    Ok(keys.collect())
}

fn key_of(name: &Name) -> Option<&str> {
    if let Name::Key(key) = name { Some(key) } else { None }
}

fn view_day_of(days: &[LedgerDays], family: &Folded) -> NaiveDate {
    let of_strategy = days.iter().find(|days| days.strategy_id == family.strategy_id);
    of_strategy.map_or(family.ledger.view_day(), |days| days.view_day)
}
