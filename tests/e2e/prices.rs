use e2e::{World, fill, jsonl};
use serde_json::{Value, json};
use testbed::FakeKite;

/// An answer with one position in the contract that [`fill`] trades.
fn positions(last_price: &str) -> String {
    let price: Value = serde_json::from_str(last_price).expect("a number");
    let position = json!({
        "tradingsymbol": "NIFTYFUT", "exchange": "NFO", "instrument_token": 1, "product": "NRML", "quantity": 75,
        "multiplier": 1, "last_price": price, "close_price": 24990, "overnight_quantity": 75,
    });
    json!({"status": "success", "data": {"net": [position], "day": []}}).to_string()
}

/// `ltp` and `pnl` of the account's one position, in PostgreSQL.
fn shown(world: &World) -> String {
    world.sql("SELECT ltp, pnl FROM tradingdb.positions WHERE pseudo_account = 'Raghu'")
}

#[test]
fn prices_follow_the_brokerage_and_stay_when_it_does_not_tell_them() {
    let kite = FakeKite::start().unwrap();
    kite.respond_positions(200, positions("25010.50"));
    let world = World::new();
    world.import(&jsonl(&[fill("Raghu", 1, 75, "25000"), fill("Asha", 2, 75, "25000")])).expect(0);
    world.add_kite("Raghu", &kite.base_url());
    let worker = world.worker(&[]);

    world.syncfleet(&["sync", "Raghu", "Asha", "--wait", "60"]).expect(0);
    assert_eq!(shown(&world), "25010.5|787.5");
    let rows = world.cached("Raghu:positions");
    assert_eq!(rows[0]["ltp"].to_string(), "25010.5", "{rows}");
    assert_eq!(
        world.sql("SELECT ltp IS NULL, pnl IS NULL FROM tradingdb.positions WHERE pseudo_account = 'Asha'"),
        "t|t",
        "another account's prices are none of Asha's"
    );

    kite.respond_positions(200, positions("24990"));
    world.syncfleet(&["sync", "Raghu", "--wait", "60"]).expect(0);
    assert_eq!(shown(&world), "24990|-750");

    // Failing, silent and unreadable answers: the orders count, the prices stay.
    let zero = positions("0");
    for (status, body) in [
        (500, r#"{"status": "error", "message": "oops", "error_type": "GeneralException"}"#),
        (200, r#"{"status": "success", "data": {"net": null}}"#),
        (200, zero.as_str()),
    ] {
        kite.respond_positions(status, body);
        let answer = world.syncfleet(&["sync", "Raghu", "--wait", "60", "--json"]).expect(0).json();
        let detection = &answer["results"][0]["external_detection"];
        assert_eq!(detection["status"], "completed", "{answer}");
        assert_eq!(shown(&world), "24990|-750", "{body}");
    }
    assert!(worker.output().contains("what it does not tell stays as it was"), "{}", worker.output());

    kite.respond_positions(200, positions("25100"));
    world.syncfleet(&["sync", "Raghu", "--no-external", "--wait", "60"]).expect(0);
    assert_eq!(shown(&world), "24990|-750", "nobody asked the brokerage");
}
