//! A ledger put away: what it needs to go on, as data.
//!
//! Places and origins are shared by many pieces, so they are written once and named by their number. Decimals keep
//! every digit, trailing zeros included: what goes on must show the same as what never stopped.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use compact_str::CompactString;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digits::Digits;
use crate::fifo::Fifo;
use crate::identity::{Identities, Seen};
use crate::ledger::Ledger;
use crate::origin::{Origin, Piece, Place, QueueId};
use crate::price::{Price, Sum};
use crate::queue::{Latest, Queue, Row, Start, Today};
use crate::row::RowKey;
use crate::trail::Trail;
use crate::{Terms, ist};

/// What [`SavedLedger`] and the rules it follows are called together. A ledger saved under another version must be
/// made anew from its fills: raise this with every change of either.
pub const SAVED_VERSION: i32 = 1;

/// A [`Ledger`] as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedLedger {
    view_day: NaiveDate,
    places: Vec<SavedPlace>,
    origins: Vec<SavedOrigin>,
    queues: Vec<SavedQueue>,
    trails: Vec<SavedTrail>,
    uncovered: Vec<(NaiveDate, SavedId, SavedPiece)>,
    seen: BTreeMap<String, Seen>,
}

type Number = usize;

/// Its terms and its ISIN; the rest follows from these.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SavedPlace(Arc<Place>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedOrigin {
    place: Number,
    price: Digits,
    at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trade_id: Option<CompactString>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order_id: Option<CompactString>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_opening: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum SavedId {
    Isin(CompactString),
    CashKey(CompactString),
    Contract(CompactString),
}

/// Origin, quantity, and the amount and per of the price where they are not those of the origin.
type SavedPiece = (Number, Digits, Option<(Digits, Digits)>);

