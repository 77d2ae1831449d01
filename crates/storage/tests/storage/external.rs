use std::time::Duration;

use chrono::TimeDelta;
use ledger::{KnownOrder, Labels, Plan, ReportedMargin, ReportedOrder, ReportedTrade, Side, TradePlan};
use serde_json::json;
use storage::{ExternalChanges, Lease, LeaseAnswer, LeaseRequest, Look, StorageError};

use crate::support::{Bed, SBIN, day, decimal, imported, raghu, request, success, time};

/// Ten of SBIN bought on 10 June 2025, as a brokerage's book tells it.
pub(crate) fn reported(broker_order_id: &str, exchange_order_id: &str) -> ReportedOrder {
    ReportedOrder {
        broker_order_id: broker_order_id.into(),
        exchange_order_id: Some(exchange_order_id.into()),
        broker_parent_id: None,
        client_tag: None,
        exchange: "NSE".into(),
        symbol: "SBIN".into(),
        side: Side::Buy,
        product: "CNC".into(),
        order_type: Some("LIMIT".into()),
        variety: "REGULAR".into(),
        validity: Some("DAY".into()),
        quantity: decimal("10"),
        filled_quantity: decimal("10"),
        pending_quantity: Some(decimal("0")),
        disclosed_quantity: None,
        average_price: Some(decimal("311.05")),
        price: Some(decimal("312")),
        trigger_price: None,
        status: "COMPLETE".into(),
        status_message: None,
        placed_at: Some(time("2025-06-10T04:00:00Z")),
        exchange_at: Some(time("2025-06-10T04:00:01Z")),
        other_tags: Vec::new(),
        iceberg: None,
        is_amo: None,
        labels: Labels { platform: Some("KITE".into()), ..Labels::default() },
        raw: json!({"order_id": broker_order_id, "meta": {"x": 1.10}}).to_string(),
    }
}

pub(crate) fn plan(known: &[KnownOrder], reported: &[ReportedOrder]) -> Plan {
    let look = ledger::Look {
        at: time("2025-06-10T12:00:00Z"),
        grace: TimeDelta::seconds(30),
        has_own_orders: false,
        is_of_today: true,
    };
    ledger::plan(known, reported, &look)
}

/// A book alone: no trades, no margins.
pub(crate) fn look<'a>(orders: &'a [ReportedOrder], plan: &'a Plan) -> Look<'a> {
    static NO_TRADES: TradePlan = TradePlan {
        executions: std::collections::BTreeMap::new(),
        incomplete: Vec::new(),
        without_order: Vec::new(),
    };
    static NO_LABELS: Labels = Labels {
        platform: None,
        stock_broker: None,
        trading_account: None,
        client_id: None,
        independent_exchange: None,
        independent_symbol: None,
        nest_request_id: None,
        comments: None,
    };
    Look {
        orders,
        plan,
        trades: &[],
        trade_plan: &NO_TRADES,
        margins: None,
        labels: &NO_LABELS,
        is_whole: true,
    }
}

/// What a run does with a brokerage's book.
async fn take_in(bed: &Bed, lease: &Lease, book: &[ReportedOrder]) -> Result<ExternalChanges, StorageError> {
    let known = bed.storage.known_orders(&lease.account, &[day("2025-06-10")]).await?;
    bed.storage.take_in(lease, &look(book, &plan(&known, book))).await
}

