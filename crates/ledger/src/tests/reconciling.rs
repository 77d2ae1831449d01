use super::desk::{d, day, ist};
use crate::OrderEventKind::{Cancelled, Filled, Modified, PartiallyFilled, Placed, Rejected};
use crate::{
    Executions, Iceberg, KnownOrder, Look, OrderEventKind, OrderSource, Own, Plan, ReportedOrder,
    ReportedTrade, Side, plan_trades,
};
use chrono::TimeDelta;

/// `filled/quantity`.
fn reported(id: &str, at: &str, status: &str, amount: &str) -> ReportedOrder {
    let (filled, quantity) = amount.split_once('/').unwrap();
    ReportedOrder {
        broker_order_id: id.to_owned(),
        exchange_order_id: None,
        broker_parent_id: None,
        client_tag: None,
        exchange: "NSE".to_owned(),
        symbol: "X".to_owned(),
        side: Side::Buy,
        product: "CNC".to_owned(),
        order_type: None,
        variety: "REGULAR".to_owned(),
        validity: None,
        quantity: d(quantity),
        filled_quantity: d(filled),
        pending_quantity: None,
        disclosed_quantity: None,
        average_price: None,
        price: None,
        trigger_price: None,
        status: status.to_owned(),
        status_message: None,
        placed_at: Some(ist(at)),
        exchange_at: None,
        other_tags: Vec::new(),
        iceberg: None,
        is_amo: None,
        labels: crate::Labels::default(),
        raw: String::new(),
    }
}

fn known(id: i64, broker_id: &str, status: &str, amount: &str) -> KnownOrder {
    let (filled, quantity) = amount.split_once('/').unwrap();
    KnownOrder {
        id,
        broker_order_id: (!broker_id.is_empty()).then(|| broker_id.to_owned()),
        exchange_order_id: None,
        exchange: "NSE".to_owned(),
        symbol: "X".to_owned(),
        side: Some(Side::Buy),
        product: "CNC".to_owned(),
        day: day("2025-06-17"),
        placed_at: Some(ist(TODAY)),
        status: status.to_owned(),
        quantity: d(quantity),
        filled_quantity: d(filled),
        average_price: None,
        price: None,
        trigger_price: None,
        client_tag: None,
        source: OrderSource::Own,
        strategy_id: None,
        executions: Executions::default(),
    }
}

/// A look in the evening of the book's day.
fn look() -> Look {
    Look {
        at: ist("2025-06-17 20:00"),
        grace: TimeDelta::seconds(30),
        has_own_orders: true,
        is_of_today: true,
    }
}

fn plan(known: &[KnownOrder], reported: &[ReportedOrder]) -> Plan {
    crate::plan(known, reported, &look())
}

/// Indexes of new orders, with the stored order of ours that each belongs to.
fn new(plan: &Plan) -> Vec<(usize, Option<i64>)> {
    plan.new.iter().map(|new| (new.reported, new.own.as_ref().map(|own| own.id))).collect()
}

const TODAY: &str = "2025-06-17 10:00";

#[test]
fn a_new_order_tells_all_that_has_happened_to_it() {
    let rows: [(&str, &str, &[OrderEventKind]); 7] = [
        ("OPEN", "0/10", &[Placed]),
        ("OPEN", "4/10", &[Placed, PartiallyFilled]),
        ("COMPLETE", "10/10", &[Placed, Filled]),
        ("CANCELLED", "0/10", &[Placed, Cancelled]),
        ("CANCELLED", "4/10", &[Placed, PartiallyFilled, Cancelled]),
        ("REJECTED", "0/10", &[Placed, Rejected]),
        ("TRIGGER_PENDING", "0/10", &[Placed]),
    ];
    for (status, amount, events) in rows {
        let plan = plan(&[], &[reported("1", TODAY, status, amount)]);
        assert_eq!((new(&plan), plan.new[0].events.as_slice()), (vec![(0, None)], events), "{status}");
    }
}

