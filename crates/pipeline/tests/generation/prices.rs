use ledger::Quote;
use pipeline::{Generation, Wanted};
use rust_decimal::Decimal;

use crate::desk::{Desk, WHEN_NEEDED};

const LEAD: &str = "MCX@LEADMINI@futures@31-DEC-2099";

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn quote(exchange: &str, symbol: &str, last: &str, close: &str) -> Quote {
    Quote {
        exchange: exchange.to_owned(),
        symbol: symbol.to_owned(),
        multiplier: (exchange == "MCX").then(|| decimal("1000")),
        last_price: Some(decimal(last)),
        close_price: Some(decimal(close)),
        ..Quote::default()
    }
}

/// Three lots of lead bought long ago at 150, one sold today at 160; ten shares held at 500, bought by a strategy.
async fn desk() -> Desk {
    let desk = Desk::new().await;
    desk.sql(&format!(
        "INSERT INTO tradingdb.symbols VALUES ('{LEAD}', 'LEADMINI');
         INSERT INTO tradingdb.orders (pseudo_account, variety, quantity, filled_quantity, exchange, symbol, instrument_key,
             trade_type, product_type, average_price, exchange_time, exchange_order_id, strategy_id)
         VALUES ('Raghu', 'REGULAR', 3, 3, 'MCX', 'LEAD99', '{LEAD}', 'BUY', 'NRML', 150, now() - interval '30 days', '1', NULL),
                ('Raghu', 'REGULAR', 1, 1, 'MCX', 'LEAD99', '{LEAD}', 'SELL', 'NRML', 160, now(), '2', NULL),
                ('Raghu', 'REGULAR', 10, 10, 'NSE', 'RELIANCE', NULL, 'BUY', 'CNC', 500, now() - interval '30 days', '3', 'swing')"
    ));
    desk
}

async fn tell(desk: &Desk, quotes: &[Quote]) {
    desk.storage.store_quotes(&desk.lease().await, quotes).await.unwrap();
}

fn position(desk: &Desk) -> String {
    desk.sql(
        "SELECT multiplier, ltp, net_value, pnl, mtm, realised_pnl, unrealised_pnl FROM tradingdb.positions",
    )
}

fn holding(desk: &Desk) -> String {
    desk.sql("SELECT ltp, currentvalue, pnl FROM tradingdb.holdings")
}

#[tokio::test]
async fn prices_fill_what_the_formulas_need_them_for_with_the_multiplier() {
    let desk = desk().await;
    desk.sync().await;
    assert_eq!(position(&desk), "1||-290|||10|", "nobody has told anything yet");
    assert_eq!(holding(&desk), "||");
    tell(&desk, &[quote("MCX", "LEAD99", "165.5", "158"), quote("NSE", "RELIANCE", "510.25", "505")]).await;
    desk.sync().await;
    // value = 160000 - 450000; pnl = value + 2 × 165.5 × 1000; m2m = 160000 - 3 × 158 × 1000 + 331000
    assert_eq!(position(&desk), "1000|165.5|-290000|41000|17000|10000|31000");
    assert_eq!(holding(&desk), "510.25|5102.5|102.5");
    let of_strategy = "SELECT holdings -> 0 ->> 'ltp', holdings -> 0 ->> 'pnl' FROM tradingdb.ledger_families WHERE strategy_id = 'swing'";
    assert_eq!(desk.sql(of_strategy), "510.25|102.5");
}

#[tokio::test]
async fn other_prices_change_every_row_and_no_past_is_read_for_that() {
    let desk = desk().await;
    tell(&desk, &[quote("MCX", "LEAD99", "165.5", "158"), quote("NSE", "RELIANCE", "510.25", "505")]).await;
    desk.sync().await;
    tell(&desk, &[quote("MCX", "LEAD99", "166", "158"), quote("NSE", "RELIANCE", "490", "505")]).await;
    assert_eq!(desk.orders_read().await, Some(0));
    assert_eq!(position(&desk), "1000|166|-290000|42000|18000|10000|32000");
    assert_eq!(holding(&desk), "490|4900|-100");
    let of_strategy =
        "SELECT holdings -> 0 ->> 'pnl' FROM tradingdb.ledger_families WHERE strategy_id = 'swing'";
    assert_eq!(desk.sql(of_strategy), "-100");
    assert_eq!(desk.sync().await, Generation::Current);
    tell(&desk, &[quote("MCX", "LEAD99", "166", "158"), quote("NSE", "RELIANCE", "490", "505")]).await;
    assert_eq!(desk.sync().await, Generation::Current, "the same prices are no news");
}

#[tokio::test]
async fn a_price_that_is_not_told_any_more_stays_and_counts_for_new_orders() {
    let desk = desk().await;
    tell(&desk, &[quote("MCX", "LEAD99", "165.5", "158")]).await;
    desk.sync().await;
    desk.sql(&format!(
        "INSERT INTO tradingdb.orders (pseudo_account, variety, quantity, filled_quantity, exchange, symbol, instrument_key,
             trade_type, product_type, average_price, exchange_time, exchange_order_id)
         VALUES ('Raghu', 'REGULAR', 1, 1, 'MCX', 'LEAD99', '{LEAD}', 'SELL', 'NRML', 166, now(), '4')"
    ));
    desk.sync().await;
    assert_eq!(position(&desk), "1000|165.5|-124000|41500|17500|26000|15500");
}

#[tokio::test]
async fn an_account_without_prices_keeps_those_that_somebody_else_wrote() {
    let desk = desk().await;
    desk.sync().await;
    desk.sql("UPDATE tradingdb.positions SET ltp = 12, pnl = 13, mtm = 14, unrealised_pnl = 15");
    desk.generate(Wanted { force: true, ..WHEN_NEEDED }).await;
    assert_eq!(position(&desk), "1|12|-290|13|14|10|15");
}

#[tokio::test]
async fn a_later_order_completes_rows_without_a_look_at_the_earlier_ones() {
    let desk = desk().await;
    desk.sql(
        "UPDATE tradingdb.orders SET platform = 'KITE', stock_broker = 'ZERODHA', trading_account = 'DA0017'",
    );
    desk.sync().await;
    let shown = || desk.sql("SELECT platform, stock_broker, trading_account FROM tradingdb.positions");
    assert_eq!(shown(), "KITE|ZERODHA|DA0017");
    desk.sql(&format!(
        "INSERT INTO tradingdb.orders (pseudo_account, variety, quantity, filled_quantity, exchange, symbol, instrument_key,
             trade_type, product_type, average_price, exchange_time, exchange_order_id, platform)
         VALUES ('Raghu', 'REGULAR', 1, 1, 'MCX', 'LEAD99', '{LEAD}', 'SELL', 'NRML', 166, now(), '4', 'AMIBROKER')"
    ));
    assert_eq!(desk.orders_read().await, Some(1));
    assert_eq!(shown(), "AMIBROKER|ZERODHA|DA0017");
    let rows = desk.stored().await;
    assert_eq!(rows, desk.expected().await);
    desk.generate(Wanted { force: true, ..WHEN_NEEDED }).await;
    assert_eq!(desk.stored().await, rows, "as from nothing");
}
