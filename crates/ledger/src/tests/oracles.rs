//! Results that others computed or published, replayed. The data is not part of this repository; where it is absent
//! these tests say so and pass.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use rust_decimal::Decimal;
use serde_json::Value;

use super::desk::{Desk, d, day, fill, ist};
use crate::identity::Identities;
use crate::{Book, Closing, ClosingSide, Fill, Ledger, Position, Side, ist as india};

fn data(file: &str) -> Option<String> {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path = root.join(file);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        eprintln!("SKIPPED: {} is absent, nothing was checked", path.display());
    }
    text
}

fn json(file: &str) -> Option<Value> {
    Some(serde_json::from_str(&data(file)?).unwrap())
}

fn rows(file: &str) -> Option<Vec<Vec<String>>> {
    let text = data(file)?;
    let split = |line: &str| line.split(',').map(str::to_owned).collect();
    Some(text.lines().skip(1).map(split).collect())
}

fn number(value: &Value) -> Decimal {
    value.as_str().map_or_else(|| decimal(&value.to_string()), decimal)
}

fn decimal(text: &str) -> Decimal {
    text.parse()
        .or_else(|_| Decimal::from_scientific(text))
        .unwrap_or_else(|_| panic!("{text} is no decimal"))
}

fn assert_near(got: Decimal, expected: Decimal, tolerance: &str, what: &str) {
    assert!((got - expected).abs() <= d(tolerance), "{what}: {got} instead of {expected}");
}

fn side(fill: &Fill) -> Decimal {
    if fill.side == Side::Buy { Decimal::ONE } else { Decimal::NEGATIVE_ONE }
}

fn signed(fill: Fill, quantity: Decimal, price: Decimal) -> Fill {
    let side = if quantity.is_sign_negative() { Side::Sell } else { Side::Buy };
    Fill { side, quantity: quantity.abs(), price: Some(price), ..fill }
}

#[test]
fn lean_closes_the_same_forty_lots() {
    let Some(scenarios) = json("lean_tradebuilder/fifo_fill_to_fill_scenarios.json") else { return };
    let start = ist("2025-06-16 10:00");
    let at = |minute: &Value| start + TimeDelta::minutes(minute.as_i64().unwrap());
    let mut lots = 0;
    for scenario in scenarios.as_array().unwrap() {
        let mut desk = Desk::default();
        for row in scenario["fills"].as_array().unwrap() {
            let blank = fill("2025-06-16 10:00", "NFO:EURUSD", "NRML", "B1@1");
            let blank =
                Fill { at: at(&row["minute"]), order_id: Some(row["order_id"].to_string().into()), ..blank };
            desk.fills.push(signed(blank, number(&row["signed_qty"]), number(&row["price"])));
        }
        let expected = scenario["expected_closed_lots"].as_array().unwrap();
        let book = desk.book("2025-06-16 20:00");
        assert_eq!(book.closings.len(), expected.len(), "{}", scenario["scenario"]);
        for (closing, lot) in book.closings.iter().zip(expected) {
            let side = if lot["direction"] == "Long" { ClosingSide::Long } else { ClosingSide::Short };
            assert_eq!((closing.side, closing.quantity), (side, number(&lot["quantity"])));
            assert_eq!(
                (closing.opened_at, closing.closed_at),
                (at(&lot["entry_minute"]), at(&lot["exit_minute"]))
            );
            assert_eq!(closing.entry_price, number(&lot["entry_price"]));
            assert_eq!(closing.exit_price, number(&lot["exit_price"]));
            assert_eq!(closing.realised_pnl, number(&lot["profit_loss"]), "{}", scenario["scenario"]);
            lots += 1;
        }
    }
    assert_eq!(lots, 40);
}

fn instant(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%:z").unwrap().to_utc()
}

/// Opened, closed, quantity, cost.
type Pairs = Vec<(DateTime<Utc>, DateTime<Utc>, Decimal, Decimal)>;

