//! The days of some instruments, one fill after the other.
//!
//! A day begins with its corporate actions and opening lots, is traded, and ends. The day of the view is traded as if
//! it ended at the view's instant, but it is not ended: its delivery still stands in the rows, and it can be taken up
//! again. So a ledger that was put away goes on where it stopped, and is what it would be had it never stopped.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use compact_str::CompactString;
use rust_decimal::Decimal;

use crate::Terms;
use crate::calendar::is_odd;
use crate::closing::{Closed, ClosingSide};
use crate::corporate_action::CorporateAction;
use crate::error::LedgerError;
use crate::fifo::Match;
use crate::fill::Fill;
use crate::identity::Identities;
use crate::ist;
use crate::opening_lot::OpeningLot;
use crate::origin::{Origin, Piece, Place, QueueId, signed};
use crate::queue::{Latest, OnDay, Queue};
use crate::trail::Trail;

/// The open lots of some instruments, and all that later fills, days and prices can still need of their past.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub(crate) view_day: NaiveDate,
    pub(crate) queues: Vec<Queue>,
    pub(crate) index: BTreeMap<QueueId, usize>,
    pub(crate) trails: Vec<Trail>,
    /// By terms and ISIN.
    trail_of: HashMap<(Arc<Terms>, Option<CompactString>), usize, foldhash::fast::RandomState>,
    /// Sales (and opening shorts) of shares that no lot covers, with the day they belong to.
    pub(crate) uncovered: Vec<(NaiveDate, QueueId, Piece)>,
    /// Everything closed so far, where that is wanted.
    pub(crate) closed: Option<Vec<Closed>>,
    pub(crate) identities: Identities,
    pub(crate) holidays: Arc<BTreeSet<NaiveDate>>,
    /// What is to happen before the fills of coming days.
    pending: VecDeque<(NaiveDate, DayStart)>,
    /// By the address of terms, which are kept so that no others can have it.
    spots: HashMap<usize, (Arc<Terms>, Spot), foldhash::fast::RandomState>,
    today: Span,
}

/// What a day begins with, in this order.
#[derive(Debug, Clone, Default)]
struct DayStart {
    actions: Vec<CorporateAction>,
    lots: Vec<OpeningLot>,
}

/// Where fills of some terms go.
#[derive(Debug, Clone, Copy)]
struct Spot {
    queue: usize,
    row: usize,
    trail: usize,
}

/// The IST day of the latest fill, by its instants.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    day: NaiveDate,
    is_odd: bool,
}

impl Ledger {
    /// An empty ledger for a view of `view_day`. Identities must be complete: of all fills that will be applied.
    pub fn new(view_day: NaiveDate, identities: Identities, holidays: Arc<BTreeSet<NaiveDate>>) -> Self {
        let today = Span::of(ist::start_of(view_day), &holidays);
        Self {
            view_day,
            queues: Vec::new(),
            index: BTreeMap::new(),
            trails: Vec::new(),
            trail_of: HashMap::default(),
            uncovered: Vec::new(),
            closed: None,
            identities,
            holidays,
            pending: VecDeque::new(),
            spots: HashMap::default(),
            today,
        }
    }