#[tokio::test]
async fn an_external_order_is_stored_with_its_source_the_raw_answer_and_events() {
    let bed = Bed::migrated().await;
    let lease = bed.lease(&raghu(), "job").await;
    let changes = take_in(&bed, &lease, &[reported("b-1", "e-1")]).await.unwrap();
    assert_eq!(changes, ExternalChanges { inserted: 1, events: 2, ..ExternalChanges::default() });
    let shown =
        "SELECT organization_id, pseudo_account, source, broker_order_id, exchange_order_id, order_day,
                 instrument_key, trade_type, filled_quantity, average_price, raw, platform,
                 platform_time AT TIME ZONE 'UTC', announced_at IS NULL FROM tradingdb.orders";
    assert_eq!(
        bed.sql(shown),
        format!(
            "default|Raghu|EXTERNAL|b-1|e-1|2025-06-10|{}|BUY|10|311.05|{}|KITE|2025-06-10 04:00:00|t",
            ledger::key_for("NSE", "SBIN"),
            r#"{"meta": {"x": 1.1}, "order_id": "b-1"}"#
        )
    );
    let events = "SELECT string_agg(event_type, ' ' ORDER BY e.id), bool_and(e.order_id = o.id)
                  FROM tradingdb.order_events e, tradingdb.orders o";
    assert_eq!(bed.sql(events), "placed filled|t");
    let view = bed
        .sql("SELECT last_external_check_at > now() - interval '1 minute' FROM tradingdb.account_sync_state");
    assert_eq!(view, "t");
}

#[tokio::test]
async fn an_external_order_gets_the_instrument_that_the_accounts_own_orders_know() {
    let bed = Bed::migrated().await;
    let mut own = imported(&raghu(), "1");
    own.columns.insert("instrument_key".into(), json!("NSE@STATE BANK@equities"));
    own.columns.insert("isin".into(), json!("INE062A01020"));
    bed.storage.import_orders(&[own]).await.unwrap();
    let lease = bed.lease(&raghu(), "job").await;
    take_in(&bed, &lease, &[reported("b-1", "e-1")]).await.unwrap();
    let shown = "SELECT instrument_key, isin FROM tradingdb.orders WHERE source = 'EXTERNAL'";
    assert_eq!(bed.sql(shown), "NSE@STATE BANK@equities|INE062A01020");
}

#[tokio::test]
async fn the_same_book_again_inserts_nothing() {
    let bed = Bed::migrated().await;
    let book = [reported("b-1", "e-1"), reported("b-2", "e-2")];
    let lease = bed.lease(&raghu(), "job").await;
    assert_eq!(take_in(&bed, &lease, &book).await.unwrap().inserted, 2);
    let tables = ["orders", "order_events", "symbols", "instruments"];
    let before = bed.dump(&tables);
    for _ in 0..2 {
        assert_eq!(take_in(&bed, &lease, &book).await.unwrap(), ExternalChanges::default());
        assert_eq!(bed.dump(&tables), before);
    }
}

#[tokio::test]
async fn a_known_order_moves_on_and_keeps_what_the_book_does_not_say() {
    let bed = Bed::migrated().await;
    let lease = bed.lease(&raghu(), "job").await;
    let mut open = reported("b-1", "e-1");
    (open.status, open.filled_quantity) = ("OPEN".into(), decimal("4"));
    take_in(&bed, &lease, std::slice::from_ref(&open)).await.unwrap();
    let mut complete = reported("b-1", "e-1");
    complete.average_price = None;
    let changes = take_in(&bed, &lease, &[complete]).await.unwrap();
    assert_eq!(changes, ExternalChanges { updated: 1, events: 1, ..ExternalChanges::default() });
    let shown = "SELECT status, filled_quantity, average_price FROM tradingdb.orders";
    assert_eq!(bed.sql(shown), "COMPLETE|10|311.05");
    let events = "SELECT string_agg(event_type, ' ' ORDER BY id) FROM tradingdb.order_events";
    assert_eq!(bed.sql(events), "placed partially_filled filled");
    // A late answer does not bring it back to life.
    assert_eq!(take_in(&bed, &lease, &[open]).await.unwrap(), ExternalChanges::default());
    assert_eq!(bed.sql(shown), "COMPLETE|10|311.05");
}