#[test]
fn rp2_pairs_the_same_disposals_with_the_same_lots() {
    let files = ["rp2/fifo_lots_in.csv", "rp2/fifo_disposals.csv", "rp2/fifo_expected_pairs.csv"];
    let [Some(lots), Some(disposals), Some(pairs)] = files.map(rows) else { return };
    let mut desks: BTreeMap<(String, String), Desk> = BTreeMap::new();
    let mut trade_id = 0;
    let mut push = |row: &[String], side: Side, price: Decimal| {
        trade_id += 1;
        desks.entry((row[0].clone(), row[1].clone())).or_default().fills.push(Fill {
            at: instant(&row[2]),
            trade_id: Some(trade_id.to_string().into()),
            side,
            quantity: decimal(&row[4]),
            price: Some(price),
            ..fill("2025-06-16 10:00", "NFO:COIN", "NRML", "B1@1")
        });
    };
    for row in &lots {
        push(row, Side::Buy, decimal(&row[7]) / decimal(&row[4]));
    }
    for row in &disposals {
        push(row, Side::Sell, decimal(&row[5]));
    }
    let mut expected: BTreeMap<(String, String), Pairs> = BTreeMap::new();
    for row in &pairs {
        let sheet = expected.entry((row[0].clone(), row[1].clone())).or_default();
        sheet.push((instant(&row[7]), instant(&row[4]), decimal(&row[2]), decimal(&row[10])));
        assert_near(
            decimal(&row[6]) - decimal(&row[10]),
            decimal(&row[3]),
            "0.000001",
            "the sheet's own gain",
        );
    }
    let mut checked = 0;
    for (sheet, desk) in &desks {
        let pair =
            |closing: &Closing| (closing.opened_at, closing.closed_at, closing.quantity, closing.buy_value);
        let mut got: Pairs = desk.book("2030-01-01 12:00").closings.iter().map(pair).collect();
        let mut expected = expected.remove(sheet).unwrap_or_default();
        got.sort();
        expected.sort();
        assert_eq!(got.len(), expected.len(), "{sheet:?}");
        for (got, expected) in got.iter().zip(&expected) {
            assert_eq!((got.0, got.1), (expected.0, expected.1), "{sheet:?}");
            assert_near(got.2, expected.2, "0.0000000000001", &format!("{sheet:?} {expected:?} quantity"));
            assert_near(got.3, expected.3, "0.000000001", &format!("{sheet:?} {expected:?} cost"));
            checked += 1;
        }
    }
    assert_eq!((desks.len(), checked), (30, pairs.len()));
}

#[test]
fn pyfolio_conserves_cash_on_every_day_of_six_years() {
    let (Some(trades), Some(days)) = (rows("pyfolio_txn/test_txn.csv"), rows("pyfolio_txn/test_pos.csv"))
    else {
        return;
    };
    let mut desk = Desk::default();
    for (line, row) in trades.iter().enumerate() {
        let blank = Fill {
            at: instant(&row[0]),
            trade_id: Some(line.to_string().into()),
            ..fill("2025-06-16 10:00", &format!("NFO:{}", row[4]), "NRML", "B1@1")
        };
        desk.fills.push(signed(blank, decimal(&row[1]), decimal(&row[2])));
    }
    let mut by_day: BTreeMap<NaiveDate, Vec<Fill>> = BTreeMap::new();
    for fill in &desk.fills {
        by_day.entry(india::day_of(fill.at)).or_default().push(fill.clone());
    }
    let values: BTreeMap<_, _> =
        days.iter().map(|row| (india::day_of(instant(&row[0])), &row[1..])).collect();
    let capital = d("100000");
    let mut ledger = Ledger::new(day("2012-01-02"), Identities::default(), Arc::default());
    ledger.closed = Some(Vec::new());
    let (mut flow, mut realised, mut seen) = (capital, Decimal::ZERO, 0);
    for (date, mut fills) in by_day {
        fills.sort_by(|a, b| a.matching_order(b));
        flow -= fills.iter().map(|fill| side(fill) * fill.quantity * fill.price.unwrap()).sum::<Decimal>();
        fills.into_iter().for_each(|fill| ledger.apply(fill).unwrap());
        for matched in ledger.closed.as_mut().unwrap().drain(..) {
            let (bought, sold) = matched.bought_and_sold();
            realised += matched.quantity * (sold.rounded() - bought.rounded());
        }
        let Some((cash, positions)) = values.get(&date).and_then(|row| row.split_last()) else { continue };
        let held: Decimal = positions.iter().map(|value| decimal(value)).sum();
        let lots = ledger.queues.iter().flat_map(|queue| queue.lots.iter());
        let cost: Decimal = lots.map(|lot| lot.quantity * lot.price.amount).sum();
        assert_near(flow, decimal(cash), "0.0001", &format!("{date} cash"));
        let profit = realised + held - cost;
        assert_near(profit, decimal(cash) + held - capital, "0.0001", &format!("{date} profit"));
        seen += 1;
    }
    assert_eq!(seen, days.len());

    let book = desk.book("2010-01-10 12:00");
    assert_eq!(book.fills_seen, 9_367);
    let mut nets: BTreeMap<&str, Decimal> = BTreeMap::new();
    for lot in &book.open_lots {
        *nets.entry(&lot.symbol).or_default() += lot.quantity;
    }
    let expected = [
        ("AMD", 2299),
        ("CERN", 484),
        ("COST", 955),
        ("DELL", 3817),
        ("GPS", 1466),
        ("INTC", 1120),
        ("MMM", -27),
    ];
    assert_eq!(nets, expected.map(|(symbol, net)| (symbol, Decimal::from(net))).into());
    assert_eq!(book.positions.len(), 7);
    assert_near(book.realised(), realised, "0.0000001", "the closings of the book");
}

