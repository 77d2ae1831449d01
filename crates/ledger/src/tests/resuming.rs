//! A ledger that was put away, taken up and went on is the ledger that never stopped.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use proptest::prelude::*;

use super::desk::{Desk, d, day, ist};
use super::properties::{any_desk, config};
use crate::*;

/// What a storage keeps of an account.
struct Shelf<'a> {
    desk: &'a Desk,
    families: Vec<String>,
    last_at: DateTime<Utc>,
}

impl<'a> Shelf<'a> {
    /// Made anew from all fills until an instant.
    fn rebuilt(desk: &'a Desk, as_of: DateTime<Utc>) -> Self {
        let mut fills: Vec<&Fill> = desk.fills.iter().filter(|fill| fill.counts_at(as_of)).collect();
        fills.sort_by(|a, b| a.matching_order(b));
        let mut identities = Identities::new(&desk.instruments);
        fills.iter().for_each(|fill| identities.see_fill(fill));
        desk.lots.iter().for_each(|lot| identities.see_lot(lot, as_of));
        let mut ledger = Ledger::new(desk.view_day(as_of), identities, Arc::default());
        ledger.expect(&desk.actions, &desk.lots);
        fills.into_iter().for_each(|fill| ledger.apply(fill.clone()).unwrap());
        ledger.reach_view().unwrap();
        let families = ledger.split(&desk.actions);
        let names: Vec<_> = families.iter().map(|family| family.names(&desk.actions)).collect();
        for (index, names_of) in names.iter().enumerate() {
            assert!(
                names[..index].iter().all(|others| others.is_disjoint(names_of)),
                "families share no name"
            );
        }
        Self { desk, families: families.iter().map(put_away).collect(), last_at: as_of }
    }

    /// Taken up with what is new; whether nothing had to be made anew.
    fn go_on(&mut self, as_of: DateTime<Utc>) -> bool {
        let view_day = self.desk.view_day(as_of);
        let mut families: Vec<Ledger> =
            self.families.iter().map(|saved| take_up(saved, &self.desk.instruments)).collect();
        let mut new: Vec<&Fill> =
            self.desk.fills.iter().filter(|fill| fill.counts_at(as_of) && fill.at > self.last_at).collect();
        new.sort_by(|a, b| a.matching_order(b));
        let mut all_next = self.desk.lots.iter().all(|lot| lot.opened_at <= self.last_at);
        for fill in &new {
            let key = &*fill.terms.instrument_key;
            let family = families.iter_mut().find(|family| family.instrument_keys().contains(key));
            all_next &= family.is_some_and(|family| family.see(fill) && family.is_next(fill));
        }
        if !all_next {
            *self = Self::rebuilt(self.desk, as_of);
            return false;
        }
        for family in &mut families {
            let since = family.view_day();
            family.turn_to(view_day);
            let later = |day: NaiveDate| day > since && day <= view_day;
            family.expect(
                self.desk.actions.iter().filter(|action| later(action.ex_date)),
                self.desk.lots.iter().filter(|lot| later(ist::day_of(lot.opened_at))),
            );
            let keys: BTreeSet<String> = family.instrument_keys().into_iter().map(str::to_owned).collect();
            for fill in new.iter().filter(|fill| keys.contains(&fill.terms.instrument_key)) {
                family.apply((*fill).clone()).unwrap();
            }
            family.reach_view().unwrap();
        }
        self.families = families.iter().map(put_away).collect();
        self.last_at = as_of;
        true
    }

    /// The families' books as one.
    fn book(&self) -> Book {
        let families: Vec<Ledger> =
            self.families.iter().map(|saved| take_up(saved, &self.desk.instruments)).collect();
        let days: Vec<NaiveDate> = families
            .iter()
            .flat_map(|family| family.odd_days().into_iter().chain(family.last_day()))
            .collect();
        let calendar = Calendar::new(&self.desk.holidays, days);
        let view_day = calendar.view_day(self.last_at);
        let books = families.iter().map(|family| {
            assert_eq!(family.view_day(), view_day);
            family.book(&Instruments::new(&self.desk.instruments), calendar.before(view_day)).unwrap()
        });
        sorted(Book::of_families(view_day, books))
    }
}

/// Closings are not kept by a ledger that is put away, and lots are listed by queue.
fn sorted(mut book: Book) -> Book {
    book.closings.clear();
    book.open_lots.sort_by_key(|lot| (lot.isin.clone(), lot.instrument_key.clone(), lot.opened_at));
    book
}

fn put_away(family: &Ledger) -> String {
    serde_json::to_string(&family.save()).unwrap()
}

fn take_up(saved: &str, instruments: &[Instrument]) -> Ledger {
    let saved: SavedLedger = serde_json::from_str(saved).unwrap();
    let ledger = saved.clone().restore(Identities::new(instruments), Arc::default()).unwrap();
    assert!(ledger.is_same(), "nothing changed its ISIN");
    assert_eq!(ledger.save(), saved, "what is put away is what was taken up");
    ledger
}

impl Desk {
    fn view_day(&self, as_of: DateTime<Utc>) -> NaiveDate {
        let known = self.fills.iter().filter(|fill| fill.counts_at(as_of));
        Calendar::new(&self.holidays, known.map(|fill| ist::day_of(fill.at))).view_day(as_of)
    }
}

