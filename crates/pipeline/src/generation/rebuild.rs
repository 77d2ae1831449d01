//! Families made anew from all their executions. Where there are many they are read as a stream: what is in memory are
//! open lots, not the history.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use ledger::{Calendar, Fill, Identities, Ledger, LedgerError, Name, OpeningLot, Seen, ist};
use storage::{
    Execution, FewExecutions, LedgerReader, LedgerState, OtherDays, SeenExecutions, SeenIsin, is_strategy,
};

use super::GenerationError;
use super::folded::{Folded, Reference, Work};
use super::notes::Notes;

/// A strategy (empty: the account itself) and an instrument key.
pub(super) type Place = (String, String);

/// Makes anew all families of the account and of its strategies.
pub(super) async fn rebuild_all(
    reader: &mut LedgerReader,
    state: &LedgerState,
) -> Result<Work, GenerationError> {
    let mut work = Work::default();
    let (known, few) = match reader.few_executions().await? {
        Some(FewExecutions { seen, executions }) => (Known::of(reader, None, seen).await?, Some(executions)),
        None => (Known::read(reader, None).await?, None),
    };
    fold(reader, state, None, &known, &BTreeMap::new(), few, &mut work).await?;
    work.rebuild_at = known.next_at;
    Ok(work)
}

/// Makes anew the families of some places, and of all that turn out to belong to them.
pub(super) async fn rebuild(
    reader: &mut LedgerReader,
    state: &LedgerState,
    mut places: BTreeSet<Place>,
    work: &mut Work,
) -> Result<(), GenerationError> {
    let known = loop {
        let keys: BTreeSet<String> = places.iter().map(|(_, key)| key.clone()).collect();
        let keys: Vec<String> = keys.into_iter().collect();
        let known = Known::read(reader, Some(&keys)).await?;
        let strategies: BTreeSet<&String> = places.iter().map(|(strategy, _)| strategy).collect();
        let wanted: BTreeSet<(String, Name)> = (strategies.into_iter())
            .flat_map(|strategy| known.names.iter().map(|name| (strategy.clone(), name.clone())))
            .collect();
        let families: Vec<i64> = reader.families_named(&wanted).await?.into_values().collect();
        let size = places.len();
        for (_, strategy, name) in reader.names_of(&families).await? {
            work.names.extend(strategy.is_empty().then(|| name.clone()));
            if let Name::Key(key) = name {
                places.insert((strategy, key));
            }
        }
        work.gone.extend(families);
        if places.len() == size {
            break known;
        }
    };
    let of_account = places.iter().filter(|(strategy, _)| strategy.is_empty());
    work.names.extend(of_account.map(|(_, key)| Name::Key(key.clone())));
    work.rebuild_at = [work.rebuild_at, known.next_at].into_iter().flatten().min();
    let others = reader.other_days(&work.met()).await?;
    fold(reader, state, Some(&places), &known, &others, None, work).await
}

/// What must be known of instruments before their executions are read.
struct Known {
    seen: Vec<SeenIsin>,
    lots: Vec<OpeningLot>,
    names: BTreeSet<Name>,
    reference: Arc<Reference>,
    /// When the next execution or opening lot comes to exist.
    next_at: Option<DateTime<Utc>>,
}

impl Known {
    async fn read(reader: &mut LedgerReader, keys: Option<&[String]>) -> Result<Self, GenerationError> {
        let seen = reader.seen(keys).await?;
        Self::of(reader, keys, seen).await
    }

    async fn of(
        reader: &mut LedgerReader,
        keys: Option<&[String]>,
        seen: SeenExecutions,
    ) -> Result<Self, GenerationError> {
        let SeenExecutions { isins: seen, next_at } = seen;
        let lots = reader.opening_lots(keys).await?;
        let next_lot = lots.iter().map(|lot| lot.opened_at).filter(|at| *at > reader.as_of).min();
        let next_at = next_at.into_iter().chain(next_lot).min();
        let mut names: BTreeSet<Name> = keys.unwrap_or_default().iter().cloned().map(Name::Key).collect();
        names.extend(seen.iter().map(|seen| Name::Key(seen.instrument_key.clone())));
        names.extend(seen.iter().filter_map(|seen| seen.isin.clone()).map(Name::Isin));
        names.extend(lots.iter().map(|lot| Name::Key(lot.instrument_key.clone())));
        names.extend(lots.iter().filter_map(|lot| lot.isin.clone()).map(Name::Isin));
        let (instruments, actions) = reader.reference(&mut names).await?;
        let reference = Arc::new(Reference::new(&instruments, actions));
        Ok(Self { seen, lots, names, reference, next_at })
    }

    fn identities(&self, strategy: &str, reader: &LedgerReader) -> Identities {
        let mut identities = self.reference.identities.clone();
        for seen in self.seen.iter().filter(|seen| strategy.is_empty() || seen.strategy_id == strategy) {
            if let Some(isin) = &seen.isin {
                let isin = Seen { at: seen.last_at, is_fill: true, isin: isin.clone() };
                identities.see(&seen.instrument_key, isin);
            }
        }
        if strategy.is_empty() {
            self.lots.iter().for_each(|lot| identities.see_lot(lot, reader.as_of));
        }
        identities
    }
}

