use std::collections::BTreeSet;

use ledger::{Book, Discrepancy, DiscrepancyKind, Withheld};
use rust_decimal::Decimal;

/// Withholds the rows that the integer columns of `positions` and `holdings` cannot take, so that one instrument does
/// not keep the whole account from being stored.
pub(crate) fn withhold_unstorable(book: &mut Book) {
    let fits = |number: &Decimal| number.fract().is_zero() && i32::try_from(*number).is_ok();
    let mut keep_out = |key: &str, symbol: &str, isin: Option<&String>, quantity: Decimal| {
        book.withheld
            .push(Withheld { isin: isin.cloned(), instrument_keys: BTreeSet::from([key.to_owned()]) });
        book.discrepancies.push(Discrepancy {
            kind: DiscrepancyKind::Fraction,
            instrument_key: key.to_owned(),
            symbol: symbol.to_owned(),
            isin: isin.cloned(),
            quantity: Some(quantity),
            since: None,
            detail: "a quantity or multiplier does not fit its integer column; the rows stay as they were"
                .to_owned(),
        });
    };
    book.positions.retain(|row| {
        let numbers =
            [row.buy_quantity, row.sell_quantity, row.net_quantity, row.overnight_quantity, row.multiplier];
        let unfit = numbers.iter().find(|number| !fits(number));
        if let Some(unfit) = unfit {
            keep_out(&row.instrument_key, &row.symbol, None, *unfit);
        }
        unfit.is_none()
    });
    book.holdings.retain(|row| {
        let unfit = [row.quantity, row.totalqty, row.t1_qty].into_iter().find(|number| !fits(number));
        if let Some(unfit) = unfit {
            keep_out(&row.instrument_key, &row.symbol, row.isin.as_ref(), unfit);
        }
        unfit.is_none()
    });
}
