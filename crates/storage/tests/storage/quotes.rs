use ledger::{Instrument, Name, Quote};
use storage::StorageError;

use crate::support::{Bed, SBIN, decimal, generated, raghu};

const LEAD: &str = "MCX@LEADMINI@futures@31-DEC-2099";

fn quote(exchange: &str, symbol: &str, last_price: &str) -> Quote {
    Quote {
        exchange: exchange.into(),
        symbol: symbol.into(),
        last_price: Some(decimal(last_price)),
        ..Quote::default()
    }
}

/// Raghu has traded a contract of the MCX and a share whose orders name no key.
async fn bed() -> Bed {
    let bed = Bed::migrated().await;
    bed.sql(&format!(
        "INSERT INTO tradingdb.symbols VALUES ('{LEAD}', 'LEADMINI');
         INSERT INTO tradingdb.orders (pseudo_account, organization_id, variety, quantity, filled_quantity, exchange,
             symbol, instrument_key, trade_type, product_type, average_price, exchange_time, platform, stock_broker,
             trading_account, independent_symbol)
         VALUES ('Raghu', 'default', 'REGULAR', 1, 1, 'MCX', 'LEADMINI99DECFUT', '{LEAD}', 'BUY', 'NRML', 161.05, now(),
                     'KITE', 'ZERODHA', 'DA0017', 'LEADMINI_31-DEC-2099_FUT'),
                ('Raghu', NULL, 'REGULAR', 10, 10, 'NSE', 'SBIN', NULL, 'BUY', 'CNC', 311, now() - interval '30 days',
                     'KITE', 'ZERODHA', '', NULL),
                ('Sita', NULL, 'REGULAR', 10, 10, 'NSE', 'TCS', NULL, 'BUY', 'CNC', 311, now(), NULL, NULL, NULL, NULL)"
    ));
    bed
}

fn kept(bed: &Bed) -> String {
    bed.sql(
        "SELECT pseudo_account, instrument_key, last_price, close_price FROM tradingdb.account_instruments ORDER BY 1, 2",
    )
}

async fn instruments(bed: &Bed) -> Vec<Instrument> {
    let (mut reader, _) = bed.storage.ledger_reader(&raghu()).await.unwrap();
    let mut names = [SBIN, LEAD].map(|key| Name::Key(key.to_owned())).into();
    reader.reference(&mut names).await.unwrap().0
}

#[tokio::test]
async fn a_price_goes_to_the_keys_of_the_accounts_own_instruments_and_to_no_other() {
    let bed = bed().await;
    let lease = bed.lease(&raghu(), "job").await;
    let quotes = [
        quote("MCX", "LEADMINI99DECFUT", "161.05"),
        quote("NSE", "SBIN", "308.40"),
        quote("BSE", "SBIN", "308"),
        quote("NSE", "TCS", "4000"),
    ];
    assert_eq!(bed.storage.store_quotes(&lease, &quotes).await.unwrap(), 2);
    assert_eq!(kept(&bed), format!("Raghu|{LEAD}|161.05|\nRaghu|{SBIN}|308.40|"));
    let prices: Vec<_> = instruments(&bed).await.into_iter().map(|known| known.last_price).collect();
    assert_eq!(prices, [Some(decimal("161.05")), Some(decimal("308.40"))]);
}

#[tokio::test]
async fn gaps_of_instruments_are_filled_and_what_is_known_is_never_replaced() {
    let bed = bed().await;
    bed.sql(&format!(
        "INSERT INTO tradingdb.instruments (instrument_key, exchange, symbol, isin)
         VALUES ('{SBIN}', 'NSE', 'SBIN', 'INE062A01020')"
    ));
    let lease = bed.lease(&raghu(), "job").await;
    let lead = Quote { multiplier: Some(decimal("1000")), ..quote("MCX", "LEADMINI99DECFUT", "161.05") };
    let sbin = Quote { isin: Some("INE000000000".into()), ..quote("NSE", "SBIN", "308.4") };
    bed.storage.store_quotes(&lease, &[lead.clone(), sbin]).await.unwrap();
    let shown =
        || bed.sql("SELECT instrument_key, symbol, isin, multiplier FROM tradingdb.instruments ORDER BY 1");
    let expected = format!("{LEAD}|LEADMINI99DECFUT||1000\n{SBIN}|SBIN|INE062A01020|");
    assert_eq!(shown(), expected);
    bed.storage.store_quotes(&lease, &[Quote { multiplier: Some(decimal("5")), ..lead }]).await.unwrap();
    assert_eq!(shown(), expected);
}

#[tokio::test]
async fn a_share_that_got_another_series_is_found_by_its_isin() {
    let bed = bed().await;
    bed.sql(&format!(
        "INSERT INTO tradingdb.instruments (instrument_key, exchange, symbol, isin)
         VALUES ('{SBIN}', 'NSE', 'SBIN', 'INE062A01020')"
    ));
    let lease = bed.lease(&raghu(), "job").await;
    let moved = Quote { isin: Some("INE062A01020".into()), ..quote("NSE", "SBIN-BE", "300") };
    bed.storage.store_quotes(&lease, &[moved]).await.unwrap();
    assert_eq!(kept(&bed), format!("Raghu|{SBIN}|300|"));
}