#[tokio::test]
async fn an_order_that_was_imported_is_not_external() {
    let bed = Bed::migrated().await;
    bed.storage.import_orders(&[imported(&raghu(), "e-1")]).await.unwrap();
    let lease = bed.lease(&raghu(), "job").await;
    let changes = take_in(&bed, &lease, &[reported("b-1", "e-1")]).await.unwrap();
    assert_eq!((changes.inserted, changes.updated), (0, 1), "only the brokerage's id is new");
    assert_eq!(
        bed.sql("SELECT source, broker_order_id, instrument_key FROM tradingdb.orders"),
        format!("IMPORT|b-1|{SBIN}")
    );
    assert!(bed.storage.unannounced_orders(&raghu()).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_import_finds_an_order_that_was_detected_before() {
    let bed = Bed::migrated().await;
    let lease = bed.lease(&raghu(), "job").await;
    take_in(&bed, &lease, &[reported("b-1", "e-1")]).await.unwrap();
    let summary = bed.storage.import_orders(&[imported(&raghu(), "e-1")]).await.unwrap();
    assert_eq!(summary.orders_new, 0);
    assert_eq!(bed.sql("SELECT source, broker_order_id FROM tradingdb.orders"), "EXTERNAL|b-1");
}

#[tokio::test]
async fn an_order_imported_between_the_look_and_the_writing_is_not_doubled() {
    let bed = Bed::migrated().await;
    let lease = bed.lease(&raghu(), "job").await;
    let book = [reported("b-1", "e-1")];
    let stale_plan = plan(&[], &book);
    bed.storage.import_orders(&[imported(&raghu(), "e-1")]).await.unwrap();
    let refused = bed.storage.take_in(&lease, &look(&book, &stale_plan)).await;
    assert!(matches!(refused, Err(StorageError::Rejected(_))), "{refused:?}");
    // The next look sees it.
    assert_eq!(take_in(&bed, &lease, &book).await.unwrap().inserted, 0);
    assert_eq!(bed.sql("SELECT count(*), min(source) FROM tradingdb.orders"), "1|IMPORT");
}

#[tokio::test]
async fn an_external_order_is_announced_once_by_the_end_of_a_run() {
    let bed = Bed::migrated().await;
    let lease = bed.lease(&raghu(), "job-1").await;
    take_in(&bed, &lease, &[reported("b-1", "e-1"), reported("b-2", "e-2")]).await.unwrap();
    let waiting = bed.storage.unannounced_orders(&raghu()).await.unwrap();
    let ids: Vec<i32> = waiting.iter().map(|order| order.id).collect();
    assert_eq!(waiting.len(), 2);
    assert_eq!(waiting[0].row["broker_order_id"], "b-1");
    assert!(
        waiting[0].row.get("raw").is_none()
            && waiting[0].row["exchange_time"].as_str().unwrap().ends_with("+00:00")
    );

    // A run that dies before its end announces nothing; the same job again sees both.
    let again = bed.lease(&raghu(), "job-1").await;
    let refused = bed.storage.finish_run(&lease, &success(&lease), false, true, &ids, None).await;
    assert!(matches!(refused, Err(StorageError::LeaseLost)));
    assert_eq!(bed.storage.unannounced_orders(&raghu()).await.unwrap().len(), 2);

    bed.storage.finish_run(&again, &success(&again), false, true, &ids[..1], None).await.unwrap();
    let left = bed.storage.unannounced_orders(&raghu()).await.unwrap();
    assert_eq!(left.iter().map(|order| order.id).collect::<Vec<_>>(), ids[1..]);
    let next = bed.lease(&raghu(), "job-2").await;
    bed.storage.finish_run(&next, &success(&next), false, true, &ids, None).await.unwrap();
    assert!(bed.storage.unannounced_orders(&raghu()).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_take_the_account_from_each_other_store_each_order_once() {
    let bed = std::sync::Arc::new(Bed::migrated().await);
    let book: Vec<_> = (0..20).map(|id| reported(&format!("b-{id}"), &format!("e-{id}"))).collect();
    let runs: Vec<_> = (0..8)
        .map(|run| {
            let (bed, book) = (std::sync::Arc::clone(&bed), book.clone());
            tokio::spawn(async move {
                let (account, job) = (raghu(), format!("job-{run}"));
                // A lease that is over at once, as if each run believed the others dead.
                let wanted = LeaseRequest { hold: Duration::ZERO, ..request(&account, &job) };
                let lease = match bed.storage.lease_account(&wanted).await.unwrap() {
                    LeaseAnswer::Taken(lease) => lease,
                    // Within the microsecond of another.
                    LeaseAnswer::Held { .. } => return false,
                    other => panic!("{other:?}"),
                };
                match take_in(&bed, &lease, &book).await {
                    Ok(_) => true,
                    Err(StorageError::LeaseLost) => false,
                    Err(error) => panic!("{error:?}"),
                }
            })
        })
        .collect();
    let mut applied = 0;
    for run in runs {
        applied += usize::from(run.await.unwrap());
    }
    assert!(applied >= 1);
    assert_eq!(bed.sql("SELECT count(*), count(DISTINCT broker_order_id) FROM tradingdb.orders"), "20|20");
    assert_eq!(bed.sql("SELECT count(*) FROM tradingdb.order_events"), "40");
}

#[tokio::test]
async fn events_have_the_brokerages_time() {
    let bed = Bed::migrated().await;
    let lease = bed.lease(&raghu(), "job").await;
    take_in(&bed, &lease, &[reported("b-1", "e-1")]).await.unwrap();
    let times = r#"SELECT string_agg(event_type || ' ' || "timestamp", ', ' ORDER BY id) FROM tradingdb.order_events"#;
    assert_eq!(bed.sql(times), "placed 2025-06-10 04:00:00, filled 2025-06-10 04:00:01");
}

#[tokio::test]
async fn a_part_of_an_own_order_has_its_strategy_and_is_not_announced() {
    let bed = Bed::migrated().await;
    bed.sql(
        "INSERT INTO tradingdb.orders (pseudo_account, variety, quantity, exchange, symbol, trade_type, product_type, status,
             broker_order_id, exchange_time, strategy_id)
         VALUES ('Raghu', 'ICEBERG', 10, 'NSE', 'SBIN', 'BUY', 'CNC', 'OPEN', 'b-1', '2025-06-10 09:30+05:30', 'momentum')",
    );
    let lease = bed.lease(&raghu(), "job").await;
    let leg = ReportedOrder { broker_parent_id: Some("b-1".into()), ..reported("b-2", "e-2") };
    let changes = take_in(&bed, &lease, &[leg]).await.unwrap();
    assert_eq!((changes.inserted, changes.legs), (0, 1));
    let shown = "SELECT source, strategy_id, strategy_method IS NULL FROM tradingdb.orders WHERE broker_order_id = 'b-2'";
    assert_eq!(bed.sql(shown), "LEG|momentum|t");
    assert!(bed.storage.unannounced_orders(&raghu()).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_external_order_is_given_to_the_strategy_that_the_evidence_names_or_to_none() {
    let bed = Bed::migrated().await;
    let lease = bed.lease(&raghu(), "job").await;
    let strategy = |name: &str, status: &str| {
        bed.sql(&format!(
            "INSERT INTO tradingdb.strategies (strategy_id, strategy_name, pseudo_account, organization_id, strategy_type, status)
             VALUES ('{name}', '{name}', 'Raghu', 'default', 'x', '{status}')"
        ));
    };
    let told = async |id: &str| {
        take_in(&bed, &lease, &[reported(id, id)]).await.unwrap();
        bed.storage.unannounced_orders(&raghu()).await.unwrap().pop().unwrap().strategy
    };
    strategy("old", "inactive");
    assert_eq!(told("1").await, json!(null));
    strategy("alone", "active");
    assert_eq!(
        told("2").await,
        json!({"strategy_id": "alone", "method": "single_active", "confidence": 0.5})
    );
    strategy("other", "ACTIVE");
    assert_eq!(told("3").await, json!(null), "two are active");
    bed.sql(
        "INSERT INTO tradingdb.orders (pseudo_account, variety, quantity, exchange, symbol, exchange_time, strategy_id)
         VALUES ('Raghu', 'REGULAR', 1, 'NSE', 'SBIN', now() - interval '1 day', 'other'),
                ('Raghu', 'REGULAR', 1, 'NSE', 'TCS', now() - interval '1 day', 'alone'),
                ('Raghu', 'REGULAR', 1, 'NSE', 'SBIN', now() - interval '90 days', 'old')",
    );
    assert_eq!(
        told("4").await,
        json!({"strategy_id": "other", "method": "recent_orders", "confidence": 0.7})
    );
}

#[tokio::test]
async fn executions_margins_and_what_vanished_are_taken_in_with_the_book() {
    let bed = Bed::migrated().await;
    let lease = bed.lease(&raghu(), "job").await;
    let mut yesterday = reported("b-0", "e-0");
    (yesterday.status, yesterday.filled_quantity) = ("OPEN".into(), decimal("4"));
    yesterday.placed_at = Some(time("2025-06-09T04:00:00Z"));
    yesterday.exchange_at = yesterday.placed_at;
    let known = bed.storage.known_orders(&lease.account, &[]).await.unwrap();
    let before = [yesterday];
    bed.storage.take_in(&lease, &look(&before, &plan(&known, &before))).await.unwrap();

    let book = [reported("b-1", "e-1")];
    let trade = |id: &str, quantity: &str| ReportedTrade {
        trade_id: id.into(),
        broker_order_id: "b-1".into(),
        exchange_order_id: None,
        exchange: "NSE".into(),
        symbol: "SBIN".into(),
        side: Side::Buy,
        product: "CNC".into(),
        quantity: decimal(quantity),
        price: decimal("311.05"),
        at: time("2025-06-10T04:00:01Z"),
    };
    let trades = [trade("t1", "4"), trade("t2", "6")];
    let margin = |net: &str| ReportedMargin {
        category: "EQUITY".into(),
        net: Some(decimal(net)),
        ..ReportedMargin::default()
    };
    let take = async |net: &str| {
        let known = bed.storage.known_orders(&lease.account, &[day("2025-06-10")]).await.unwrap();
        let plan = plan(&known, &book);
        let trade_plan = ledger::plan_trades(&known, &book, &plan, Some(&trades));
        let margins = [margin(net)];
        let whole =
            Look { trades: &trades, trade_plan: &trade_plan, margins: Some(&margins), ..look(&book, &plan) };
        bed.storage.take_in(&lease, &whole).await.unwrap()
    };
    let changes = take("100.50").await;
    assert_eq!((changes.inserted, changes.updated), (1, 1));
    assert_eq!(bed.sql("SELECT status FROM tradingdb.orders WHERE broker_order_id = 'b-0'"), "UNKNOWN");
    let fills = "SELECT string_agg(trade_id || ' ' || quantity || ' ' || price, ', ' ORDER BY trade_id) FROM tradingdb.fills";
    assert_eq!(bed.sql(fills), "t1 4 311.05, t2 6 311.05");
    let margins = "SELECT string_agg(category || ' ' || net, ', ' ORDER BY id) FROM tradingdb.margins";
    assert_eq!(bed.sql(margins), "EQUITY 100.50");
    let tables = ["orders", "fills", "margins", "order_events"];
    let before = bed.dump(&tables);
    assert_eq!(take("100.50").await, ExternalChanges::default());
    assert_eq!(bed.dump(&tables), before, "the same look again writes nothing");
    take("99").await;
    assert_eq!(bed.sql(margins), "EQUITY 99", "one row of a day");
    bed.sql("UPDATE tradingdb.margins SET margin_date = margin_date - interval '1 day'");
    take("98").await;
    assert_eq!(bed.sql(margins), "EQUITY 99, EQUITY 98");
}

#[tokio::test]
async fn a_row_made_of_an_own_order_gives_way_to_the_own_row_with_all_that_was_told_of_it() {
    let bed = Bed::migrated().await;
    let lease = bed.lease(&raghu(), "job").await;
    take_in(&bed, &lease, &[reported("b-1", "e-1")]).await.unwrap();
    bed.sql(
        "INSERT INTO tradingdb.orders (pseudo_account, variety, quantity, exchange, symbol, trade_type, product_type, status,
             broker_order_id, exchange_time)
         VALUES ('Raghu', 'REGULAR', 10, 'NSE', 'SBIN', 'BUY', 'CNC', 'OPEN', 'b-1', '2025-06-10 09:30+05:30')",
    );
    take_in(&bed, &lease, &[reported("b-1", "e-1")]).await.unwrap();
    let left = "SELECT count(*), min(source) IS NULL, min(filled_quantity) FROM tradingdb.orders";
    assert_eq!(bed.sql(left), "1|t|10");
    let events = "SELECT count(*) FROM tradingdb.order_events e JOIN tradingdb.orders o ON o.id = e.order_id";
    assert_eq!(bed.sql(events), bed.sql("SELECT count(*) FROM tradingdb.order_events"));
}

#[tokio::test]
async fn a_look_writes_each_table_with_one_statement_however_many_orders_there_are() {
    let bed = Bed::migrated().await;
    bed.sql(
        "CREATE TABLE public.statements (of_table text);
         CREATE FUNCTION public.count_statement() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN INSERT INTO public.statements VALUES (TG_TABLE_NAME); RETURN NULL; END';
         CREATE TRIGGER counted AFTER INSERT OR UPDATE ON tradingdb.orders
             FOR EACH STATEMENT EXECUTE FUNCTION public.count_statement();
         CREATE TRIGGER counted AFTER INSERT OR UPDATE ON tradingdb.order_events
             FOR EACH STATEMENT EXECUTE FUNCTION public.count_statement();
         CREATE TRIGGER counted AFTER INSERT ON tradingdb.instruments
             FOR EACH STATEMENT EXECUTE FUNCTION public.count_statement()",
    );
    let lease = bed.lease(&raghu(), "job").await;
    let open = |id: usize| {
        let (status, filled_quantity) = ("OPEN".to_owned(), decimal("4"));
        let symbol = format!("S{id}");
        ReportedOrder { status, filled_quantity, symbol, ..reported(&format!("b-{id}"), &format!("e-{id}")) }
    };
    let complete = |id: usize| ReportedOrder {
        symbol: format!("S{id}"),
        ..reported(&format!("b-{id}"), &format!("e-{id}"))
    };
    let counted = || {
        let counted = bed.sql(
            "SELECT string_agg(of_table || ' ' || n, ', ' ORDER BY of_table)
             FROM (SELECT of_table, count(*) AS n FROM public.statements GROUP BY 1) s",
        );
        bed.sql("TRUNCATE public.statements");
        counted
    };
    // Two statements on orders: one for the new ones, one for those that moved on.
    take_in(&bed, &lease, &[open(0)]).await.unwrap();
    counted();
    take_in(&bed, &lease, &[complete(0), open(1)]).await.unwrap();
    assert_eq!(counted(), "instruments 1, order_events 1, orders 2");
    let many: Vec<_> = (1..400).map(complete).chain((400..900).map(open)).collect();
    take_in(&bed, &lease, &(1..400).map(open).collect::<Vec<_>>()).await.unwrap();
    counted();
    take_in(&bed, &lease, &many).await.unwrap();
    assert_eq!(counted(), "instruments 1, order_events 1, orders 2");
}