#[test]
fn an_update_tells_only_what_is_new() {
    let rows: [(&str, &str, &str, &str, &[OrderEventKind]); 8] = [
        ("OPEN", "0/10", "OPEN", "4/10", &[PartiallyFilled]),
        ("OPEN", "4/10", "OPEN", "6/10", &[PartiallyFilled]),
        ("OPEN", "4/10", "COMPLETE", "10/10", &[Filled]),
        ("OPEN", "10/10", "COMPLETE", "10/10", &[]),
        ("OPEN", "4/10", "CANCELLED", "4/10", &[Cancelled]),
        ("TRIGGER PENDING", "0/10", "REJECTED", "0/10", &[Rejected]),
        ("OPEN", "4/10", "COMPLETE", "4/4", &[Modified, Filled]),
        ("CANCELLED", "4/10", "COMPLETE", "10/10", &[Filled]),
    ];
    for (old, had, new, has, events) in rows {
        let plan = plan(&[known(7, "1", old, had)], &[reported("1", TODAY, new, has)]);
        assert_eq!(
            (plan.updates.len(), plan.new.len(), plan.stale.len()),
            (1, 0, 0),
            "{old} {had} {new} {has}"
        );
        assert_eq!(
            (plan.updates[0].id, plan.updates[0].events.as_slice()),
            (7, events),
            "{old} {had} {new} {has}"
        );
    }
}

#[test]
fn nothing_goes_backward() {
    let rows = [
        ("COMPLETE", "10/10", "OPEN", "10/10"),
        ("CANCELLED", "0/10", "OPEN", "4/10"),
        ("OPEN", "6/10", "OPEN", "4/10"),
        ("OPEN", "6/10", "CANCELLED", "4/10"),
        ("REJECTED", "0/10", "CANCELLED", "0/10"),
    ];
    for (old, had, new, has) in rows {
        let plan = plan(&[known(7, "1", old, had)], &[reported("1", TODAY, new, has)]);
        assert_eq!(
            (plan.stale.as_slice(), plan.updates.len()),
            ([0].as_slice(), 0),
            "{old} {had} {new} {has}"
        );
    }
}

#[test]
fn an_unchanged_order_is_no_news() {
    let plan =
        plan(&[known(7, "1", "trigger pending", "0/10")], &[reported("1", TODAY, "TRIGGER_PENDING", "0/10")]);
    assert_eq!(plan, Plan { known: [(0, 7)].into(), ..Plan::default() });
}

#[test]
fn a_new_limit_price_is_a_modification_but_a_missing_one_is_not() {
    let old = KnownOrder { price: Some(d("100")), ..known(7, "1", "OPEN", "0/10") };
    let state = |price| ReportedOrder { price, ..reported("1", TODAY, "OPEN", "0/10") };
    let updates = |price| plan(std::slice::from_ref(&old), &[state(price)]).updates;
    assert_eq!(updates(Some(d("101")))[0].events, [Modified]);
    for unchanged in [Some(d("100.00")), None, Some(d("0"))] {
        assert_eq!(updates(unchanged), []);
    }
}

#[test]
fn an_id_belongs_to_its_day_and_exchange() {
    let yesterday = KnownOrder { day: day("2025-06-16"), ..known(7, "1", "COMPLETE", "10/10") };
    let elsewhere = KnownOrder { exchange: "BSE".to_owned(), ..known(8, "1", "COMPLETE", "10/10") };
    let plan = plan(&[yesterday, elsewhere], &[reported("1", TODAY, "OPEN", "0/10")]);
    assert_eq!((new(&plan), plan.stale.len()), (vec![(0, None)], 0));
    // 20:00 UTC of the 16th is the 17th in India.
    let late = reported("1", "2025-06-17 01:30", "OPEN", "4/10");
    assert_eq!(self::plan(&[known(7, "1", "OPEN", "0/10")], &[late]).updates.len(), 1);
}

#[test]
fn an_imported_order_is_recognised_by_its_exchange_id() {
    let imported =
        KnownOrder { exchange_order_id: Some("E1".to_owned()), ..known(7, "", "COMPLETE", "10/10") };
    let state = ReportedOrder {
        exchange_order_id: Some("E1".to_owned()),
        ..reported("1", TODAY, "COMPLETE", "10/10")
    };
    let plan = plan(&[imported], &[state]);
    assert_eq!((plan.new.len(), plan.updates.len()), (0, 1), "its brokerage id becomes known");
    assert_eq!(plan.updates[0].events, []);
}

