//! What belongs together.
//!
//! Most instruments live for themselves. Some share a cost queue (an ISIN on two exchanges), a row (a key whose ISIN
//! changed), or lots that a corporate action moves from one to the other: those are a family. A fill concerns its
//! family and no other, so families can be put away, taken up and made anew one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::CorporateAction;
use crate::ledger::Ledger;
use crate::origin::{Place, QueueId};
use crate::queue::Latest;

/// A name by which a fill, an instrument or a corporate action finds the family it concerns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// An instrument's key.
    Key(String),
    /// The ISIN of a queue of shares, or one that a corporate action joins to it.
    Isin(String),
}

impl Ledger {
    /// All names of a ledger's instruments, with what `actions` join to them.
    pub fn names(&self, actions: &[CorporateAction]) -> BTreeSet<Name> {
        let mut names: BTreeSet<Called<'_>> =
            self.trails.iter().flat_map(|trail| names_of(&trail.place)).collect();
        names.extend(self.index.keys().map(name_of));
        // Actions may form chains; each round follows one link of each.
        loop {
            let known = names.len();
            for link in actions.iter().filter_map(link) {
                if link.iter().any(|isin| names.contains(isin)) {
                    names.extend(link);
                }
            }
            if names.len() == known {
                return names.into_iter().map(Name::from).collect();
            }
        }
    }

    /// Takes a ledger that has reached its view's day apart into its families. Closings are not kept.
    pub fn split(self, actions: &[CorporateAction]) -> Vec<Self> {
        let mut families = Families::default();
        self.trails.iter().for_each(|trail| families.join(names_of(&trail.place)));
        self.index.keys().for_each(|id| families.join([name_of(id)]));
        actions.iter().filter_map(link).for_each(|link| families.join(link));
        let mut parts: BTreeMap<usize, Self> = BTreeMap::new();
        let mut part = |name: Called<'_>, put: &mut dyn FnMut(&mut Self)| {
            let empty = || Self::new(self.view_day, self.identities.unseen(), Arc::clone(&self.holidays));
            if let Some(family) = families.find(name) {
                put(parts.entry(family).or_insert_with(empty));
            }
        };
        let last: Vec<_> = self.queues.iter().map(|queue| self.last_of(queue)).collect();
        let last: Vec<Option<Latest>> = last
            .into_iter()
            .map(|last| last.map(|(origin, quantity)| Latest::Waiting(Arc::clone(origin), quantity)))
            .collect();
        for (mut queue, last) in self.queues.into_iter().zip(last) {
            // A trail has another number in its part.
            queue.last = last;
            let (id, mut queue) = (queue.id.clone(), Some(queue));
            part(name_of(&id), &mut |part| {
                part.index.insert(id.clone(), part.queues.len());
                part.queues.extend(queue.take());
            });
        }
        for trail in &self.trails {
            part(Called::Key(&trail.place.terms.instrument_key), &mut |part| {
                part.add_trail(trail.clone());
            });
        }
        for sale in &self.uncovered {
            part(name_of(&sale.1), &mut |part| part.uncovered.push(sale.clone()));
        }
        for (key, seen) in &self.identities.seen {
            part(Called::Key(key), &mut |part| part.identities.see(key, seen.clone()));
        }
        parts.into_values().filter(|part| !part.trails.is_empty()).collect()
    }
}

/// A [`Name`] that is only looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Called<'a> {
    Key(&'a str),
    Isin(&'a str),
}

impl From<Called<'_>> for Name {
    fn from(name: Called<'_>) -> Self {
        match name {
            Called::Key(key) => Self::Key(key.to_owned()),
            Called::Isin(isin) => Self::Isin(isin.to_owned()),
        }
    }
}

/// Names joined into families: each family is named by a number, its first name's.
#[derive(Default)]
struct Families<'a> {
    number_of: BTreeMap<Called<'a>, usize>,
    /// For each number the one it was joined to, its own if none.
    joined_to: Vec<usize>,
}

impl<'a> Families<'a> {
    fn join(&mut self, names: impl IntoIterator<Item = Called<'a>>) {
        let numbers: Vec<usize> = names.into_iter().map(|name| self.of(name)).collect();
        if let Some(least) = numbers.iter().min().copied() {
            numbers.into_iter().for_each(|number| self.joined_to[number] = least);
        }
    }

    fn of(&mut self, name: Called<'a>) -> usize {
        let number = *self.number_of.entry(name).or_insert_with(|| {
            self.joined_to.push(self.joined_to.len());
            self.joined_to.len() - 1
        });
        self.root(number)
    }

    /// The family that has this name.
    fn find(&self, name: Called<'_>) -> Option<usize> {
        self.number_of.get(&name).map(|number| self.root(*number))
    }

    fn root(&self, mut number: usize) -> usize {
        while self.joined_to[number] != number {
            number = self.joined_to[number];
        }
        number
    }
}

/// The key, and for shares the ISIN that has their queue.
fn names_of(place: &Place) -> impl Iterator<Item = Called<'_>> {
    let key = Called::Key(&place.terms.instrument_key);
    [Some(key), place.queue.isin().map(Called::Isin)].into_iter().flatten()
}

fn name_of(queue: &QueueId) -> Called<'_> {
    match queue {
        QueueId::Isin(isin) => Called::Isin(isin),
        QueueId::CashKey(key) | QueueId::Contract(key) => Called::Key(key),
    }
}

/// The two ISINs that an action makes one family.
fn link(action: &CorporateAction) -> Option<[Called<'_>; 2]> {
    let new_isin = action.new_isin.as_ref().filter(|isin| !isin.is_empty())?;
    Some([Called::Isin(&action.isin), Called::Isin(new_isin)])
}
