use serde_json::json;
use testbed::wait_until;

use super::{KEY, PATIENCE, TOKEN, at_kite, bought, put_orders};
use e2e::{World, fill, jsonl};

#[test]
fn brokerage_test_says_in_words_what_works_and_prints_no_secret() {
    let (world, server) = at_kite();
    put_orders(&server, TOKEN, vec![bought("e1").into()]);
    let answer = world.syncfleet(&["brokerage", "test", "Raghu"]).expect(0);
    for word in
        ["secrets", "orders", "1 in the book, 1 of them filled", "trades", "positions", "holdings", "margins"]
    {
        assert!(answer.out.contains(word), "{word}: {}", answer.out);
    }
    server.expire_login(TOKEN);
    let answer = world.syncfleet(&["brokerage", "test", "Raghu", "--json"]).expect(1);
    let document = answer.json();
    assert_eq!(document["ok"], false);
    assert_eq!(document["checks"][1]["check"], "orders");
    let detail = document["checks"][1]["detail"].as_str().unwrap();
    assert!(detail.starts_with("login refused: ") && detail.contains("log in anew"), "{detail}");
    for secret in [KEY, TOKEN] {
        assert!(!answer.out.contains(secret) && !answer.err.contains(secret), "{answer:?}");
    }
    let none = world.syncfleet(&["brokerage", "test", "Nobody"]).expect(1);
    assert!(none.err.contains("syncfleet brokerage add"), "{}", none.err);
}

#[test]
fn brokerage_add_refuses_what_cannot_work_with_the_mend() {
    let world = World::new();
    let refused: [(&[&str], &str); 4] = [
        (&["--kind", "zerodha"], "kite"),
        (&["--kind", "kite", "--api-key", "s3cr3t"], "env:NAME or file:PATH"),
        (&["--kind", "kite", "--base-url", "api.kite.trade"], "https://api.kite.trade"),
        (&["--kind", "paper"], "file:///"),
    ];
    for (words, expected) in refused {
        let answer = world.syncfleet(&[&["brokerage", "add", "Raghu"], words].concat()).expect(2);
        assert!(answer.err.contains(expected), "{words:?}: {}", answer.err);
        assert!(!answer.err.contains("s3cr3t"), "{}", answer.err);
    }
    assert_eq!(world.count("SELECT count(*) FROM tradingdb.brokerage_accounts"), 0);
    let noted = world.syncfleet(&["brokerage", "add", "Raghu", "--kind", "kite"]).expect(0);
    assert!(noted.out.contains("restart of every worker"), "{}", noted.out);
    let needless =
        ["brokerage", "add", "Asha", "--kind", "paper", "--base-url", "/srv/asha.json", "--api-key", "env:X"];
    assert!(world.syncfleet(&needless).expect(0).out.contains("--api-key is not kept"));
    let listed = world.syncfleet(&["brokerage", "list", "--json"]).expect(0).json();
    assert_eq!(
        [&listed[0]["api_key"], &listed[0]["base_url"]],
        [&json!(null), &json!("file:///srv/asha.json")]
    );
    let listed = &listed.as_array().unwrap()[1..];
    assert_eq!(listed[0]["access_token"], "env:KITE_ACCESS_TOKEN");
    assert_eq!(listed[0]["login_needed"], false);
}

#[test]
fn orders_found_elsewhere_are_listed_for_review_with_why_they_have_their_strategy() {
    let (world, server) = at_kite();
    world.import(&jsonl(&[fill("Raghu", 1, 75, "25000")])).expect(0);
    put_orders(&server, TOKEN, vec![bought("e1").into()]);
    let _worker = world.worker(&[]);
    world.sync("Raghu");
    let all = world.syncfleet(&["account", "orders", "Raghu", "--json"]).expect(0).json();
    assert_eq!(all.as_array().unwrap().len(), 2);
    let external = world.syncfleet(&["account", "orders", "Raghu", "--external", "--json"]).expect(0).json();
    assert_eq!([&external[0]["broker_order_id"], &external[0]["strategy_id"]], [&json!("e1"), &json!(null)]);
    let review = ["account", "orders", "Raghu", "--external", "--unassigned"];
    assert!(world.syncfleet(&review).expect(0).out.contains("EXTERNAL"));
    world.sql(
        "UPDATE tradingdb.orders SET strategy_id = 's', strategy_method = 'position', strategy_confidence = 0.9
         WHERE source = 'EXTERNAL'",
    );
    assert!(world.syncfleet(&["account", "orders", "Raghu"]).expect(0).out.contains("s (position, 0.9)"));
    assert!(world.syncfleet(&review).expect(0).out.contains("no such orders"));
    world.syncfleet(&["account", "orders", "Raghu", "--unassigned"]).expect(2);
}

#[test]
fn a_paused_account_gets_no_jobs_and_an_account_with_only_a_brokerage_gets_some() {
    let (world, _server) = at_kite();
    world.import(&jsonl(&[fill("Asha", 1, 75, "25000"), fill("Mira", 2, 75, "25000")])).expect(0);
    world.syncfleet(&["account", "pause", "Mira"]).expect(0);
    let typo = world.syncfleet(&["account", "pause", "Mria"]).expect(1);
    assert!(typo.err.contains("account list"), "{}", typo.err);
    let jobs = || -> Vec<String> {
        let mut names: Vec<String> = (world.vhost.get("periodic", 100).unwrap().iter())
            .map(|job| {
                serde_json::from_slice::<serde_json::Value>(&job.payload).unwrap()[0][1]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        names.sort();
        names
    };
    let beat = world.beat(&[]);
    wait_until("the tick", PATIENCE, || {
        world.vhost.queue_depth("periodic").is_ok_and(|(ready, _)| ready >= 2)
    });
    beat.terminate().unwrap();
    beat.wait(PATIENCE).unwrap();
    assert_eq!(jobs(), ["Asha", "Raghu"]);
    world.syncfleet(&["account", "resume", "Mira"]).expect(0);
    world.sql("DELETE FROM tradingdb.ticks");
    let _beat = world.beat(&[]);
    wait_until("the tick", PATIENCE, || {
        world.vhost.queue_depth("periodic").is_ok_and(|(ready, _)| ready >= 3)
    });
    assert_eq!(jobs(), ["Asha", "Mira", "Raghu"]);
}
