mod asking;
mod reading;
mod spoilt;

use serde_json::{Value, json};

use crate::tests::PSEUDO_ACCOUNT;

/// An order as the field list of the clients has it, with every field there is.
fn order() -> Value {
    json!({
        "id": "250617000000001", "tradeType": "BUY", "orderType": "STOP_LOSS", "productType": "INTRADAY",
        "variety": "REGULAR", "validity": "DAY", "quantity": 75.0, "disclosedQuantity": 0, "price": exact("12.350000381469727"),
        "triggerPrice": exact("12.300000190734863"), "amo": false, "statusMessage": "", "publisherId": "pub-7",
        "pseudoAccount": PSEUDO_ACCOUNT, "tradingAccount": "XX1234", "stockBroker": "ZERODHA", "exchange": "NFO",
        "symbol": "NIFTY2580724400CE", "independentExchange": "NFO", "independentSymbol": "NIFTY_07-AUG-2025_CE_24400",
        "modifiedTime": 1_750_153_502_000_i64, "createdTime": 1_750_153_499_000_i64, "comments": "by hand",
        "parentOrderId": null, "exchangeOrderId": "1500000159758742", "averagePrice": exact("12.324999809265137"),
        "clientId": "C1", "rawStatus": "complete", "platformTime": 1_750_153_500_000_i64, "exchangeTime": 1_750_153_501,
        "pendingQuantity": 0, "filledQuantity": 75, "platform": "KITE", "status": "COMPLETE", "nestRequestId": "N1",
    })
}

fn position() -> Value {
    json!({
        "id": 1, "buyQuantity": 1, "sellQuantity": 3, "netQuantity": -2, "type": "NORMAL", "pnl": 10, "mtm": 11,
        "atPnl": 12, "buyValue": 161050, "sellValue": exact("483000.0"), "netValue": -1, "buyAvgPrice": exact("161.0500030517578"),
        "sellAvgPrice": 161, "pseudoAccount": PSEUDO_ACCOUNT, "tradingAccount": "XX1234", "stockBroker": "ZERODHA",
        "exchange": "MCX", "symbol": "LEADMINI17DECFUT", "independentExchange": "MCX",
        "independentSymbol": "LEADMINI_29-DEC-2017_FUT", "category": "NET", "ltp": exact("160.9499969482422"),
        "platform": "KITE", "accountId": "A1", "overnightQuantity": -2, "multiplier": 1000, "realisedPnl": 13,
        "unrealisedPnl": -14, "state": "OPEN", "direction": "SHORT",
    })
}

fn holding() -> Value {
    json!({
        "id": 5, "isin": "INE062A01020", "collateralType": "stock", "instrumentToken": "779521", "product": "DELIVERY",
        "quantity": 16, "collateralQty": 3, "t1Qty": 2, "totalQty": 21, "pnl": -629.3, "haircut": 0.2,
        "avgPrice": exact("801.78125"), "ltp": exact("762.4500122070312"), "currentValue": 16011.45,
        "pseudoAccount": PSEUDO_ACCOUNT, "tradingAccount": "XX1234", "stockBroker": "ZERODHA", "exchange": "BSE",
        "symbol": "SBIN", "platform": "KITE",
    })
}

fn margin() -> Value {
    json!({
        "category": "EQUITY", "funds": 1, "utilized": 2, "available": exact("99725.0546875"), "total": 4, "net": 5, "span": 6,
        "exposure": 7, "collateral": 8, "payin": 9, "payout": 10, "adhoc": 11, "realisedMtm": 12, "unrealisedMtm": 13,
        "pseudoAccount": PSEUDO_ACCOUNT, "tradingAccount": "XX1234", "stockBroker": "ZERODHA",
    })
}

fn exact(number: &str) -> Value {
    serde_json::from_str(number).unwrap()
}

fn with(mut value: Value, changes: Value) -> Value {
    value.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    value
}
