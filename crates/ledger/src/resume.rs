//! A ledger that goes on: which fills it can still take, and how it comes to a later day.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use crate::ledger::Ledger;
use crate::origin::QueueId;
use crate::queue::Queue;
use crate::{Fill, ist};

impl Ledger {
    /// The day whose rows the ledger can tell.
    pub fn view_day(&self) -> NaiveDate {
        self.view_day
    }

    /// Goes on to a later view. What begins the days until then is to be told by [`Ledger::expect`].
    ///
    /// # Panics
    /// In debug builds when the day is an earlier one: days that were ended cannot be taken back.
    pub fn turn_to(&mut self, view_day: NaiveDate) {
        debug_assert!(self.view_day <= view_day, "{} was ended before {view_day}", self.view_day);
        self.view_day = view_day;
    }

    /// Whether a fill only adds to what was applied: it is of an instrument that was met before, of a day that has
    /// not been ended, and later in matching order than all others of its queue.
    ///
    /// If not, the ledger must be made anew from all fills of its instruments.
    pub fn is_next(&self, fill: &Fill) -> bool {
        let terms = &*fill.terms;
        let is_known =
            self.trails.iter().any(|trail| trail.place.terms.instrument_key == terms.instrument_key);
        let isin = self.identities.isin_of(terms);
        let id = QueueId::new(&terms.exchange, &terms.instrument_key, isin.as_deref());
        let queue = self.index.get(&id).map(|queue| &self.queues[*queue]);
        let last = queue.and_then(|queue| self.last_of(queue));
        is_known
            && queue.is_some()
            && ist::day_of(fill.at) >= self.view_day
            && last.is_none_or(|(last, quantity)| last.is_before(quantity, fill))
    }

    /// Takes note of a fill's ISIN before any is applied; whether everything met so far still has the same one.
    pub fn see(&mut self, fill: &Fill) -> bool {
        self.identities.see_fill(fill);
        self.is_same()
    }

    /// Whether what has no ISIN of its own still has the one it was put away with.
    pub fn is_same(&self) -> bool {
        self.trails.iter().all(|trail| self.identities.isin_of(&trail.place.terms) == trail.place.isin)
    }

    /// Whether another day can change its rows: something is open, or was traded on the view's day.
    pub fn is_live(&self) -> bool {
        let is_to_be_told = self.uncovered.iter().any(|(day, _, _)| *day >= self.view_day);
        is_to_be_told || self.queues.iter().any(Queue::is_open)
    }

    /// How many lots are open, and sales without one known: what its size grows with.
    pub fn lot_count(&self) -> usize {
        let of_queues = self.queues.iter().map(|queue| queue.lots.len() + queue.intraday.len());
        self.uncovered.len() + of_queues.sum::<usize>()
    }

    /// The latest day with a fill.
    pub fn last_day(&self) -> Option<NaiveDate> {
        let days = self.queues.iter().filter_map(|queue| self.last_of(queue));
        days.map(|(last, _)| last.day).max()
    }

    /// Days with a fill on which the market is closed.
    pub fn odd_days(&self) -> BTreeSet<NaiveDate> {
        self.queues.iter().flat_map(|queue| queue.odd_days.iter().copied()).collect()
    }

    /// The keys of all instruments that it knows.
    pub fn instrument_keys(&self) -> BTreeSet<&str> {
        self.trails.iter().map(|trail| &*trail.place.terms.instrument_key).collect()
    }
}
