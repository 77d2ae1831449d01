use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use ledger::{
    Book, Calendar, CorporateAction, Discrepancy, Identities, Instrument, Instruments, Ledger, Name, ist,
};
use serde::Serialize;
use serde_json::Value;
use storage::{LedgerDays, NewFamily, OtherDays};

use super::GenerationError;
use super::rebuild::Place;
use super::unstorable::withhold_unstorable;

/// A family of instruments of the account (or, with a strategy, of that alone) whose ledger is where it should be.
pub(super) struct Folded {
    /// The row it was read from; `None` for one made anew.
    pub(super) id: Option<i64>,
    /// Empty for the account itself.
    pub(super) strategy_id: String,
    pub(super) ledger: Ledger,
    pub(super) names: BTreeSet<Name>,
    /// Findings about single orders, which the ledger does not know.
    pub(super) notes: Vec<Value>,
    pub(super) reference: Arc<Reference>,
}

/// What instruments and issuers say, of at least a family's names. It is of all families that were read together, so
/// none of them may need time or memory for each of its instruments.
pub(super) struct Reference {
    pub(super) instruments: Instruments,
    /// Of the instruments, before anything was seen.
    pub(super) identities: Identities,
    pub(super) actions: Vec<CorporateAction>,
}

impl Reference {
    pub(super) fn new(instruments: &[Instrument], actions: Vec<CorporateAction>) -> Self {
        Self { instruments: Instruments::new(instruments), identities: Identities::new(instruments), actions }
    }
}

impl Folded {
    /// The keys of its instruments.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.names.iter().filter_map(|name| if let Name::Key(key) = name { Some(key.as_str()) } else { None })
    }

    /// Its keys, each with its strategy.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        self.keys().map(|key| (self.strategy_id.clone(), key.to_owned()))
    }

    /// Days with a fill, as far as a calendar asks for them.
    pub(super) fn traded_days(&self) -> BTreeSet<NaiveDate> {
        self.ledger.odd_days().into_iter().chain(self.ledger.last_day()).collect()
    }
}

/// Everything a generation folded, by whatever way.
#[derive(Default)]
pub(super) struct Work {
    pub(super) families: Vec<Folded>,
    /// Stored families that were made anew.
    pub(super) gone: BTreeSet<i64>,
    /// Names whose rows must be looked at although no family may have them any more.
    pub(super) names: BTreeSet<Name>,
    /// Orders that were read.
    pub(super) orders: usize,
    pub(super) rebuild_at: Option<DateTime<Utc>>,
}

/// Families and lots that are written down where they were folded. A family takes some 12 µs and a lot 1 µs, so these take
/// no longer than the other steps of a sync keep a lease renewal waiting, a millisecond or two. Another thread costs more
/// than it spares them: two wake-ups, and the memory that its allocator keeps.
const SMALL_FAMILIES_MAX: usize = 100;
const SMALL_LOTS_MAX: usize = 1_000;

impl Work {
    /// Whether writing it down keeps nothing waiting.
    pub(super) fn is_small(&self) -> bool {
        let lots = self.families.iter().map(|family| family.ledger.lot_count());
        self.families.len() <= SMALL_FAMILIES_MAX && lots.sum::<usize>() <= SMALL_LOTS_MAX
    }

    /// Stored families that need not be read any more.
    pub(super) fn met(&self) -> Vec<i64> {
        self.gone.iter().copied().chain(self.families.iter().filter_map(|family| family.id)).collect()
    }

    /// The trading days of the account and of strategies: from these families, from days with a `new` fill of a
    /// strategy, and from all others.
    pub(super) fn days<'a>(
        &'a self,
        others: &'a BTreeMap<String, OtherDays>,
        new: impl Iterator<Item = (&'a str, NaiveDate)>,
        holidays: &BTreeSet<NaiveDate>,
        as_of: DateTime<Utc>,
    ) -> Vec<LedgerDays> {
        let mut traded: BTreeMap<&str, BTreeSet<NaiveDate>> = BTreeMap::from([("", BTreeSet::new())]);
        for (strategy, other) in others {
            let days = traded.entry(strategy).or_default();
            days.extend(other.last_day);
            days.extend(&other.odd_days);
        }
        for family in &self.families {
            traded.entry(&family.strategy_id).or_default().extend(family.traded_days());
        }
        for (strategy, day) in new {
            traded.entry(strategy).or_default().insert(day);
        }
        let days = traded.into_iter().map(|(strategy, traded)| {
            let calendar = Calendar::new(holidays, traded);
            let view_day = calendar.view_day(as_of);
            let day_before = calendar.before(view_day);
            LedgerDays { strategy_id: strategy.to_owned(), view_day, day_before }
        });
        days.collect()
    }

    /// Writes the families down: the account's book, and each family as it is to be stored.
    pub(super) fn write(
        self,
        days: &[LedgerDays],
        as_of: DateTime<Utc>,
    ) -> Result<(Book, Vec<NewFamily>), GenerationError> {
        let view_day = days.first().map_or_else(|| ist::day_of(as_of), |days| days.view_day);
        let (mut books, mut stored) = (Vec::new(), Vec::new());
        for family in self.families {
            let day_before = days.iter().find(|days| days.strategy_id == family.strategy_id);
            let day_before = day_before.map_or(family.ledger.view_day(), |days| days.day_before);
            let mut book = family.ledger.book(&family.reference.instruments, day_before)?;
            withhold_unstorable(&mut book);
            let is_account = family.strategy_id.is_empty();
            let findings = if is_account { findings(&book, &family.notes) } else { Vec::new() };
            stored.push(NewFamily {
                id: family.id,
                names: family.names,
                is_live: family.ledger.is_live(),
                last_day: family.ledger.last_day(),
                odd_days: family.ledger.odd_days(),
                ledger: json_text(&family.ledger.save())?,
                findings: json_text(&findings)?,
                rows: match is_account {
                    true => None,
                    false => Some((json_text(&book.positions)?, json_text(&book.holdings)?)),
                },
                strategy_id: family.strategy_id,
            });
            if is_account {
                books.push(book);
            }
        }
        Ok((Book::of_families(view_day, books), stored))
    }
}

/// What does not add up in a family.
#[derive(Serialize)]
#[serde(untagged)]
enum Finding<'a> {
    OfLedger(&'a Discrepancy),
    OfOrder(&'a Value),
}

fn findings<'a>(book: &'a Book, notes: &'a [Value]) -> Vec<Finding<'a>> {
    let of_ledger = book.discrepancies.iter().map(Finding::OfLedger);
    of_ledger.chain(notes.iter().map(Finding::OfOrder)).collect()
}

fn json_text(written: &impl Serialize) -> Result<String, GenerationError> {
    serde_json::to_string(written).map_err(GenerationError::Unwritable)
}
