use super::desk::{d, day, ist};
use crate::OrderEventKind::{Cancelled, Filled, Modified, PartiallyFilled, Placed, Rejected};
use crate::{KnownOrder, OrderEventKind, ReportedOrder, Side, plan};

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
        day: day("2025-06-17"),
        status: status.to_owned(),
        quantity: d(quantity),
        filled_quantity: d(filled),
        average_price: None,
        price: None,
        client_tag: None,
    }
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
        assert_eq!(
            (plan.new.as_slice(), plan.new_events[0].as_slice()),
            ([0].as_slice(), events),
            "{status}"
        );
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
    assert_eq!(plan, crate::Plan::default());
}

#[test]
fn a_new_limit_price_is_a_modification_but_a_missing_one_is_not() {
    let old = KnownOrder { price: Some(d("100")), ..known(7, "1", "OPEN", "0/10") };
    let new = |price| crate::ReportedOrder { price, ..reported("1", TODAY, "OPEN", "0/10") };
    let updates = |price| plan(std::slice::from_ref(&old), &[new(price)]).updates;
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
    assert_eq!((plan.new, plan.stale.len()), (vec![0], 0));
    // 20:00 UTC of the 16th is the 17th in India.
    let late = reported("1", "2025-06-17 01:30", "OPEN", "4/10");
    assert_eq!(crate::plan(&[known(7, "1", "OPEN", "0/10")], &[late]).updates.len(), 1);
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
    assert_eq!(plan(&[own(7), own(8)], std::slice::from_ref(&state)).new, [0], "it could be either");
    let both = [state, tagged(reported("2", TODAY, "OPEN", "0/10"))];
    assert_eq!(plan(&[own(7)], &both).new.len(), 2);
}

#[test]
fn an_order_listed_twice_counts_by_its_furthest_state() {
    let book = [
        reported("1", TODAY, "COMPLETE", "10/10"),
        reported("1", TODAY, "OPEN", "4/10"),
        reported("1", TODAY, "OPEN", "0/10"),
    ];
    let plan = plan(&[], &book);
    assert_eq!((plan.new, plan.stale), (vec![0], vec![]));
}

#[test]
fn new_orders_come_by_time_then_by_id_as_a_number() {
    let book = [
        reported("10", "2025-06-17 10:01", "OPEN", "0/1"),
        reported("9", "2025-06-17 10:01", "OPEN", "0/1"),
        reported("11", "2025-06-17 10:00", "OPEN", "0/1"),
    ];
    assert_eq!(plan(&[], &book).new, [2, 1, 0]);
}

#[test]
fn an_order_without_any_time_is_the_latest_of_its_id() {
    let timeless = ReportedOrder { placed_at: None, ..reported("1", TODAY, "REJECTED", "0/10") };
    let before = KnownOrder { day: day("2025-06-16"), ..known(6, "1", "COMPLETE", "10/10") };
    let plan = plan(&[known(7, "1", "OPEN", "0/10"), before], &[timeless]);
    assert_eq!((plan.new.len(), plan.updates[0].id), (0, 7));
}
