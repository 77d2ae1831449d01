use std::time::Duration;

use ledger::Account;
use storage::{AccountScan, BrokerageAccount, DueAccount, Storage};
use testbed::{Database, wait_until};

use crate::support::{Bed, DEFAULT, connect, quoted};

/// Inserts orders as anybody may write them: (organization, account), NULL for `None`.
fn trade(bed: &Bed, orders: &[(Option<&str>, Option<&str>)]) {
    let literal = |text: &Option<&str>| text.map_or("NULL".to_owned(), quoted);
    let rows: Vec<String> = (orders.iter())
        .map(|(organization, account)| {
            format!("({}, {}, 'REGULAR', 1)", literal(organization), literal(account))
        })
        .collect();
    bed.sql(&format!(
        "INSERT INTO tradingdb.orders (organization_id, pseudo_account, variety, quantity) VALUES {}",
        rows.join(", ")
    ));
}

async fn add_brokerage(storage: &Storage, account: Account) {
    let entry = BrokerageAccount {
        account,
        kind: "kite".into(),
        base_url: "http://127.0.0.1:1".into(),
        api_key_ref: "env:KEY".into(),
        access_token_ref: "env:TOKEN".into(),
        refused: None,
    };
    storage.put_brokerage_account(&entry).await.unwrap();
}

async fn walk(storage: &Storage, page: usize) -> Vec<DueAccount> {
    let (mut scan, mut found) = (AccountScan::new(), Vec::new());
    loop {
        let next = scan.next_page(storage, page).await.unwrap();
        assert!(next.len() <= page);
        if next.is_empty() {
            return found;
        }
        found.extend(next);
    }
}

/// The accounts, which must be the same in pages of any size.
async fn accounts(storage: &Storage) -> Vec<Account> {
    let whole = names(walk(storage, 1000).await);
    for page in [1, 2, 3] {
        assert_eq!(names(walk(storage, page).await), whole, "pages of {page}");
    }
    whole
}

fn names(found: Vec<DueAccount>) -> Vec<Account> {
    found.into_iter().map(|due| due.account).collect()
}

#[tokio::test]
async fn no_order_and_no_brokerage_is_no_account() {
    let bed = Bed::migrated().await;
    assert!(accounts(&bed.storage).await.is_empty());
}

