use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};

use crate::Terms;
use crate::instrument::Instruments;
use crate::origin::{Names, Origin, QueueId};
use crate::row::RowKey;
use crate::trail::Trail;

/// Who is who: the latest names, and when something was last traded. A fill tells better than an opening lot; fills
/// that wait behind one without a price tell nothing.
pub(crate) struct Directory<'a> {
    instruments: &'a Instruments,
    queues: BTreeMap<&'a QueueId, &'a Origin>,
    /// By exchange and key.
    keys: BTreeMap<(&'a str, &'a str), &'a Origin>,
    /// By row, only what happened before the view's day.
    rows_before: BTreeMap<RowKey, &'a Origin>,
    keys_of_queue: BTreeMap<&'a QueueId, BTreeSet<&'a str>>,
}

impl<'a> Directory<'a> {
    /// `rows_before` is told as of `view_day`.
    pub(crate) fn new(trails: &'a [Trail], view_day: NaiveDate, instruments: &'a Instruments) -> Self {
        let mut directory = Self {
            instruments,
            queues: BTreeMap::new(),
            keys: BTreeMap::new(),
            rows_before: BTreeMap::new(),
            keys_of_queue: BTreeMap::new(),
        };
        for trail in trails {
            if let Some(latest) = trail.best() {
                directory.meet(latest);
            }
            if let Some(before) = trail.best_before(view_day) {
                let row = directory.rows_before.entry(trail.place.row.clone()).or_insert(before);
                replace_if_later(row, before);
            }
        }
        directory
    }

    /// The names a queue goes by now. One that was never traded under its ISIN (the child of a demerger) goes by the
    /// instrument of that ISIN, else by the names its lots came with.
    pub(crate) fn names(&self, queue: &QueueId, lot: Option<&Origin>) -> Names {
        if let Some(latest) = self.queues.get(queue) {
            return latest.place.names();
        }
        if let Some(instrument) = queue.isin().and_then(|isin| self.instruments.of_isin(isin)) {
            return Names {
                instrument_key: instrument.instrument_key.clone(),
                exchange: instrument.exchange.clone(),
                symbol: instrument.symbol.clone(),
            };
        }
        lot.map(|lot| lot.place.names()).unwrap_or_else(|| Names {
            instrument_key: queue.as_str().to_owned(),
            exchange: String::new(),
            symbol: queue.as_str().to_owned(),
        })
    }

    /// The latest fill (else opening lot) of an instrument.
    pub(crate) fn latest(&self, exchange: &str, key: &str) -> Option<&'a Origin> {
        self.keys.get(&(exchange, key)).copied()
    }

    /// The latest fill (else opening lot) of a row before the view's day.
    pub(crate) fn latest_before(&self, row: &RowKey) -> Option<&'a Origin> {
        self.rows_before.get(row).copied()
    }

    /// When a queue was last traded.
    pub(crate) fn since(&self, queue: &QueueId) -> Option<DateTime<Utc>> {
        self.queues.get(queue).map(|latest| latest.at)
    }

    /// Every queue of a contract, with its latest fill.
    pub(crate) fn contracts(&self) -> impl Iterator<Item = &'a Origin> {
        self.queues.iter().filter(|(id, _)| !id.is_cash()).map(|(_, latest)| *latest)
    }

    /// All keys a queue was ever traded under.
    pub(crate) fn keys_of(&self, queue: &QueueId) -> BTreeSet<String> {
        let keys = self.keys_of_queue.get(queue).into_iter().flatten();
        keys.map(|key| (*key).to_owned()).collect()
    }

    fn meet(&mut self, origin: &'a Origin) {
        let Terms { instrument_key, exchange, .. } = origin.terms();
        let queue = &origin.place.queue;
        replace_if_later(self.queues.entry(queue).or_insert(origin), origin);
        replace_if_later(self.keys.entry((exchange, instrument_key)).or_insert(origin), origin);
        self.keys_of_queue.entry(queue).or_default().insert(instrument_key);
    }
}

/// Any fill comes before any opening lot, else the later one; of one instant the last in matching order.
fn replace_if_later<'a>(known: &mut &'a Origin, next: &'a Origin) {
    let later = (!next.is_opening).cmp(&!known.is_opening).then_with(|| next.cmp_matching(known));
    if later.then_with(|| next.terms().cmp(known.terms())).is_ge() {
        *known = next;
    }
}
