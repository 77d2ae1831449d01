use e2e::{World, jsonl};
use serde_json::{Value, json};

const LOTS: &str =
    "account,organization_id,instrument_key,isin,exchange,symbol,product,quantity,price,opened_at";
const ACTIONS: &str = "isin,kind,ex_date,factor,new_isin,cost_fraction";
const SBIN: &str = "INE062A01020";

/// Ten SBIN for delivery, bought (or, negative, sold) at this time.
fn sbin(id: u32, quantity: i64, price: &str, at: &str) -> Value {
    json!({
        "pseudo_account": "Raghu", "exchange": "NSE", "symbol": "SBIN", "isin": SBIN, "product_type": "CNC",
        "trade_type": if quantity < 0 { "SELL" } else { "BUY" }, "quantity": quantity.abs(),
        "filled_quantity": quantity.abs(), "average_price": price, "status": "COMPLETE", "exchange_time": at,
        "exchange_order_id": id.to_string(),
    })
}

fn import(world: &World, kind: &str, text: &str) -> e2e::Answer {
    let file = world.file(&format!("{kind}.csv"), text);
    world.syncfleet(&["import", kind, &file, "--json"])
}

/// `symbol, quantity, average, T1` of each holding as of an instant.
fn holdings(world: &World, as_of: &str) -> Vec<String> {
    let shown = world.syncfleet(&["account", "show", "Raghu", "--as-of", as_of, "--json"]).expect(0).json();
    let row = |row: &Value| {
        format!(
            "{} {} {} {}",
            row["isin"].as_str().expect("an ISIN"),
            row["quantity"],
            row["avg_price"],
            row["t1_qty"]
        )
    };
    shown["holdings"].as_array().expect("rows").iter().map(row).collect()
}

#[test]
fn opening_lots_give_what_is_sold_its_cost_and_are_loaded_once() {
    let world = World::new();
    let lots = format!(
        "{LOTS}\nRaghu,,,{SBIN},NSE,SBIN,CNC,6,300,2024-03-28\nRaghu,,,{SBIN},NSE,SBIN,CNC,6,300,2024-03-28\n\
         Raghu,acme,,,NSE,SBIN,CNC,5,1,2024-03-28\n"
    );
    let first = import(&world, "lots", &lots).expect(0).json();
    assert_eq!(first, json!({"lots": 3, "lots_new": 3, "lots_changed": 0, "lots_unchanged": 0}));
    let second = import(&world, "lots", &lots).expect(0).json();
    assert_eq!(second, json!({"lots": 3, "lots_new": 0, "lots_changed": 0, "lots_unchanged": 3}));
    let file = world.file("lots.csv", &lots);
    let text = world.syncfleet(&["import", "lots", &file]).expect(0).out;
    assert_eq!(text.trim(), "3 lots: 0 new, 0 changed, 3 unchanged");

    world.import(&jsonl(&[sbin(1, -8, "350", "2025-06-10 10:00:00")])).expect(0);
    let _worker = world.worker(&[]);
    world.syncfleet(&["sync", "Raghu", "--wait", "30"]).expect(0);
    let shown = world.show("Raghu");
    let holding = &shown["holdings"][0];
    assert_eq!((&holding["quantity"], &holding["symbol"]), (&4.into(), &"SBIN".into()), "{shown}");
    assert_eq!(holding["avg_price"].to_string(), "300");
    assert_eq!(shown["discrepancies"], json!([]), "no sale is without its cost");
    let earned = world.syncfleet(&["account", "pnl", "Raghu", "--json"]).expect(0).json();
    assert_eq!(earned[0]["realised_pnl"].to_string(), "400");
    let shown =
        world.syncfleet(&["account", "show", "Raghu", "--org", "acme", "--as-of", "2025-06-10", "--json"]);
    assert_eq!(shown.expect(0).json()["holdings"][0]["quantity"], 5);
}