#[test]
fn every_row_of_kites_positions_follows_the_same_arithmetic() {
    for file in ["kiteconnect_mocks/head/positions.json", "kiteconnect_mocks/2017-12-28/positions.json"] {
        let Some(answer) = json(file) else { return };
        for list in ["net", "day"] {
            for row in answer["data"][list].as_array().unwrap() {
                check_position(row, list == "day");
            }
        }
    }
}

/// `day` lists leave out what was carried.
fn check_position(row: &Value, without_carried: bool) {
    let n = |field: &str| number(&row[field]);
    let text = |field: &str| row[field].as_str().unwrap();
    let what = format!("{}:{}", text("exchange"), text("tradingsymbol"));
    let mut desk = Desk::default();
    let carried = if without_carried { Decimal::ZERO } else { n("overnight_quantity") };
    if !carried.is_zero() {
        let (value, today) = if carried > Decimal::ZERO { ("buy", "day_buy") } else { ("sell", "day_sell") };
        let cost = n(&format!("{value}_value")) - n(&format!("{today}_value"));
        let price = cost / (carried.abs() * n("multiplier"));
        desk = desk.lot("2017-12-27 10:00", &what, text("product"), &carried.to_string(), &price.to_string());
    }
    for (side, name) in [("B", "buy"), ("S", "sell")] {
        let quantity = n(&format!("day_{name}_quantity"));
        if !quantity.is_zero() {
            let trade = format!("{side}{quantity}@{}", n(&format!("day_{name}_price")));
            desk = desk.fill("2017-12-28 12:00", &what, text("product"), &trade);
        }
    }
    let desk = desk.ltp(&what, &n("last_price").to_string()).close(&what, &n("close_price").to_string());
    let book = desk.multiplier(&what, &n("multiplier").to_string()).book("2017-12-28 19:30");
    compare_with_kite(book.position(text("tradingsymbol"), text("product")), row);
}

fn compare_with_kite(position: &Position, row: &Value) {
    let n = |field: &str| number(&row[field]);
    assert_eq!(position.net_quantity, n("quantity"), "{row}");
    assert_eq!(
        (position.buy_quantity, position.sell_quantity),
        (n("buy_quantity"), n("sell_quantity")),
        "{row}"
    );
    assert_eq!((position.buy_avg_price, position.sell_avg_price), (n("buy_price"), n("sell_price")), "{row}");
    assert_eq!((position.buy_value, position.sell_value), (n("buy_value"), n("sell_value")), "{row}");
    assert_eq!((position.net_value, position.multiplier), (n("value"), n("multiplier")), "{row}");
    assert_eq!((position.pnl, position.mtm), (Some(n("pnl")), Some(n("m2m"))), "{row}");
    let total = position.unrealised_pnl.map(|open| open + position.realised_pnl);
    assert_eq!(total, Some(n("pnl")), "{row}");
}

