//! Which unknown orders of a book are our own after all.
//!
//! Brokerages make orders of their own out of ours: the legs of cover and bracket orders (told by their parent's id), the
//! slices of a large one (told by a tag with the id that was answered to us) and the legs of an iceberg (told by nothing
//! but the first leg, which is ours). And an order with our tag was placed by our systems, whatever became of its row.

use std::collections::{BTreeMap, HashMap};

use rust_decimal::Decimal;

use crate::known_order::{KnownOrder, OrderSource};
use crate::order_match::is_young;
use crate::reconcile::{Look, Own};
use crate::reported::{ReportedOrder, Side};

/// Exchange, symbol, side, product, number of legs, quantity over all legs.
type IcebergPlace<'a> = (&'a str, &'a str, Side, &'a str, u32, Decimal);

pub(crate) struct OwnOrders<'a> {
    known: &'a [KnownOrder],
    reported: &'a [ReportedOrder],
    /// Positions of stored orders by the brokerage's id, of those in the book whose rows may not have it yet too.
    by_broker_id: HashMap<(&'a str, &'a str), usize>,
    /// Positions of own orders by tag, the latest last.
    by_tag: HashMap<&'a str, Vec<usize>>,
    /// First legs, in the order of the book, with the stored order each is.
    first_legs: BTreeMap<IcebergPlace<'a>, Vec<(usize, Option<usize>)>>,
}

impl<'a> OwnOrders<'a> {
    pub(crate) fn new(
        known: &'a [KnownOrder],
        reported: &'a [ReportedOrder],
        book: &[usize],
        matches: &BTreeMap<usize, usize>,
    ) -> Self {
        let mut by_broker_id = HashMap::new();
        let mut by_tag: HashMap<&str, Vec<usize>> = HashMap::new();
        for (position, order) in known.iter().enumerate() {
            if let Some(id) = order.broker_order_id.as_deref() {
                by_broker_id.insert((&*order.exchange, id), position);
            }
            if let Some(tag) = order.client_tag.as_deref().filter(|tag| order.is_own() && !tag.is_empty()) {
                by_tag.entry(tag).or_default().push(position);
            }
        }
        for (index, position) in matches {
            let state = &reported[*index];
            by_broker_id.insert((&*state.exchange, &*state.broker_order_id), *position);
        }
        let mut first_legs: BTreeMap<IcebergPlace<'_>, Vec<(usize, Option<usize>)>> = BTreeMap::new();
        for index in book {
            if let Some((1, place)) = iceberg(&reported[*index]) {
                first_legs.entry(place).or_default().push((*index, matches.get(index).copied()));
            }
        }
        Self { known, reported, by_broker_id, by_tag, first_legs }
    }

    /// The own order that an order which is not stored belongs to. Asked in the order of the book, so that a leg of a leg
    /// finds its parent.
    pub(crate) fn owner(&mut self, index: usize) -> Option<Own> {
        let state = &self.reported[index];
        let position = self.parent(state).or_else(|| self.first_leg(state)).or_else(|| self.tagged(state))?;
        self.by_broker_id.insert((&*state.exchange, &*state.broker_order_id), position);
        let owner = &self.known[position];
        Some(Own { id: owner.id, strategy_id: owner.strategy_id.clone() })
    }

    /// Whether an order which is not stored may be one that our own systems have placed and not stored yet. Parts that the
    /// brokerage made of an own order are never stored by them.
    pub(crate) fn may_be_on_its_way(&self, index: usize, look: &Look) -> bool {
        let state = &self.reported[index];
        let is_part = self.parent(state).or_else(|| self.first_leg(state)).is_some();
        look.has_own_orders && is_young(state, look) && !is_part
    }

    fn parent(&self, state: &ReportedOrder) -> Option<usize> {
        let parent = state.broker_parent_id.as_deref()?;
        self.by_broker_id.get(&(&*state.exchange, parent)).copied().filter(|at| self.known[*at].is_own())
    }

    fn first_leg(&self, state: &ReportedOrder) -> Option<usize> {
        let (leg, place) = iceberg(state)?;
        let firsts = self.first_legs.get(&place).filter(|_| leg > 1)?;
        // Of several icebergs alike the one that was begun last.
        let before = |first: &ReportedOrder| first.placed_at <= state.placed_at;
        let (_, position) = firsts.iter().rfind(|(index, _)| before(&self.reported[*index]))?;
        position.filter(|at| self.known[*at].is_own())
    }

    fn tagged(&self, state: &ReportedOrder) -> Option<usize> {
        let tags = state.client_tag.iter().chain(&state.other_tags);
        let owners =
            tags.filter_map(|tag| self.by_tag.get(tag.as_str())).find(|owners| !owners.is_empty())?;
        let alike = |at: &&usize| {
            let order = &self.known[**at];
            order.symbol == state.symbol && order.exchange == state.exchange && order.side == Some(state.side)
        };
        owners.iter().rfind(alike).or(owners.last()).copied()
    }
}

impl KnownOrder {
    fn is_own(&self) -> bool {
        match self.source {
            OrderSource::Own | OrderSource::Leg | OrderSource::Import => true,
            OrderSource::External => false,
        }
    }
}

fn iceberg(state: &ReportedOrder) -> Option<(u32, IcebergPlace<'_>)> {
    let iceberg = state.iceberg?;
    let place =
        (&*state.exchange, &*state.symbol, state.side, &*state.product, iceberg.legs, iceberg.total_quantity);
    Some((iceberg.leg, place))
}