#[test]
fn an_own_order_on_its_way_is_recognised_by_a_tag_that_names_only_it() {
    let tagged = |order: ReportedOrder| ReportedOrder { client_tag: Some("t".to_owned()), ..order };
    let own = |id| KnownOrder { client_tag: Some("t".to_owned()), ..known(id, "", "OPEN", "0/10") };
    let state = tagged(reported("1", TODAY, "COMPLETE", "10/10"));
    assert_eq!(plan(&[own(7)], std::slice::from_ref(&state)).updates[0].events, [Filled]);
    let either = plan(&[own(7), own(8)], std::slice::from_ref(&state));
    assert_eq!(new(&either), [(0, Some(8))], "it could be either, but it is ours");
    let both = [state.clone(), tagged(reported("2", TODAY, "OPEN", "0/10"))];
    assert_eq!(plan(&[own(7)], &both).new.len(), 2);
    let other = ReportedOrder { symbol: "Y".to_owned(), ..state };
    assert!(plan(&[own(7)], &[other]).updates.is_empty(), "of another instrument");
}

#[test]
fn an_order_listed_twice_counts_by_its_furthest_state() {
    let book = [
        reported("1", TODAY, "COMPLETE", "10/10"),
        reported("1", TODAY, "OPEN", "4/10"),
        reported("1", TODAY, "OPEN", "0/10"),
    ];
    let plan = plan(&[], &book);
    assert_eq!((new(&plan), plan.stale), (vec![(0, None)], vec![]));
}

#[test]
fn new_orders_come_by_time_then_by_id_as_a_number() {
    let book = [
        reported("10", "2025-06-17 10:01", "OPEN", "0/1"),
        reported("9", "2025-06-17 10:01", "OPEN", "0/1"),
        reported("11", "2025-06-17 10:00", "OPEN", "0/1"),
    ];
    assert_eq!(new(&plan(&[], &book)), [(2, None), (1, None), (0, None)]);
}

#[test]
fn a_state_without_any_time_is_of_the_order_of_its_id() {
    let timeless = ReportedOrder { placed_at: None, ..reported("1", TODAY, "OPEN", "0/10") };
    let book = [timeless, reported("1", TODAY, "COMPLETE", "10/10")];
    assert_eq!(new(&plan(&[], &book)), [(1, None)]);
}

#[test]
fn what_is_stored_as_told_is_no_change_at_the_next_look() {
    let stored = KnownOrder {
        exchange_order_id: Some("old".to_owned()),
        average_price: Some(d("109.333333333333")),
        ..known(7, "1", "COMPLETE", "10/10")
    };
    let told = ReportedOrder {
        exchange_order_id: Some("new".to_owned()),
        average_price: Some(d("109.33333333333333")),
        ..reported("1", TODAY, "COMPLETE", "10/10")
    };
    assert!(plan(&[stored], &[told]).updates.is_empty());
}

#[test]
fn an_order_without_any_time_is_the_latest_of_its_id() {
    let timeless = ReportedOrder { placed_at: None, ..reported("1", TODAY, "REJECTED", "0/10") };
    let before = KnownOrder { day: day("2025-06-16"), ..known(6, "1", "COMPLETE", "10/10") };
    let plan = plan(&[known(7, "1", "OPEN", "0/10"), before], &[timeless]);
    assert_eq!((plan.new.len(), plan.updates[0].id), (0, 7));
}

fn tagged(tag: &str, state: ReportedOrder) -> ReportedOrder {
    ReportedOrder { client_tag: Some(tag.to_owned()), ..state }
}

#[test]
fn a_leg_of_an_own_order_is_our_own_with_its_strategy() {
    let entry = KnownOrder { strategy_id: Some("s".to_owned()), ..known(7, "1", "COMPLETE", "10/10") };
    let leg = |id: &str, parent: &str, status| ReportedOrder {
        broker_parent_id: Some(parent.to_owned()),
        side: Side::Sell,
        ..reported(id, TODAY, status, "0/10")
    };
    // The leg of a leg, and slices of an order that is not in the book itself.
    let book = [
        reported("1", TODAY, "COMPLETE", "10/10"),
        leg("2", "1", "OPEN"),
        leg("3", "2", "CANCELLED"),
        leg("4", "elsewhere", "OPEN"),
        leg("5", "sliced", "OPEN"),
    ];
    let sliced = known(8, "sliced", "OPEN", "0/50");
    let plan = plan(&[entry, sliced], &book);
    assert_eq!(new(&plan), [(1, Some(7)), (2, Some(7)), (3, None), (4, Some(8))]);
    assert_eq!(plan.new[0].own, Some(Own { id: 7, strategy_id: Some("s".to_owned()) }));
}