#[test]
fn a_real_days_order_book_gives_the_brokers_own_positions() {
    let file = |name: &str| json(&format!("kiteconnect_mocks/2017-12-28/{name}.json"));
    let (Some(orders), Some(positions)) = (file("orders"), file("positions")) else { return };
    let mut desk = Desk::default();
    for order in orders["data"].as_array().unwrap() {
        let text = |field: &str| order[field].as_str().unwrap();
        let time = NaiveDateTime::parse_from_str(text("exchange_timestamp"), "%Y-%m-%d %H:%M:%S").unwrap();
        let what = format!("{}:{}", text("exchange"), text("tradingsymbol"));
        desk.fills.push(Fill {
            at: india::at(time.date(), time.time()),
            order_id: Some(text("order_id").into()),
            side: Side::parse(text("transaction_type")).unwrap(),
            quantity: number(&order["filled_quantity"]),
            price: Some(number(&order["average_price"])),
            ..fill("2017-12-28 09:00", &what, text("product"), "B1@1")
        });
    }
    let day = positions["data"]["day"].as_array().unwrap();
    for row in day {
        let what =
            format!("{}:{}", row["exchange"].as_str().unwrap(), row["tradingsymbol"].as_str().unwrap());
        let n = |field: &str| number(&row[field]).to_string();
        desk = desk.ltp(&what, &n("last_price")).close(&what, &n("close_price"));
        desk = desk.multiplier(&what, &n("multiplier"));
    }
    let book = desk.book("2017-12-28 19:30");
    assert_eq!(book.positions.len(), day.len());
    for row in day {
        let text = |field: &str| row[field].as_str().unwrap();
        compare_with_kite(book.position(text("tradingsymbol"), text("product")), row);
    }
}

/// The published examples give dates as `2018-08-06`, `05-05`, `d1`, `d1 t1`, `t0`, `later`.
fn example_day(text: &str) -> String {
    match text.split(' ').next().unwrap() {
        "later" => "2025-07-01".to_owned(),
        word if word.len() == 10 => word.to_owned(),
        word if word.len() == 5 => format!("2025-{word}"),
        word if word.starts_with('d') => format!("2025-06-{}", 15 + word[1..].parse::<u8>().unwrap()),
        _ => "2025-06-16".to_owned(),
    }
}

/// The book on the evening of the last trade, and on the next day.
fn example_books(example: &Value) -> (Book, Book) {
    let mut desk = Desk::default();
    for (minute, trade) in example["trades"].as_array().unwrap().iter().enumerate() {
        let text = |index: usize| trade[index].as_str().unwrap_or_default();
        let is_share = matches!(text(1), "X" | "IDEA" | "AA");
        let product = match text(5) {
            "" if is_share => "CNC",
            "" => "NRML",
            product => product,
        };
        let what = format!("{}:{}", if is_share { "NSE" } else { "NFO" }, text(1));
        let price = if trade[4].is_null() { d("65") } else { number(&trade[4]) };
        let day = example_day(text(0));
        desk = desk.fill(
            &format!("{day} 10:{minute:02}"),
            &what,
            product,
            &format!("{}{}@{price}", text(2), number(&trade[3])),
        );
        if let Some(last) = example.get("ltp") {
            desk = desk.ltp(&what, &number(last).to_string());
        }
    }
    let last = desk.fills.iter().map(|fill| fill.at).max().unwrap();
    (desk.book_at(last + TimeDelta::hours(6)), desk.book_at(last + TimeDelta::days(1)))
}