    /// Says what days up to the view's begin with. Of a ledger that goes on, only what is after its last view.
    pub fn expect<'a>(
        &mut self,
        actions: impl IntoIterator<Item = &'a CorporateAction>,
        lots: impl IntoIterator<Item = &'a OpeningLot>,
    ) {
        let mut days: BTreeMap<NaiveDate, DayStart> = self.pending.drain(..).collect();
        for action in actions {
            days.entry(action.ex_date).or_default().actions.push(action.clone());
        }
        for lot in lots {
            days.entry(ist::day_of(lot.opened_at)).or_default().lots.push(lot.clone());
        }
        for day in days.values_mut() {
            day.actions.sort_by(|a, b| a.cmp_within_day(b));
            day.lots.sort_by(OpeningLot::cmp_within_day);
        }
        self.pending = days.into_iter().filter(|(day, _)| *day <= self.view_day).collect();
    }

    /// Takes in the next fill in matching order, of the view's day or before.
    ///
    /// A queue stops before its first fill without a price; what is later waits.
    pub fn apply(&mut self, fill: Fill) -> Result<(), LedgerError> {
        if !(self.today.from <= fill.at && fill.at < self.today.to) {
            self.today = Span::of(fill.at, &self.holidays);
        }
        let Span { day, is_odd, .. } = self.today;
        self.start_days_until(day)?;
        let Spot { queue: queue_at, row, trail } = self.spot(&fill.terms);
        let quantity = signed(fill.side, fill.quantity);
        let queue = &mut self.queues[queue_at];
        queue.fills_seen += 1;
        if is_odd && queue.odd_days.last() != Some(&day) {
            queue.odd_days.insert(day);
        }
        if queue.stopped.is_some() || fill.known_price().is_none() {
            let place = Arc::clone(&self.trails[trail].place);
            queue.wait(Arc::new(Origin::of_fill(fill, place, day)), quantity);
            return Ok(());
        }
        queue.last = Some(Latest::Of(trail, quantity));
        if queue.open_day.is_some_and(|open| open < day) {
            self.end_day_before(queue_at, day)?;
        }
        let piece = Piece::new(self.trails[trail].make_way(fill, day), quantity);
        let queue = &mut self.queues[queue_at];
        let on = OnDay { day, is_view: day == self.view_day };
        let traded = match &mut self.closed {
            None => queue.trade(row, &piece, on, |_| {}),
            Some(closed) => {
                let id = queue.id.clone();
                queue.trade(row, &piece, on, |matched| closed.push(Closed::new(&id, matched)))
            }
        };
        self.trails[trail].pass(piece.origin);
        traded.map_err(|_| overflow(self.queues[queue_at].id.as_str()))
    }

    /// Brings all queues to the view's day: days before it are ended, and what it begins with has happened.
    pub fn reach_view(&mut self) -> Result<(), LedgerError> {
        self.start_days_until(self.view_day)?;
        (0..self.queues.len()).try_for_each(|queue| self.end_day_before(queue, self.view_day))
    }

    fn start_days_until(&mut self, day: NaiveDate) -> Result<(), LedgerError> {
        while let Some((_, start)) = self.pending.pop_front_if(|(next, _)| *next <= day) {
            for action in &start.actions {
                self.undergo(action)?;
            }
            for lot in &start.lots {
                self.open(lot)?;
            }
        }
        Ok(())
    }

    fn undergo(&mut self, action: &CorporateAction) -> Result<(), LedgerError> {
        let concerned = [Some(&action.isin), action.new_isin.as_ref()];
        for isin in concerned.into_iter().flatten() {
            if let Some(queue) = self.index.get(&QueueId::Isin(isin.as_str().into())) {
                self.end_day_before(*queue, action.ex_date)?;
            }
        }
        action.apply(self).map_err(|_| overflow(&action.isin))
    }

    fn open(&mut self, lot: &OpeningLot) -> Result<(), LedgerError> {
        let day = ist::day_of(lot.opened_at);
        let terms = Terms {
            exchange: lot.exchange.clone(),
            instrument_key: lot.instrument_key.clone(),
            symbol: lot.symbol.clone(),
            isin: lot.isin.clone(),
            product: lot.product.clone(),
            strategy_id: None,
        };
        let isin = self.identities.isin_of(&terms);
        let place = Arc::new(Place::new(Arc::new(terms), isin));
        let trail = self.trail(&place);
        let origin = Arc::new(Origin::of_opening_lot(lot, place, day));
        self.trails[trail].open(&origin);
        let id = origin.place.queue.clone();
        if id.is_cash() && lot.quantity.is_sign_negative() {
            self.uncovered.push((day, id, Piece::new(origin, lot.quantity)));
            return Ok(());
        }
        let queue = self.queue(&id);
        self.end_day_before(queue, day)?;
        let opened = self.queues[queue].open(Piece::new(origin, lot.quantity), day);
        opened.map_err(|_| overflow(id.as_str()))
    }

    fn end_day_before(&mut self, queue: usize, day: NaiveDate) -> Result<(), LedgerError> {
        let queue = &mut self.queues[queue];
        let id = queue.id.clone();
        let closed = &mut self.closed;
        let ended = queue.end_day_before(day, |matched| {
            if let Some(closed) = closed {
                closed.push(Closed::new(&id, matched));
            }
        });
        if let Some((ended, uncovered)) = ended.map_err(|_| overflow(id.as_str()))? {
            self.uncovered.extend(uncovered.into_iter().map(|piece| (ended, id.clone(), piece)));
        }
        Ok(())
    }

    /// The position of a queue; an unknown one is added.
    pub(crate) fn queue(&mut self, id: &QueueId) -> usize {
        if let Some(known) = self.index.get(id) {
            return *known;
        }
        self.queues.push(Queue::new(id.clone()));
        self.index.insert(id.clone(), self.queues.len() - 1);
        self.queues.len() - 1
    }

    fn trail(&mut self, place: &Arc<Place>) -> usize {
        let known = self.trail_of.get(&(Arc::clone(&place.terms), place.isin.clone()));
        known.copied().unwrap_or_else(|| self.add_trail(Trail::new(Arc::clone(place))))
    }

    /// Adds a trail of a place that has none yet.
    pub(crate) fn add_trail(&mut self, trail: Trail) -> usize {
        let number = self.trails.len();
        self.trail_of.insert((Arc::clone(&trail.place.terms), trail.place.isin.clone()), number);
        self.trails.push(trail);
        number
    }

    fn spot(&mut self, terms: &Arc<Terms>) -> Spot {
        let address = Arc::as_ptr(terms).addr();
        if let Some((_, known)) = self.spots.get(&address) {
            return *known;
        }
        let place = Arc::new(Place::new(Arc::clone(terms), self.identities.isin_of(terms)));
        let trail = self.trail(&place);
        let queue = self.queue(&place.queue);
        let row = self.queues[queue].row(&place.row);
        let spot = Spot { queue, row, trail };
        self.spots.insert(address, (Arc::clone(terms), spot));
        spot
    }

    /// The latest fill of a queue, with its signed quantity.
    pub(crate) fn last_of<'a>(&'a self, queue: &'a Queue) -> Option<(&'a Arc<Origin>, Decimal)> {
        match queue.last.as_ref()? {
            Latest::Of(trail, quantity) => Some((self.trails[*trail].latest.as_ref()?, *quantity)),
            Latest::Waiting(origin, quantity) => Some((origin, *quantity)),
        }
    }
}

impl Span {
    fn of(instant: DateTime<Utc>, holidays: &BTreeSet<NaiveDate>) -> Self {
        let day = ist::day_of(instant);
        let to = day.succ_opt().map_or(DateTime::<Utc>::MAX_UTC, ist::start_of);
        Self { from: ist::start_of(day), to, day, is_odd: is_odd(day, holidays) }
    }
}

impl Closed {
    pub(crate) fn new(queue: &QueueId, matched: Match<'_>) -> Self {
        Self {
            queue: queue.clone(),
            opened: Arc::clone(&matched.lot.origin),
            closed: Arc::clone(&matched.fill.origin),
            side: matched.side(),
            quantity: matched.quantity,
            entry: matched.lot.price,
            exit: matched.fill.price,
        }
    }

    /// Paid and received per unit.
    pub(crate) fn bought_and_sold(&self) -> (crate::Price, crate::Price) {
        match self.side {
            ClosingSide::Long => (self.entry, self.exit),
            ClosingSide::Short => (self.exit, self.entry),
        }
    }
}

pub(crate) fn overflow(name: &str) -> LedgerError {
    LedgerError::Overflow { instrument_key: name.to_owned() }
}