#[test]
fn the_legs_of_an_external_order_are_external() {
    let external = KnownOrder { source: OrderSource::External, ..known(7, "1", "COMPLETE", "10/10") };
    let leg =
        ReportedOrder { broker_parent_id: Some("1".to_owned()), ..reported("2", TODAY, "OPEN", "0/10") };
    assert_eq!(new(&plan(&[external], &[leg])), [(0, None)]);
}

#[test]
fn the_later_legs_of_an_iceberg_belong_to_whoever_placed_the_first() {
    let leg = |id: &str, at: &str, leg| ReportedOrder {
        iceberg: Some(Iceberg { leg, legs: 3, total_quantity: d("30") }),
        ..reported(id, at, "COMPLETE", "10/10")
    };
    let ours = known(7, "1", "COMPLETE", "10/10");
    let book = [
        leg("1", "2025-06-17 10:00", 1),
        leg("2", "2025-06-17 10:01", 2),
        // Somebody else's iceberg of the same size, begun later.
        leg("11", "2025-06-17 10:02", 1),
        leg("12", "2025-06-17 10:03", 2),
    ];
    assert_eq!(new(&plan(&[ours], &book)), [(1, Some(7)), (2, None), (3, None)]);
}

#[test]
fn an_order_with_a_tag_of_ours_is_our_own_whatever_became_of_its_row() {
    let own = KnownOrder {
        client_tag: Some("bot".to_owned()),
        strategy_id: Some("s".to_owned()),
        ..known(7, "1", "OPEN", "0/10")
    };
    let other = ReportedOrder { symbol: "Y".to_owned(), ..reported("3", TODAY, "OPEN", "0/5") };
    let in_tags = ReportedOrder { other_tags: vec!["bot".to_owned()], ..reported("4", TODAY, "OPEN", "0/5") };
    let book = [tagged("bot", other), in_tags, tagged("phone", reported("5", TODAY, "OPEN", "0/5"))];
    assert_eq!(new(&plan(&[own], &book)), [(0, Some(7)), (1, Some(7)), (2, None)]);
}

#[test]
fn an_order_of_a_moment_ago_may_be_an_own_one_on_its_way() {
    let moment_ago = Look { at: ist("2025-06-17 10:00") + TimeDelta::seconds(10), ..look() };
    let later = Look { at: ist("2025-06-17 10:00") + TimeDelta::seconds(31), ..look() };
    let own = KnownOrder { symbol: "Y".to_owned(), ..known(7, "1", "OPEN", "0/10") };
    let young = [reported("2", "2025-06-17 10:00", "OPEN", "0/10")];
    assert_eq!(crate::plan(std::slice::from_ref(&own), &young, &moment_ago).deferred, [0]);
    assert_eq!(new(&crate::plan(&[own], &young, &later)), [(0, None)]);
    // Nobody places orders of our own in this account.
    let foreign = Look { has_own_orders: false, ..moment_ago };
    assert_eq!(new(&crate::plan(&[], &young, &foreign)), [(0, None)]);
    let in_the_future = Look { at: ist("2025-06-17 04:30"), ..look() };
    assert_eq!(new(&crate::plan(&[], &young, &in_the_future)), [(0, None)], "a clock that is hours off");
    // No system of ours stores a leg.
    let leg = ReportedOrder { broker_parent_id: Some("1".to_owned()), ..young[0].clone() };
    let entry = known(7, "1", "OPEN", "0/10");
    assert_eq!(new(&crate::plan(&[entry], &[leg], &moment_ago)), [(0, Some(7))]);
}

#[test]
fn an_own_order_whose_answer_was_lost_is_the_only_one_like_it_of_its_time() {
    let own = |id| known(id, "", "OPEN", "0/10");
    let state = |id: &str, at: &str| reported(id, at, "COMPLETE", "10/10");
    let alone = plan(&[own(7)], &[state("1", "2025-06-17 10:00")]);
    assert_eq!((alone.updates[0].id, alone.new.len()), (7, 0));
    let hours_later = plan(&[own(7)], &[state("1", "2025-06-17 14:00")]);
    assert_eq!(new(&hours_later), [(0, None)]);
    let later = KnownOrder { placed_at: Some(ist("2025-06-17 14:00")), ..own(8) };
    let apart = plan(&[own(7), later], &[state("1", "2025-06-17 10:00"), state("2", "2025-06-17 14:00")]);
    assert_eq!(apart.updates.iter().map(|update| update.id).collect::<Vec<_>>(), [7, 8]);
    let two = plan(&[own(7)], &[state("1", "2025-06-17 10:00"), state("2", "2025-06-17 10:00")]);
    assert_eq!(new(&two), [(0, None), (1, None)], "nobody knows which");
}