#[test]
fn the_examples_published_by_brokers_come_out_as_published() {
    let Some(file) = json("broker_worked_examples/examples.json") else { return };
    let mut checked = 0;
    for example in file["examples"].as_array().unwrap() {
        let expected = |field: &str| {
            let value = example["expected"].get(field).or_else(|| example["derived"].get(field));
            number(value.unwrap_or_else(|| panic!("{field} in {example}")))
        };
        let id = example["id"].as_str().unwrap();
        if id == "kite_forum_overnight_short" {
            check_overnight_short(example);
            checked += 1;
            continue;
        }
        let (today, tomorrow) = example_books(example);
        let realised = today.realised();
        let open: (Decimal, Decimal) =
            tomorrow.positions.first().map(|row| (row.net_quantity, row.buy_avg_price)).unwrap_or_default();
        match id {
            "zerodha_fno_fifo" => {
                assert_eq!(
                    (realised, open),
                    (expected("realised"), (expected("open_qty"), expected("open_avg")))
                );
            }
            "zerodha_positions_buy_avg" => {
                let row = today.position("X", "CNC");
                assert_eq!(
                    (row.pnl, row.realised_pnl),
                    (Some(expected("pnl_total")), expected("fifo_realised"))
                );
                assert_eq!(row.unrealised_pnl, Some(expected("fifo_unrealised")));
                assert_eq!(row.buy_avg_price, expected("kite_average_price"));
                assert_eq!(today.open_lots[0].price.rounded(), expected("fifo_open_avg"));
                assert_eq!(today.closings[0].realised_pnl, expected("first_leg_profit"));
            }
            "upstox_carry_forward" => {
                assert_eq!(realised, expected("fifo_realised"));
                assert_eq!(open, (expected("next_day_open_qty"), expected("next_day_fifo_avg")));
                let row = today.positions.first().unwrap();
                let average = -row.net_value / row.net_quantity;
                assert_eq!(average, expected("upstox_same_day_avg"));
            }
            "groww_holdings_fifo" => {
                let row = tomorrow.holding("X");
                assert_eq!((row.quantity, row.avg_price), (expected("open_qty"), expected("open_avg")));
            }
            "zerodha_cross_product_intraday" => {
                let row = tomorrow.holding("IDEA");
                assert_eq!(
                    (row.quantity, row.avg_price),
                    (expected("delivery_qty"), expected("delivery_avg"))
                );
                let pairs = today.closings.iter().map(|pair| [pair.entry_price, pair.exit_price]);
                let published = example["expected"]["pairs"].as_array().unwrap();
                let published = published.iter().map(|pair| [number(&pair[0]), number(&pair[1])]);
                assert_eq!(pairs.collect::<Vec<_>>(), published.collect::<Vec<_>>());
            }
            "zerodha_fno_short_cross_product" => {
                let row = tomorrow.position("INDUSINDFUT", "NRML");
                assert_eq!(row.net_quantity, expected("next_day_open_qty"));
                assert_eq!((row.sell_avg_price, realised), (expected("next_day_avg"), expected("realised")));
            }
            "zerodha_fno_day2_roundtrip" | "exchange_fifo_two_day" => {
                assert_eq!(
                    (realised, open),
                    (expected("realised"), (expected("open_qty"), expected("open_avg")))
                );
            }
            "onetick_pnl_realized_fifo" => {
                let published = example["expected"]["realised_per_trade"].as_array().unwrap();
                for (minute, profit) in published.iter().enumerate() {
                    let at = ist(&format!("2025-06-16 10:{minute:02}"));
                    let of_trade = today.closings.iter().filter(|closing| closing.closed_at == at);
                    let got: Decimal = of_trade.map(|closing| closing.realised_pnl).sum();
                    assert_eq!(got, number(profit), "trade {minute}");
                }
            }
            other => panic!("an example no one checks: {other}"),
        }
        checked += 1;
    }
    assert_eq!(checked, 10);
}

fn check_overnight_short(example: &Value) {
    let row = &example["position"];
    let what = format!("NFO:{}", row["tradingsymbol"].as_str().unwrap());
    let n = |field: &str| number(&row[field]).to_string();
    let desk = Desk::default().lot("2015-12-01 10:00", &what, "NRML", &n("quantity"), &n("average_price"));
    let book = desk.ltp(&what, &n("last_price")).close(&what, &n("close_price")).book("2015-12-02 12:00");
    let position = book.positions.first().unwrap();
    let expected = |field: &str| Some(number(&example["expected"][field]));
    assert_eq!((position.pnl, position.mtm), (expected("pnl"), expected("m2m")));
    assert_eq!((position.sell_value, position.buy_value), (number(&row["sell_value"]), d("0")));
}