/// Exchange, instrument key, product.
type SavedRowKey = (CompactString, CompactString, CompactString);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedQueue {
    id: SavedId,
    lots: Vec<SavedPiece>,
    rows: Vec<SavedRow>,
    is_split: bool,
    intraday: Vec<SavedPiece>,
    open_day: Option<NaiveDate>,
    start: Option<SavedStart>,
    stopped: Option<(Number, Digits)>,
    fills_seen: usize,
    last: Option<(Number, Digits)>,
    odd_days: BTreeSet<NaiveDate>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedStart {
    lots: Vec<SavedPiece>,
    rows: Vec<(SavedRowKey, Vec<SavedPiece>)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedRow {
    key: SavedRowKey,
    own: Vec<SavedPiece>,
    today: Option<SavedToday>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedToday {
    bought: Digits,
    bought_value: SavedSum,
    sold: Digits,
    sold_value: SavedSum,
    realised: SavedSum,
    strategies: BTreeSet<Option<CompactString>>,
}

/// The whole part, and numerators by denominator.
type SavedSum = (Digits, Vec<(Digits, Digits)>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedTrail {
    place: Number,
    latest: Option<Number>,
    before: Option<Number>,
    opening: Option<Number>,
}

impl Ledger {
    /// Puts the ledger away.
    pub fn save(&self) -> SavedLedger {
        let mut writer = Writer::default();
        let queues = self.index.values().map(|index| {
            let queue = &self.queues[*index];
            writer.queue(queue, self.last_of(queue))
        });
        let queues = queues.collect();
        let trails = self.trails.iter().map(|trail| writer.trail(trail)).collect();
        let uncovered = self.uncovered.iter();
        let uncovered =
            uncovered.map(|(day, id, piece)| (*day, SavedId::from(id), writer.piece(piece))).collect();
        SavedLedger {
            view_day: self.view_day,
            places: writer.places,
            origins: writer.origins,
            queues,
            trails,
            uncovered,
            seen: self.identities.seen.clone(),
        }
    }
}

#[derive(Default)]
struct Writer {
    places: Vec<SavedPlace>,
    origins: Vec<SavedOrigin>,
    /// By address: what is saved outlives the writer.
    place_at: HashMap<usize, Number, foldhash::fast::RandomState>,
    origin_at: HashMap<usize, Number, foldhash::fast::RandomState>,
}

impl Writer {
    fn place(&mut self, place: &Arc<Place>) -> Number {
        let places = &mut self.places;
        *self.place_at.entry(Arc::as_ptr(place).addr()).or_insert_with(|| {
            places.push(SavedPlace(Arc::clone(place)));
            places.len() - 1
        })
    }

    fn origin(&mut self, origin: &Arc<Origin>) -> Number {
        if let Some(known) = self.origin_at.get(&Arc::as_ptr(origin).addr()) {
            return *known;
        }
        let place = self.place(&origin.place);
        self.origins.push(SavedOrigin {
            place,
            price: Digits(origin.price),
            at: origin.at,
            trade_id: origin.trade_id.clone(),
            order_id: origin.order_id.clone(),
            is_opening: origin.is_opening,
        });
        self.origin_at.insert(Arc::as_ptr(origin).addr(), self.origins.len() - 1);
        self.origins.len() - 1
    }

    fn piece(&mut self, piece: &Piece) -> SavedPiece {
        let Price { amount, per } = piece.price;
        let is_as_traded = piece.price == Price::of(piece.origin.price);
        (
            self.origin(&piece.origin),
            Digits(piece.quantity),
            (!is_as_traded).then_some((Digits(amount), Digits(per))),
        )
    }

    fn pieces(&mut self, pieces: &Fifo) -> Vec<SavedPiece> {
        pieces.iter().map(|piece| self.piece(piece)).collect()
    }

    fn queue(&mut self, queue: &Queue, last: Option<(&Arc<Origin>, Decimal)>) -> SavedQueue {
        SavedQueue {
            id: SavedId::from(&queue.id),
            lots: self.pieces(&queue.lots),
            rows: queue.rows.iter().map(|row| self.row(row)).collect(),
            is_split: queue.is_split,
            intraday: self.pieces(&queue.intraday),
            open_day: queue.open_day,
            start: queue.start.as_ref().map(|start| SavedStart {
                lots: self.pieces(&start.lots),
                rows: start.rows.iter().map(|(key, own)| (saved_key(key), self.pieces(own))).collect(),
            }),
            stopped: queue
                .stopped
                .as_ref()
                .map(|(origin, quantity)| (self.origin(origin), Digits(*quantity))),
            fills_seen: queue.fills_seen,
            last: last.map(|(origin, quantity)| (self.origin(origin), Digits(quantity))),
            odd_days: queue.odd_days.clone(),
        }
    }

    fn row(&mut self, row: &Row) -> SavedRow {
        SavedRow {
            key: saved_key(&row.key),
            own: self.pieces(&row.own),
            today: row.today.as_ref().map(|today| SavedToday {
                bought: Digits(today.bought),
                bought_value: saved_sum(&today.bought_value),
                sold: Digits(today.sold),
                sold_value: saved_sum(&today.sold_value),
                realised: saved_sum(&today.realised),
                strategies: today.strategies.clone(),
            }),
        }
    }

    fn trail(&mut self, trail: &Trail) -> SavedTrail {
        SavedTrail {
            place: self.place(&trail.place),
            latest: trail.latest.as_ref().map(|origin| self.origin(origin)),
            before: trail.before.as_ref().map(|origin| self.origin(origin)),
            opening: trail.opening.as_ref().map(|origin| self.origin(origin)),
        }
    }
}

impl SavedLedger {
    /// Takes the ledger up again. `identities` are what instruments say now. `None` where the data contradicts
    /// itself: it was not written by [`Ledger::save`].
    pub fn restore(self, mut identities: Identities, holidays: Arc<BTreeSet<NaiveDate>>) -> Option<Ledger> {
        for (key, seen) in self.seen {
            identities.see(&key, seen);
        }
        let reader = Reader::new(self.places, self.origins)?;
        let mut ledger = Ledger::new(self.view_day, identities, holidays);
        for queue in self.queues {
            let queue = reader.queue(queue)?;
            ledger.index.insert(queue.id.clone(), ledger.queues.len());
            ledger.queues.push(queue);
        }
        for trail in self.trails {
            ledger.add_trail(reader.trail(&trail)?);
        }
        for (day, id, piece) in self.uncovered {
            ledger.uncovered.push((day, QueueId::from(id), reader.piece(&piece)?));
        }
        Some(ledger)
    }
}

struct Reader {
    places: Vec<SavedPlace>,
    origins: Vec<Arc<Origin>>,
}

impl Reader {
    fn new(places: Vec<SavedPlace>, origins: Vec<SavedOrigin>) -> Option<Self> {
        let origins: Option<Vec<Arc<Origin>>> = origins
            .into_iter()
            .map(|origin| {
                Some(Arc::new(Origin {
                    place: Arc::clone(&places.get(origin.place)?.0),
                    price: origin.price.0,
                    day: ist::day_of(origin.at),
                    at: origin.at,
                    trade_id: origin.trade_id,
                    order_id: origin.order_id,
                    is_opening: origin.is_opening,
                }))
            })
            .collect();
        Some(Self { places, origins: origins? })
    }

    fn origin(&self, number: Number) -> Option<Arc<Origin>> {
        self.origins.get(number).map(Arc::clone)
    }

    fn piece(&self, (origin, quantity, price): &SavedPiece) -> Option<Piece> {
        let mut piece = Piece::new(self.origin(*origin)?, quantity.0);
        if let Some((Digits(amount), Digits(per))) = *price {
            piece.price = Price { amount, per };
        }
        Some(piece)
    }

    fn pieces(&self, pieces: &[SavedPiece]) -> Option<Fifo> {
        let mut fifo = Fifo::default();
        pieces.iter().try_for_each(|piece| fifo.push(self.piece(piece)?).ok())?;
        Some(fifo)
    }

    fn counted(&self, of: Option<(Number, Digits)>) -> Option<Option<(Arc<Origin>, Decimal)>> {
        of.map_or(Some(None), |(origin, quantity)| Some(Some((self.origin(origin)?, quantity.0))))
    }

    fn queue(&self, queue: SavedQueue) -> Option<Queue> {
        let mut read = Queue::new(QueueId::from(queue.id));
        read.lots = self.pieces(&queue.lots)?;
        read.rows = queue.rows.into_iter().map(|row| self.row(row)).collect::<Option<_>>()?;
        read.is_split = queue.is_split;
        read.intraday = self.pieces(&queue.intraday)?;
        read.open_day = queue.open_day;
        if let Some(SavedStart { lots, rows }) = queue.start {
            let rows = rows.into_iter().map(|(key, own)| Some((row_key(key), self.pieces(&own)?)));
            read.start = Some(Start { lots: self.pieces(&lots)?, rows: rows.collect::<Option<_>>()? });
        }
        read.stopped = self.counted(queue.stopped)?;
        read.fills_seen = queue.fills_seen;
        read.last = self.counted(queue.last)?.map(|(origin, quantity)| Latest::Waiting(origin, quantity));
        read.odd_days = queue.odd_days;
        Some(read)
    }

    fn row(&self, row: SavedRow) -> Option<Row> {
        let today = row.today.map(|today| {
            Box::new(Today {
                bought: today.bought.0,
                bought_value: sum(today.bought_value),
                sold: today.sold.0,
                sold_value: sum(today.sold_value),
                realised: sum(today.realised),
                strategies: today.strategies,
            })
        });
        Some(Row { key: row_key(row.key), own: self.pieces(&row.own)?, today })
    }

    fn trail(&self, trail: &SavedTrail) -> Option<Trail> {
        let origin = |number: Option<Number>| match number {
            Some(number) => self.origin(number).map(Some),
            None => Some(None),
        };
        Some(Trail {
            place: Arc::clone(&self.places.get(trail.place)?.0),
            latest: origin(trail.latest)?,
            before: origin(trail.before)?,
            opening: origin(trail.opening)?,
        })
    }
}

impl Serialize for SavedPlace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&*self.0.terms, &self.0.isin).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SavedPlace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (terms, isin): (Terms, Option<CompactString>) = Deserialize::deserialize(deserializer)?;
        Ok(Self(Arc::new(Place::new(Arc::new(terms), isin))))
    }
}

fn saved_sum(sum: &Sum) -> SavedSum {
    let (whole, parts) = sum.parts();
    (Digits(whole), parts.into_iter().map(|(per, amount)| (Digits(per), Digits(amount))).collect())
}

fn sum((whole, parts): SavedSum) -> Sum {
    Sum::from((whole.0, parts.into_iter().map(|(per, amount)| (per.0, amount.0)).collect()))
}

fn saved_key(key: &RowKey) -> SavedRowKey {
    (key.exchange.clone(), key.instrument_key.clone(), key.product.clone())
}

fn row_key((exchange, instrument_key, product): SavedRowKey) -> RowKey {
    RowKey { exchange, instrument_key, product }
}

impl From<&QueueId> for SavedId {
    fn from(id: &QueueId) -> Self {
        match id.clone() {
            QueueId::Isin(name) => Self::Isin(name),
            QueueId::CashKey(name) => Self::CashKey(name),
            QueueId::Contract(name) => Self::Contract(name),
        }
    }
}

impl From<SavedId> for QueueId {
    fn from(id: SavedId) -> Self {
        match id {
            SavedId::Isin(name) => Self::Isin(name),
            SavedId::CashKey(name) => Self::CashKey(name),
            SavedId::Contract(name) => Self::Contract(name),
        }
    }
}
