//! Exact numbers from JSON, without a float in between.

use std::str::FromStr;

use rust_decimal::{Decimal, RoundingStrategy};

/// Places kept of a number that was a 32-bit float on its way: the finest tick of an Indian exchange.
const PRICE_PLACES: u32 = 4;

/// How far from a whole number a quantity may be and still be meant as one.
const WHOLE: Decimal = Decimal::from_parts(1, 0, 0, false, 3);

/// The number with all its digits; `None` for what a [`Decimal`] cannot hold.
pub(crate) fn exact(text: &str) -> Option<Decimal> {
    let plain = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
    if !plain {
        return None;
    }
    if text.contains(['e', 'E']) { Decimal::from_scientific(text).ok() } else { Decimal::from_str(text).ok() }
}

/// A price or an amount that was a 32-bit float: `12.300000190734863` is 12.3.
pub(crate) fn price(number: Decimal) -> Decimal {
    number.round_dp_with_strategy(PRICE_PLACES, RoundingStrategy::MidpointNearestEven).normalize()
}

/// A quantity that was a 32-bit float: 74.99999 is 75, and 0.5 stays.
pub(crate) fn quantity(number: Decimal) -> Decimal {
    let whole = number.round();
    if (number - whole).abs() <= WHOLE { whole.normalize() } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(of: fn(Decimal) -> Decimal, rows: &[(&str, &str)]) {
        for (text, expected) in rows {
            assert_eq!(of(exact(text).unwrap()).to_string(), *expected, "{text}");
        }
    }

    #[test]
    fn numbers_keep_their_digits() {
        let same = |number| number;
        check(same, &[("1", "1"), ("109.40", "109.40"), ("0.1", "0.1"), ("-2", "-2"), ("1e3", "1000")]);
        check(same, &[("1.5E-3", "0.0015"), ("1e+3", "1000"), ("1.6105001E8", "161050010")]);
        check(same, &[("123456789012345678.123456789", "123456789012345678.123456789")]);
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in ["", "-", ".", "1_000", "1,000", "NaN", "inf", "0x1", "1e999999999999", "1e99", "1e"] {
            assert_eq!(exact(text), None, "{text}");
        }
        assert_eq!(exact("99999999999999999999999999999999"), None);
    }

    #[test]
    fn a_price_loses_what_a_32_bit_float_added() {
        check(price, &[("12.300000190734863", "12.3"), ("2514.085693359375", "2514.0857"), ("100", "100")]);
        check(
            price,
            &[("0.00005", "0"), ("0.00015", "0.0002"), ("-93.0", "-93"), ("72.7549972534", "72.755")],
        );
    }

    #[test]
    fn a_quantity_near_a_whole_number_is_meant_as_one() {
        check(
            quantity,
            &[("75", "75"), ("75.0", "75"), ("74.999", "75"), ("75.001", "75"), ("-50.00001", "-50")],
        );
        check(quantity, &[("0.5", "0.5"), ("1.25", "1.25"), ("75.0011", "75.0011"), ("1e2", "100")]);
    }
}
