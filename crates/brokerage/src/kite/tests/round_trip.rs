//! Every field of the sample answers that is claimed, written back and compared with what it was.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use ledger::{ReportedHolding, ReportedMargin, ReportedOrder, ReportedPosition, ReportedTrade};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::super::{envelope, holding, margin, order, position, time, trade};
use crate::number;
use crate::tests::{answer, samples};

/// What a field of an answer must have been, by the typed value that was made of it.
enum Told<'a> {
    Text(Option<&'a str>),
    /// In capitals, and `_` and blanks alike.
    Word(Option<&'a str>),
    Number(Option<Decimal>),
    /// 0 is none.
    Price(Option<Decimal>),
    Time(Option<DateTime<Utc>>),
}

/// Checks the claimed fields of one element, and that every other one is known and left out.
fn check(place: &str, element: &Value, claimed: &[(&str, Told<'_>)], left_out: &[&str]) {
    for (name, told) in claimed {
        let was = element.pointer(&format!("/{}", name.replace('.', "/"))).unwrap_or(&Value::Null);
        let text = was.as_str().map(str::trim).filter(|text| !text.is_empty());
        let figure = was.is_number().then(|| number::exact(&was.to_string()).unwrap());
        let same = match told {
            Told::Text(told) => *told == text && (text.is_some() || was.is_null() || was.is_string()),
            Told::Word(told) => *told == text.map(|text| text.to_uppercase().replace(' ', "_")).as_deref(),
            Told::Number(told) => *told == figure,
            Told::Price(told) => *told == figure.filter(|figure| !figure.is_zero()),
            Told::Time(told) => *told == text.map(|text| time::parse(text).unwrap()),
        };
        assert!(same, "{place}.{name}: was {was}");
    }
    let known: BTreeSet<&str> = claimed.iter().map(|(name, _)| name.split('.').next().unwrap()).collect();
    for name in element.as_object().unwrap().keys() {
        let known = known.contains(name.as_str()) != left_out.contains(&name.as_str());
        assert!(known, "{place}.{name} is neither read nor left out, or both");
    }
}

/// The sample as it comes out of its envelope.
fn data(name: &str) -> Option<Value> {
    let sample = samples::kite(name)?;
    let data = envelope::open(answer(200, "application/json", &sample.to_string())).unwrap();
    assert_eq!(data, sample["data"]);
    Some(data)
}

fn check_order(place: &str, was: &Value, order: &ReportedOrder) {
    let update = was.get("exchange_timestamp").is_none_or(Value::is_null);
    let sliced = order.other_tags.iter().any(|tag| tag.starts_with("autoslice:"));
    let parent = order.broker_parent_id.as_deref().filter(|_| !sliced);
    let iceberg = order.iceberg;
    let changed = if update { "exchange_update_timestamp" } else { "exchange_timestamp" };
    let claimed = [
        ("order_id", Told::Text(Some(&order.broker_order_id))),
        ("exchange_order_id", Told::Text(order.exchange_order_id.as_deref())),
        ("parent_order_id", Told::Text(parent)),
        ("tag", Told::Text(order.client_tag.as_deref())),
        ("meta.iceberg.leg", Told::Number(iceberg.map(|iceberg| iceberg.leg.into()))),
        ("meta.iceberg.legs", Told::Number(iceberg.map(|iceberg| iceberg.legs.into()))),
        ("meta.iceberg.total_quantity", Told::Number(iceberg.map(|iceberg| iceberg.total_quantity))),
        ("exchange", Told::Word(Some(&order.exchange))),
        ("tradingsymbol", Told::Text(Some(&order.symbol))),
        ("transaction_type", Told::Word(Some(order.side.as_str()))),
        ("product", Told::Word(Some(&order.product))),
        ("order_type", Told::Word(order.order_type.as_deref())),
        ("variety", Told::Word(Some(&order.variety))),
        ("validity", Told::Word(order.validity.as_deref())),
        ("quantity", Told::Number(Some(order.quantity))),
        ("filled_quantity", Told::Number(Some(order.filled_quantity))),
        ("pending_quantity", Told::Number(order.pending_quantity)),
        ("disclosed_quantity", Told::Number(order.disclosed_quantity)),
        ("average_price", Told::Price(order.average_price)),
        ("price", Told::Number(order.price)),
        ("trigger_price", Told::Number(order.trigger_price)),
        ("status", Told::Word(Some(&order.status))),
        ("status_message", Told::Text(order.status_message.as_deref())),
        ("order_timestamp", Told::Time(order.placed_at)),
        (changed, Told::Time(order.exchange_at)),
        ("account_id", Told::Text(order.labels.trading_account.as_deref())),
        ("placed_by", Told::Text(order.labels.client_id.as_deref())),
    ];
    let mut left_out =
        vec!["tags", "guid", "status_message_raw", "modified", "instrument_token", "validity_ttl"];
    left_out.extend([
        "cancelled_quantity",
        "market_protection",
        "auction_number",
        "terminal_id",
        "exchange_timestamp",
    ]);
    left_out.extend(["exchange_update_timestamp", "rejected_by"]);
    left_out.retain(|name| *name != changed);
    check(place, was, &claimed, &left_out);
    let tags = was.get("tags").and_then(Value::as_array).into_iter().flatten().chain(was.get("guid"));
    let told: Vec<&str> = order.client_tag.as_deref().into_iter().collect();
    let told: BTreeSet<&str> = told.into_iter().chain(order.other_tags.iter().map(String::as_str)).collect();
    let were: BTreeSet<&str> = tags.filter_map(Value::as_str).chain(was["tag"].as_str()).collect();
    assert_eq!(told, were, "{place}");
    assert_eq!(serde_json::from_str::<Value>(&order.raw).unwrap(), *was, "{place}");
}

fn check_trade(place: &str, was: &Value, trade: &ReportedTrade) {
    let at = if was.get("fill_timestamp").is_some() { "fill_timestamp" } else { "exchange_timestamp" };
    let claimed = [
        ("trade_id", Told::Text(Some(&trade.trade_id))),
        ("order_id", Told::Text(Some(&trade.broker_order_id))),
        ("exchange_order_id", Told::Text(trade.exchange_order_id.as_deref())),
        ("exchange", Told::Word(Some(&trade.exchange))),
        ("tradingsymbol", Told::Text(Some(&trade.symbol))),
        ("transaction_type", Told::Word(Some(trade.side.as_str()))),
        ("product", Told::Word(Some(&trade.product))),
        ("quantity", Told::Number(Some(trade.quantity))),
        ("average_price", Told::Price(Some(trade.price))),
        (at, Told::Time(Some(trade.at))),
    ];
    let mut left_out = vec!["instrument_token", "order_timestamp", "exchange_timestamp"];
    left_out.retain(|name| *name != at);
    check(place, was, &claimed, &left_out);
}

fn check_position(place: &str, was: &Value, position: &ReportedPosition) {
    let claimed = [
        ("exchange", Told::Word(Some(&position.exchange))),
        ("tradingsymbol", Told::Text(Some(&position.symbol))),
        ("product", Told::Word(Some(&position.product))),
        ("instrument_token", Told::Number(position.instrument_token.map(Decimal::from))),
        ("quantity", Told::Number(Some(position.quantity))),
        ("overnight_quantity", Told::Number(position.overnight_quantity)),
        ("multiplier", Told::Number(position.multiplier)),
        ("average_price", Told::Number(position.average_price)),
        ("last_price", Told::Price(position.last_price)),
        ("close_price", Told::Price(position.close_price)),
        ("buy_quantity", Told::Number(position.buy_quantity)),
        ("buy_price", Told::Number(position.buy_price)),
        ("buy_value", Told::Number(position.buy_value)),
        ("sell_quantity", Told::Number(position.sell_quantity)),
        ("sell_price", Told::Number(position.sell_price)),
        ("sell_value", Told::Number(position.sell_value)),
        ("value", Told::Number(position.value)),
        ("pnl", Told::Number(position.pnl)),
        ("m2m", Told::Number(position.mtm)),
        ("realised", Told::Number(position.realised)),
        ("unrealised", Told::Number(position.unrealised)),
    ];
    let mut left_out = vec!["buy_m2m", "sell_m2m", "day_buy_quantity", "day_buy_price", "day_buy_value"];
    left_out.extend(["day_sell_quantity", "day_sell_price", "day_sell_value"]);
    check(place, was, &claimed, &left_out);
}

fn check_holding(place: &str, was: &Value, holding: &ReportedHolding) {
    let figure = |name: &str| was.pointer(name).map(|was| number::exact(&was.to_string()).unwrap());
    let financed = figure("/mtf/quantity").unwrap_or_default();
    // The samples have nothing pledged, sold or bought yesterday: the two parts alone make up what is held.
    assert_eq!(holding.quantity - financed, figure("/quantity").unwrap(), "{place}");
    assert_eq!(figure("/quantity"), figure("/realised_quantity"), "{place}");
    let mixed = !financed.is_zero();
    let (mut average, mut pnl) = (holding.average_price, holding.pnl);
    if mixed {
        let cost = average.unwrap() * holding.quantity - financed * figure("/mtf/average_price").unwrap();
        average = Some((cost / (holding.quantity - financed)).round_dp(4).normalize());
        let gain = financed * (holding.last_price.unwrap() - figure("/mtf/average_price").unwrap());
        pnl = pnl.map(|pnl| pnl - gain);
    }
    let claimed = [
        ("exchange", Told::Word(Some(&holding.exchange))),
        ("tradingsymbol", Told::Text(Some(&holding.symbol))),
        ("isin", Told::Word(holding.isin.as_deref())),
        ("product", Told::Word(holding.product.as_deref())),
        ("instrument_token", Told::Number(holding.instrument_token.map(Decimal::from))),
        ("t1_quantity", Told::Number(holding.t1_quantity)),
        ("used_quantity", Told::Number(holding.used_quantity)),
        ("collateral_quantity", Told::Number(holding.collateral_quantity)),
        ("collateral_type", Told::Text(holding.collateral_type.as_deref())),
        ("average_price", Told::Number(average)),
        ("last_price", Told::Price(holding.last_price)),
        ("close_price", Told::Price(holding.close_price)),
        ("pnl", Told::Number(pnl)),
        ("mtf.quantity", Told::Number(Some(financed).filter(|_| was.get("mtf").is_some()))),
        ("quantity", Told::Number(Some(holding.quantity - financed))),
        ("realised_quantity", Told::Number(Some(holding.quantity - financed))),
        ("opening_quantity", Told::Number(figure("/opening_quantity"))),
    ];
    let mut left_out =
        vec!["price", "day_change", "day_change_percentage", "authorised_quantity", "authorised_date"];
    left_out.extend(["authorisation", "short_quantity", "discrepancy"]);
    check(place, was, &claimed, &left_out);
}

fn check_margin(place: &str, was: &Value, margin: &ReportedMargin) {
    let claimed = [
        ("net", Told::Number(margin.net)),
        ("available.adhoc_margin", Told::Number(margin.adhoc)),
        ("available.cash", Told::Number(margin.funds)),
        ("available.live_balance", Told::Number(margin.available)),
        ("available.collateral", Told::Number(margin.collateral)),
        ("available.intraday_payin", Told::Number(margin.payin)),
        ("utilised.debits", Told::Number(margin.utilized)),
        ("utilised.exposure", Told::Number(margin.exposure)),
        ("utilised.span", Told::Number(margin.span)),
        ("utilised.payout", Told::Number(margin.payout)),
        ("utilised.m2m_realised", Told::Number(margin.realised_mtm)),
        ("utilised.m2m_unrealised", Told::Number(margin.unrealised_mtm)),
    ];
    check(place, was, &claimed, &["enabled"]);
    assert_eq!(margin.total, Some(margin.net.unwrap() + margin.utilized.unwrap()), "{place}");
}

/// Checks every element of a list that was read; says how many there were.
fn each<T>(name: &str, were: &Value, read: &[T], check: fn(&str, &Value, &T)) -> usize {
    let were = were.as_array().unwrap();
    assert_eq!(were.len(), read.len(), "{name}");
    for (index, (was, read)) in were.iter().zip(read).enumerate() {
        check(&format!("{name}[{index}]"), was, read);
    }
    were.len()
}

#[test]
fn every_order_of_the_samples_comes_back_as_it_was() {
    for (name, count) in
        [("head/orders.json", 10), ("head/order_info.json", 8), ("2017-12-28/orders.json", 7)]
    {
        let Some(data) = data(name) else { return };
        assert_eq!(each(name, &data, &order::read(data.clone()).unwrap(), check_order), count);
    }
}

#[test]
fn every_trade_of_the_samples_comes_back_as_it_was() {
    for (name, count) in
        [("head/trades.json", 4), ("head/order_trades.json", 1), ("2017-12-28/trades.json", 1)]
    {
        let Some(data) = data(name) else { return };
        assert_eq!(each(name, &data, &trade::read(data.clone()).unwrap(), check_trade), count);
    }
}

#[test]
fn every_net_position_of_the_samples_comes_back_as_it_was() {
    for name in ["head/positions.json", "2017-12-28/positions.json"] {
        let Some(data) = data(name) else { return };
        let read = position::read(data.clone()).unwrap();
        assert_eq!(each(name, &data["net"], &read, check_position), 3);
    }
}

#[test]
fn every_holding_of_the_samples_comes_back_as_it_was() {
    for (name, count) in [("head/holdings.json", 2), ("2017-12-28/holdings.json", 43)] {
        let Some(data) = data(name) else { return };
        assert_eq!(each(name, &data, &holding::read(data.clone()).unwrap(), check_holding), count);
    }
}

#[test]
fn every_segment_of_the_samples_comes_back_as_it_was() {
    let Some(both) = data("head/margins.json") else { return };
    let read = margin::read(both.clone()).unwrap();
    assert_eq!(each("margins", &json!([both["equity"], both["commodity"]]), &read, check_margin), 2);
    for (name, segment) in
        [("head/margins_equity.json", "equity"), ("head/margin_commodity.json", "commodity")]
    {
        let Some(data) = data(name) else { return };
        let read = margin::read(json!({ segment: data })).unwrap();
        assert_eq!(each(name, &json!([data]), &read, check_margin), 1);
        assert_eq!(read[0].category, segment.to_uppercase());
    }
}