#[tokio::test]
async fn rows_without_organization_and_of_the_default_one_are_one_account() {
    let bed = Bed::migrated().await;
    trade(
        &bed,
        &[
            (None, Some("Raghu")),
            (Some(DEFAULT), Some("Raghu")),
            (Some(""), Some("Raghu")),
            // Sorts between '' and the default organization.
            (Some("acme"), Some("Raghu")),
            (Some("zeta"), Some("Raghu")),
            (None, Some("Sita")),
            (Some(DEFAULT), Some("Tara")),
        ],
    );
    add_brokerage(&bed.storage, Account::new(DEFAULT, "Raghu")).await;
    let mut found = accounts(&bed.storage).await;
    found.sort();
    let expected =
        [(DEFAULT, "Raghu"), (DEFAULT, "Sita"), (DEFAULT, "Tara"), ("acme", "Raghu"), ("zeta", "Raghu")];
    let mut expected = expected.map(|(organization, account)| Account::new(organization, account));
    expected.sort();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn an_account_with_a_brokerage_alone_is_found() {
    let bed = Bed::migrated().await;
    trade(&bed, &[(Some("acme"), Some("M"))]);
    for name in ["A", "M", "Z"] {
        add_brokerage(&bed.storage, Account::new("acme", name)).await;
    }
    assert_eq!(accounts(&bed.storage).await, ["A", "M", "Z"].map(|name| Account::new("acme", name)));
}

#[tokio::test]
async fn orders_without_an_account_are_nobodys() {
    let bed = Bed::migrated().await;
    trade(
        &bed,
        &[(None, None), (Some("acme"), None), (None, Some("")), (Some("acme"), Some("")), (None, Some("A"))],
    );
    assert_eq!(accounts(&bed.storage).await, [Account::new(DEFAULT, "A")]);
}

#[tokio::test]
async fn names_may_be_anything() {
    let bed = Bed::migrated().await;
    let long = "ü".repeat(200);
    let given = [
        "O'Brien",
        "a\"b",
        "100%",
        "a_b",
        "राघव",
        "a.b#c*",
        " blank ",
        "\\",
        "日本",
        long.as_str(),
        "{}",
        "a/b",
    ];
    let orders: Vec<_> = given.iter().map(|name| (Some("o'rg %"), Some(*name))).collect();
    trade(&bed, &orders);
    let mut found = accounts(&bed.storage).await;
    found.sort();
    let mut expected = given.map(|name| Account::new("o'rg %", name));
    expected.sort();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn what_the_fleet_knows_of_an_account_comes_along() {
    let bed = Bed::migrated().await;
    trade(&bed, &[(None, Some("A")), (None, Some("B"))]);
    bed.sql(&format!(
        "INSERT INTO tradingdb.account_sync_state (organization_id, pseudo_account, paused, last_external_check_at)
         VALUES ('{DEFAULT}', 'A', true, '2025-06-17 10:00:00+00')"
    ));
    let found = walk(&bed.storage, 10).await;
    assert_eq!((found[0].paused, found[1].paused), (true, false));
    assert_eq!(found[0].last_external_check_at, Some("2025-06-17T10:00:00Z".parse().unwrap()));
    assert_eq!(found[1].last_external_check_at, None);
}

// More than one thread: a pool ends in the background while the test waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn the_cost_grows_with_accounts_and_not_with_orders() {
    const ACCOUNTS: usize = 50;
    let bed = Bed::migrated().await;
    bed.sql(&format!(
        "INSERT INTO tradingdb.orders (pseudo_account, organization_id, variety, quantity)
         SELECT 'account ' || n % {ACCOUNTS}, CASE n % 3 WHEN 0 THEN NULL ELSE '{DEFAULT}' END, 'REGULAR', 1
         FROM generate_series(1, 200000) n"
    ));
    bed.sql("VACUUM ANALYZE tradingdb.orders");
    let Bed { storage, database } = bed;
    ended(storage, &database);
    for page in [1, 7, 1000] {
        let (_, rows_before, tables_before) = orders_read(&database);
        let storage = connect(&database);
        assert_eq!(walk(&storage, page).await.len(), ACCOUNTS);
        ended(storage, &database);
        let (scans, rows, tables) = orders_read(&database);
        assert!(scans >= ACCOUNTS, "the walk is counted");
        assert_eq!(tables, tables_before, "the whole table was read in pages of {page}");
        let rows = rows - rows_before;
        assert!(rows < 20 * ACCOUNTS, "{rows} rows were read for {ACCOUNTS} accounts in pages of {page}");
    }
}

/// Waits until the connections of a pool have ended: what they read is counted by then.
fn ended(storage: Storage, database: &Database) {
    drop(storage);
    let live = "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND application_name = 'storage test'";
    wait_until("the pool is gone", Duration::from_secs(20), || database.sql(live).unwrap() == "0");
}

/// How often an index of `orders` was entered, how many rows were fetched through one, and how often the whole
/// table was read, since its statistics began.
fn orders_read(database: &Database) -> (usize, usize, usize) {
    let line = database
        .sql(
            "SELECT idx_scan, idx_tup_fetch, seq_scan FROM pg_stat_user_tables
         WHERE schemaname = 'tradingdb' AND relname = 'orders'",
        )
        .unwrap();
    let mut numbers = line.split('|').map(|number| number.parse().unwrap());
    let mut next = || numbers.next().unwrap();
    (next(), next(), next())
}

#[tokio::test]
async fn a_paused_account_stays_in_the_walk_as_paused_until_it_is_resumed() {
    let bed = Bed::migrated().await;
    bed.sql(
        "INSERT INTO tradingdb.orders (pseudo_account, variety, quantity) VALUES ('Raghu', 'REGULAR', 1)",
    );
    let raghu = crate::support::raghu();
    for paused in [true, false] {
        assert!(bed.storage.set_paused(&raghu, paused).await.unwrap());
        assert_eq!(walk(&bed.storage, 10).await[0].paused, paused);
        assert_eq!(bed.storage.account_overview(&raghu).await.unwrap().paused, paused);
    }
    let nobody = Account::new("default", "Nobody");
    assert!(!bed.storage.set_paused(&nobody, true).await.unwrap(), "a misspelt name is told");
    assert_eq!(bed.sql("SELECT count(*) FROM tradingdb.account_sync_state"), "1");
}

#[tokio::test]
async fn a_refused_login_is_kept_with_its_first_time_until_the_login_is_accepted_or_replaced() {
    let bed = Bed::migrated().await;
    let raghu = crate::support::raghu();
    add_brokerage(&bed.storage, raghu.clone()).await;
    let lease = bed.lease(&raghu, "job").await;
    bed.storage.note_login(&lease, Some(("digest", "no"))).await.unwrap();
    let refused = bed.storage.brokerage_account(&raghu).await.unwrap().unwrap().refused.unwrap();
    assert_eq!((refused.digest.as_str(), refused.message.as_str()), ("digest", "no"));
    bed.storage.note_login(&lease, Some(("digest", "still no"))).await.unwrap();
    let again = bed.storage.brokerage_account(&raghu).await.unwrap().unwrap().refused.unwrap();
    assert_eq!((again.at, again.message.as_str()), (refused.at, "still no"));
    assert_eq!(bed.storage.logins_needed().await.unwrap(), [("kite".to_owned(), 1)]);
    let shown = bed.storage.account_overview(&raghu).await.unwrap();
    assert_eq!(shown.login_needed, Some((refused.at, "still no".to_owned())));
    bed.storage.note_login(&lease, None).await.unwrap();
    assert_eq!(bed.storage.logins_needed().await.unwrap(), [("kite".to_owned(), 0)]);
    bed.storage.note_login(&lease, Some(("digest", "no"))).await.unwrap();
    add_brokerage(&bed.storage, raghu.clone()).await;
    assert_eq!(bed.storage.brokerage_account(&raghu).await.unwrap().unwrap().refused, None);
}