#[tokio::test]
async fn what_was_not_said_stays_as_it_was_and_nothing_new_is_no_news() {
    let bed = bed().await;
    let lease = bed.lease(&raghu(), "job").await;
    let full = Quote {
        close_price: Some(decimal("314.85")),
        collateral_quantity: Some(decimal("2")),
        collateral_type: Some("MARGIN".into()),
        instrument_token: Some(779_521),
        ..quote("NSE", "SBIN", "308.4")
    };
    let news = || bed.sql("SELECT prices_at IS NOT NULL FROM tradingdb.account_sync_state");
    assert_eq!(bed.storage.store_quotes(&lease, std::slice::from_ref(&full)).await.unwrap(), 1);
    assert_eq!(news(), "t");
    bed.sql("UPDATE tradingdb.account_sync_state SET prices_at = NULL");
    assert_eq!(bed.storage.store_quotes(&lease, &[full]).await.unwrap(), 0);
    let silent = Quote { last_price: None, ..quote("NSE", "SBIN", "1") };
    assert_eq!(bed.storage.store_quotes(&lease, &[silent]).await.unwrap(), 0);
    assert_eq!(bed.storage.store_quotes(&lease, &[]).await.unwrap(), 0);
    assert_eq!(news(), "f");
    assert_eq!(kept(&bed), format!("Raghu|{SBIN}|308.4|314.85"));
}

#[tokio::test]
async fn a_run_that_lost_its_lease_stores_no_price() {
    let bed = bed().await;
    let lease = bed.lease(&raghu(), "job").await;
    bed.lease(&raghu(), "job").await;
    let error = bed.storage.store_quotes(&lease, &[quote("NSE", "SBIN", "308.4")]).await.unwrap_err();
    assert!(matches!(error, StorageError::LeaseLost), "{error:?}");
    assert_eq!(kept(&bed), "");
}

#[tokio::test]
async fn rows_are_completed_from_orders_and_the_brokerage_and_nothing_known_is_lost() {
    let bed = bed().await;
    let lease = bed.lease(&raghu(), "job").await;
    let sbin = Quote {
        collateral_quantity: Some(decimal("2")),
        collateral_type: Some("MARGIN".into()),
        instrument_token: Some(779_521),
        ..quote("NSE", "SBIN", "308.4")
    };
    bed.storage.store_quotes(&lease, &[sbin]).await.unwrap();
    let inputs = bed.storage.ledger_inputs(&raghu()).await.unwrap();
    let book = ledger::generate(&ledger::Input {
        fills: &inputs.fills,
        opening_lots: &inputs.opening_lots,
        corporate_actions: &inputs.corporate_actions,
        instruments: &inputs.instruments,
        holidays: &inputs.holidays,
        as_of: bed.storage.now().await.unwrap(),
    })
    .unwrap();
    bed.storage.store_book(&lease, &generated(&book)).await.unwrap();
    let positions = || {
        bed.sql(
            "SELECT stock_broker, platform, trading_account, independent_exchange, independent_symbol, account_id, atpnl
             FROM tradingdb.positions",
        )
    };
    let holdings = || {
        bed.sql(
            "SELECT stock_broker, platform, trading_account, collateral_qty, collateral_type, instrument_token, ltp,
                    haircut FROM tradingdb.holdings",
        )
    };
    assert_eq!(positions(), "ZERODHA|KITE|DA0017||LEADMINI_31-DEC-2099_FUT||");
    assert_eq!(holdings(), "ZERODHA|KITE||2|MARGIN|779521|308.4|");
    bed.sql("UPDATE tradingdb.positions SET independent_exchange = 'MCX', atpnl = 1; UPDATE tradingdb.holdings SET haircut = 12.5");
    // Another book changes the rows, and none of what only they know.
    let mut next = book.clone();
    next.positions[0].realised_pnl = decimal("7");
    next.holdings[0].t1_qty = decimal("1");
    bed.storage.store_book(&lease, &generated(&next)).await.unwrap();
    assert_eq!(positions(), "ZERODHA|KITE|DA0017|MCX|LEADMINI_31-DEC-2099_FUT||1");
    assert_eq!(holdings(), "ZERODHA|KITE||2|MARGIN|779521|308.4|12.5");
}

#[tokio::test]
async fn a_holding_whose_isin_becomes_known_goes_on_as_the_same_row() {
    let bed = bed().await;
    bed.sql(&format!(
        "INSERT INTO tradingdb.symbols VALUES ('{SBIN}', 'SBIN');
         INSERT INTO tradingdb.holdings (pseudo_account, exchange, symbol, instrument_key, product, haircut)
         VALUES ('Raghu', 'NSE', 'SBIN', '{SBIN}', 'CNC', 12.5)"
    ));
    let lease = bed.lease(&raghu(), "job").await;
    let told = Quote { isin: Some("INE062A01020".into()), ..quote("NSE", "SBIN", "308.4") };
    bed.storage.store_quotes(&lease, &[told]).await.unwrap();
    let inputs = bed.storage.ledger_inputs(&raghu()).await.unwrap();
    let book = ledger::generate(&ledger::Input {
        fills: &inputs.fills,
        opening_lots: &inputs.opening_lots,
        corporate_actions: &inputs.corporate_actions,
        instruments: &inputs.instruments,
        holidays: &inputs.holidays,
        as_of: bed.storage.now().await.unwrap(),
    })
    .unwrap();
    bed.storage.store_book(&lease, &generated(&book)).await.unwrap();
    assert_eq!(
        bed.sql("SELECT id, isin, quantity, haircut FROM tradingdb.holdings"),
        "1|INE062A01020|10|12.5"
    );
}