#[test]
fn what_lived_yesterday_and_is_in_no_book_any_more_has_vanished() {
    let old = |id, status: &str| KnownOrder {
        day: day("2025-06-16"),
        ..known(id, &id.to_string(), status, "4/10")
    };
    let known = [
        old(1, "OPEN"),
        old(2, "TRIGGER PENDING"),
        old(3, "COMPLETE"),
        old(4, "somebody else's word"),
        known(5, "5", "OPEN", "0/10"),
        old(6, "AMO REQ RECEIVED"),
    ];
    // Placed yesterday evening, taken by the exchange today.
    let amo = ReportedOrder {
        placed_at: Some(ist("2025-06-16 20:00")),
        exchange_at: Some(ist("2025-06-17 09:15")),
        ..reported("6", TODAY, "OPEN", "4/10")
    };
    assert_eq!(plan(&known, std::slice::from_ref(&amo)).vanished, [1, 2]);
    let whole_history = Look { is_of_today: false, ..look() };
    assert!(crate::plan(&known, &[amo], &whole_history).vanished.is_empty());
}

#[test]
fn a_row_made_of_an_own_order_gives_way_to_the_own_row_that_came_too_late() {
    let made = KnownOrder { source: OrderSource::External, ..known(7, "1", "COMPLETE", "10/10") };
    let own = known(8, "1", "OPEN", "0/10");
    let late = plan(&[made.clone(), own], &[reported("1", TODAY, "COMPLETE", "10/10")]);
    assert_eq!((late.doubles, late.updates[0].id, late.new.len()), (vec![(7, 8)], 8, 0));
    assert_eq!(late.updates[0].events, [], "it was told of the row that gives way");
    let twice_made = KnownOrder { id: 9, ..made.clone() };
    assert!(plan(&[made, twice_made], &[]).doubles.is_empty(), "nobody's own");
}

fn trade(id: &str, order: &str, quantity: &str) -> ReportedTrade {
    ReportedTrade {
        trade_id: id.to_owned(),
        broker_order_id: order.to_owned(),
        exchange_order_id: None,
        exchange: "NSE".to_owned(),
        symbol: "X".to_owned(),
        side: Side::Buy,
        product: "CNC".to_owned(),
        quantity: d(quantity),
        price: d("100"),
        at: ist(TODAY),
    }
}

#[test]
fn executions_are_taken_in_once_all_of_an_order_are_told() {
    let stored = KnownOrder {
        executions: Executions { count: 1, quantity: d("4"), value: d("400") },
        ..known(7, "2", "OPEN", "4/10")
    };
    let same = KnownOrder {
        executions: Executions { count: 1, quantity: d("4"), value: d("400") },
        ..known(8, "3", "OPEN", "4/10")
    };
    let book = [
        reported("1", TODAY, "COMPLETE", "10/10"),
        reported("2", TODAY, "OPEN", "9/10"),
        reported("3", TODAY, "OPEN", "4/10"),
        reported("4", TODAY, "OPEN", "5/10"),
    ];
    let trades = [
        trade("a", "1", "4"),
        trade("b", "1", "6"),
        trade("b", "1", "6"),
        trade("c", "2", "4"),
        trade("d", "3", "4"),
        // More than the book said a moment before.
        trade("e", "4", "10"),
        trade("f", "gone", "1"),
    ];
    let known = [stored, same];
    let orders = plan(&known, &book);
    let told = plan_trades(&known, &book, &orders, Some(&trades));
    assert_eq!(told.executions, [(0, vec![0, 2]), (3, vec![5])].into());
    assert_eq!(told.incomplete, [1], "4 of 9 would count for less than there is");
    assert_eq!(told.without_order, [6]);
    let mut absurd = [trade("x", "1", "1")];
    (absurd[0].quantity, absurd[0].price) = (rust_decimal::Decimal::MAX, rust_decimal::Decimal::MAX);
    assert_eq!(plan_trades(&known, &book, &orders, Some(&absurd)).executions, [].into());
    let silent = plan_trades(&known, &book, &orders, None);
    assert_eq!((silent.executions.len(), silent.incomplete, silent.without_order.len()), (0, vec![1], 0));
}