/// Folds the executions of the places (or of all) into ledgers, and takes those apart into families. The executions are
/// `few` or, with `None`, read as a stream.
async fn fold(
    reader: &mut LedgerReader,
    state: &LedgerState,
    places: Option<&BTreeSet<Place>>,
    known: &Known,
    others: &BTreeMap<String, OtherDays>,
    few: Option<Vec<Execution>>,
    work: &mut Work,
) -> Result<(), GenerationError> {
    let is_wanted = |strategy: &str, key: &str| {
        places.is_none_or(|places| places.contains(&(strategy.to_owned(), key.to_owned())))
    };
    let mut ledgers: BTreeMap<String, Ledger> = BTreeMap::new();
    let strategies: BTreeSet<&str> = known.seen.iter().map(|seen| &*seen.strategy_id).collect();
    for strategy in strategies.into_iter().filter(|strategy| is_strategy(strategy)).chain([""]) {
        let rows = known.seen.iter().filter(|seen| strategy.is_empty() || seen.strategy_id == strategy);
        let last_at =
            rows.filter(|seen| is_wanted(strategy, &seen.instrument_key)).map(|seen| seen.last_at).max();
        let other = others.get(strategy).and_then(|other| other.last_day);
        let traded = other.into_iter().chain(last_at.map(ist::day_of));
        let view_day = Calendar::new(&state.holidays, traded).view_day(reader.as_of);
        let identities = known.identities(strategy, reader);
        let mut ledger = Ledger::new(view_day, identities, Arc::clone(&state.holidays));
        let lots = known.lots.iter().filter(|lot| strategy.is_empty() && is_wanted("", &lot.instrument_key));
        ledger.expect(&known.reference.actions, lots);
        ledgers.insert(strategy.to_owned(), ledger);
    }
    let mut stream = Stream { ledgers, is_wanted, instant: Vec::new(), error: None };
    let mut notes = Notes::default();
    let keys: Option<BTreeSet<String>> =
        places.map(|places| places.iter().map(|(_, key)| key.clone()).collect());
    let keys: Option<Vec<String>> = keys.map(|keys| keys.into_iter().collect());
    let take = |execution: Execution| {
        work.orders += usize::from(execution.is_first);
        notes.take(&execution);
        if let Some(fill) = execution.fill {
            stream.take(fill);
        }
    };
    match few {
        Some(few) => few.into_iter().for_each(take),
        None => reader.each_execution(keys.as_deref(), take).await?,
    }
    let ledgers = stream.end()?;
    for (strategy_id, mut ledger) in ledgers {
        ledger.reach_view()?;
        for ledger in ledger.split(&known.reference.actions) {
            let names = ledger.names(&known.reference.actions);
            let notes = if strategy_id.is_empty() { notes.of(&names) } else { Vec::new() };
            let (strategy_id, reference) = (strategy_id.clone(), Arc::clone(&known.reference));
            work.families.push(Folded { id: None, strategy_id, ledger, names, notes, reference });
        }
    }
    for (key, notes) in notes.rest().filter(|(key, _)| is_wanted("", key)) {
        let view_day = Calendar::new(&state.holidays, []).view_day(reader.as_of);
        work.families.push(Folded {
            id: None,
            strategy_id: String::new(),
            ledger: Ledger::new(view_day, Identities::default(), Arc::clone(&state.holidays)),
            names: BTreeSet::from([Name::Key(key)]),
            notes,
            reference: Arc::clone(&known.reference),
        });
    }
    Ok(())
}

/// Fills come in order of their time; those of one instant are put in matching order before they are applied.
struct Stream<W> {
    ledgers: BTreeMap<String, Ledger>,
    is_wanted: W,
    instant: Vec<Fill>,
    error: Option<LedgerError>,
}

impl<W: Fn(&str, &str) -> bool> Stream<W> {
    fn take(&mut self, fill: Fill) {
        if self.instant.first().is_some_and(|first| first.at != fill.at) {
            self.flush();
        }
        self.instant.push(fill);
    }

    fn end(mut self) -> Result<BTreeMap<String, Ledger>, GenerationError> {
        self.flush();
        match self.error {
            Some(error) => Err(error.into()),
            None => Ok(self.ledgers),
        }
    }

    fn flush(&mut self) {
        self.instant.sort_by(Fill::matching_order);
        for fill in self.instant.drain(..).filter(|fill| !fill.quantity.is_sign_negative()) {
            let own = fill.terms.strategy_id.as_deref().unwrap_or_default();
            for strategy in [own, ""] {
                if (self.is_wanted)(strategy, &fill.terms.instrument_key)
                    && let Some(ledger) = self.ledgers.get_mut(strategy)
                    && let Err(error) = ledger.apply(fill.clone())
                {
                    self.error.get_or_insert(error);
                }
                if own.is_empty() {
                    break;
                }
            }
        }
    }
}