fn any_instants() -> impl Strategy<Value = BTreeSet<DateTime<Utc>>> {
    let instant = (16..23_u32, 6..12_u32, 0..6_u32);
    let instant =
        instant.prop_map(|(day, hour, minute)| ist(&format!("2025-06-{day} {hour:02}:{minute:02}")));
    prop::collection::btree_set(instant, 1..12)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_ledger_that_went_on_is_the_one_that_never_stopped(desk in any_desk(), instants in any_instants()) {
        let mut instants = instants.into_iter();
        let first = instants.next().unwrap();
        let mut shelf = Shelf::rebuilt(&desk, first);
        prop_assert_eq!(shelf.book(), sorted(desk.book_at(first)));
        for as_of in instants {
            shelf.go_on(as_of);
            prop_assert_eq!(shelf.book(), sorted(desk.book_at(as_of)), "{}", as_of);
            prop_assert_eq!(&shelf.families, &Shelf::rebuilt(&desk, as_of).families, "{}", as_of);
        }
    }
}

#[test]
fn a_later_fill_of_a_known_instrument_is_taken_in_without_the_past() {
    let desk = Desk::default()
        .fill("2025-06-16 10:00", "NSE:X", "CNC", "B10@100")
        .fill("2025-06-17 10:00", "NSE:X", "CNC", "B10@110")
        .fill("2025-06-17 11:00", "NSE:X", "MIS", "S5@120")
        .fill("2025-06-18 11:00", "NSE:X", "CNC", "S12@130");
    let mut shelf = Shelf::rebuilt(&desk, ist("2025-06-16 12:00"));
    for as_of in ["2025-06-17 10:30", "2025-06-17 11:30", "2025-06-18 09:00", "2025-06-18 12:00"].map(ist) {
        assert!(shelf.go_on(as_of), "{as_of}");
        assert_eq!(shelf.book(), sorted(desk.book_at(as_of)));
    }
}

#[test]
fn a_fill_of_an_ended_day_or_before_another_is_not_next() {
    let desk = Desk::default().fill("2025-06-16 10:00", "NSE:X", "CNC", "B10@100").fill(
        "2025-06-17 10:00",
        "NSE:X",
        "CNC",
        "B10@110",
    );
    let shelf = Shelf::rebuilt(&desk, ist("2025-06-17 12:00"));
    let ledger = take_up(&shelf.families[0], &[]);
    let at = |at: &str| super::desk::fill(at, "NSE:X", "CNC", "B1@1");
    assert!(ledger.is_next(&at("2025-06-17 10:01")));
    assert!(!ledger.is_next(&at("2025-06-17 09:59")), "another was taken in already");
    assert!(!ledger.is_next(&at("2025-06-16 15:00")), "its day has ended");
    assert!(
        !ledger.is_next(&super::desk::fill("2025-06-17 10:01", "NSE:Y", "CNC", "B1@1")),
        "another instrument"
    );
}

#[test]
fn an_isin_that_comes_to_be_known_later_is_noticed() {
    let desk = Desk::default().fill("2025-06-16 10:00", "NSE:X", "CNC", "B10@100");
    let shelf = Shelf::rebuilt(&desk, ist("2025-06-16 12:00"));
    let fill = Desk::default()
        .fill("2025-06-16 13:00", "NSE:X", "CNC", "B1@1")
        .on(|terms| terms.isin = Some("INE1".into()));
    let saved: SavedLedger = serde_json::from_str(&shelf.families[0]).unwrap();
    let mut ledger = saved.clone().restore(Identities::default(), Arc::default()).unwrap();
    assert!(!ledger.see(&fill.fills[0]), "what was bought without an ISIN has one now");
    let known = Desk::default().isin("NSE:X", "INE1").instruments;
    let ledger = saved.restore(Identities::new(&known), Arc::default()).unwrap();
    assert!(!ledger.is_same(), "the instrument has an ISIN now");
}

#[test]
fn shares_joined_by_an_action_or_a_key_are_one_family_and_contracts_are_apart() {
    let merger = CorporateAction {
        isin: "INE1".to_owned(),
        kind: CorporateActionKind::Merger,
        ex_date: day("2026-01-01"),
        factor: Some(d("2")),
        new_isin: Some("INE2".to_owned()),
        cost_fraction: None,
    };
    let of = |isin: &str| Some(isin.to_owned());
    let mut desk = Desk::default()
        .fill("2025-06-16 10:00", "NSE:A", "CNC", "B1@1")
        .on(|terms| terms.isin = of("INE1"))
        .fill("2025-06-16 10:00", "NSE:B", "CNC", "B1@1")
        .on(|terms| terms.isin = of("INE2"))
        .fill("2025-06-16 10:00", "BSE:B", "CNC", "B1@1")
        .on(|terms| terms.isin = of("INE2"))
        .fill("2025-06-16 10:00", "NSE:C", "CNC", "B1@1")
        .fill("2025-06-16 10:00", "NFO:C", "NRML", "B1@1")
        .fill("2025-06-16 10:00", "NFO:D", "NRML", "B1@1");
    let as_of = ist("2025-06-16 12:00");
    assert_eq!(Shelf::rebuilt(&desk, as_of).families.len(), 5);
    desk.actions.push(merger);
    assert_eq!(Shelf::rebuilt(&desk, as_of).families.len(), 4);
}

#[test]
fn a_family_lives_as_long_as_a_day_can_change_its_rows() {
    let desk = Desk::default().fill("2025-06-16 10:00", "NFO:A", "NRML", "B1@1").fill(
        "2025-06-16 11:00",
        "NFO:A",
        "NRML",
        "S1@2",
    );
    let live = |as_of: &str| {
        let shelf = Shelf::rebuilt(&desk, ist(as_of));
        take_up(&shelf.families[0], &[]).is_live()
    };
    assert!(live("2025-06-16 10:30"), "a lot is open");
    assert!(live("2025-06-16 12:00"), "flat, but shown until the day ends");
    assert!(!live("2025-06-17 12:00"));
}