#[test]
fn a_bad_row_is_named_by_its_line_and_nothing_of_its_file_is_loaded() {
    let world = World::new();
    let count = |table: &str| world.count(&format!("SELECT count(*) FROM tradingdb.{table}"));
    let holidays_before = count("market_holidays");
    for (kind, table, text, complaint) in [
        (
            "lots",
            "opening_lots",
            format!(
                "{LOTS}\nRaghu,,,,NSE,SBIN,CNC,6,300,2024-03-28\nRaghu,,,,NSE,SBIN,CNC,six,300,2024-03-28\n"
            ),
            "line 3: quantity must be",
        ),
        (
            "corporate-actions",
            "corporate_actions",
            format!("{ACTIONS}\n{SBIN},split,2025-06-12,10,,\n\n{SBIN},rename,2025-06-12,,,\n"),
            "line 4: new_isin is empty: a rename needs it",
        ),
        (
            "holidays",
            "market_holidays",
            "exchange,date,description\nNSE,2027-01-26,a\nNSE,26-01-2027,b\n".to_owned(),
            "line 3: date must be",
        ),
    ] {
        let before = count(table);
        let answer = import(&world, kind, &text).expect(1);
        assert!(answer.err.contains("1 bad rows, nothing was loaded"), "{}", answer.err);
        assert!(answer.err.contains(complaint), "{}", answer.err);
        assert_eq!(count(table), before, "{kind}");
        let answer = import(&world, kind, "symbol,price\nSBIN,300\n").expect(1);
        assert!(answer.err.contains("line 1: not a file of"), "{}", answer.err);
    }
    assert_eq!((count("opening_lots"), count("market_holidays")), (0, holidays_before));
    let absent = world.syncfleet(&["import", "lots", "/nowhere/lots.csv"]).expect(1);
    assert!(absent.err.contains("/nowhere/lots.csv cannot be read"), "{}", absent.err);
}

#[test]
fn an_imported_holiday_moves_the_trading_day() {
    let world = World::new();
    world.import(&jsonl(&[sbin(1, 10, "300", "2025-06-10 10:00:00")])).expect(0);
    let thursday = "2025-06-12 10:00:00";
    assert_eq!(holdings(&world, thursday), [format!("{SBIN} 10 300 0")], "settled on Wednesday");
    let text = "exchange,date,description\nNSE,2025-06-11,A day of mourning\nMCX,2025-06-11,\n";
    let first = import(&world, "holidays", text).expect(0).json();
    assert_eq!(
        first,
        json!({"holidays": 2, "holidays_new": 2, "holidays_changed": 0, "holidays_unchanged": 0})
    );
    let second = import(&world, "holidays", text).expect(0).json();
    assert_eq!(second["holidays_unchanged"], 2, "{second}");
    assert_eq!(
        holdings(&world, thursday),
        [format!("{SBIN} 10 300 10")],
        "Tuesday was the trading day before"
    );
    assert!(holdings(&world, "2025-06-11 10:00:00").is_empty(), "Tuesday goes on until Thursday");
}

#[test]
fn a_holiday_that_ships_with_the_product_is_no_trading_day() {
    let world = World::new();
    world.import(&jsonl(&[sbin(1, 10, "300", "2025-10-20 10:00:00")])).expect(0);
    let after_diwali = "2025-10-23 10:00:00";
    assert_eq!(holdings(&world, after_diwali), [format!("{SBIN} 10 300 10")]);
}

#[test]
fn a_bonus_changes_the_holding_from_its_ex_date_on() {
    let world = World::new();
    world.import(&jsonl(&[sbin(1, 10, "300", "2025-06-10 10:00:00")])).expect(0);
    let _worker = world.worker(&[]);
    world.syncfleet(&["sync", "Raghu", "--wait", "30"]).expect(0);
    let synced = || {
        world.syncfleet(&["sync", "Raghu", "--wait", "30"]).expect(0);
        let shown = world.show("Raghu");
        format!("{} {}", shown["holdings"][0]["quantity"], shown["holdings"][0]["avg_price"])
    };
    let bonus = |factor: &str| {
        import(&world, "corporate-actions", &format!("{ACTIONS}\n{SBIN},bonus,2025-06-12,{factor},,\n"))
            .expect(0)
            .json()
    };
    assert_eq!(bonus("2")["corporate_actions_new"], 1);
    assert_eq!(bonus("2")["corporate_actions_unchanged"], 1);
    assert_eq!(holdings(&world, "2025-06-11"), [format!("{SBIN} 10 300 10")]);
    assert_eq!(holdings(&world, "2025-06-12"), [format!("{SBIN} 20 150 0")]);
    assert_eq!(synced(), "20 150", "the next sync takes it in by itself");
    assert_eq!(bonus("3")["corporate_actions_changed"], 1);
    assert_eq!(synced(), "30 100", "and a correction too");
}
