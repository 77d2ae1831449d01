//! Exact money.
//!
//! A price is kept as a fraction: a 3:1 split of a share bought at 100 makes it cost 100/3, which no decimal holds,
//! yet three of them cost exactly 100 again. Values are sums of such fractions. They are rounded once, on output:
//! exact where a finite decimal exists, else half-even to ten decimals; averages always to ten decimals.

use std::collections::BTreeMap;

use rust_decimal::{Decimal, RoundingStrategy};

/// Decimals of averages, adjusted prices and whatever has no finite decimal.
const OUTPUT_SCALE: u32 = 10;

/// Decimals of a quantity that a corporate action made; finer ones come only from ratios that are cut off themselves.
const QUANTITY_SCALE: u32 = 18;

/// A quotient with more digits than this was cut off by the 28 digits of a decimal: it is not exact.
const EXACT_DIGITS_MAX: u128 = 10_u128.pow(24);

/// A step of arithmetic left the range of a 96-bit decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overflow;

/// Rupees per unit as an exact fraction: `amount` for `per` units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Rupees for `per` units.
    pub amount: Decimal,
    /// 1, but for lots changed by a corporate action; never 0.
    pub per: Decimal,
}

impl Price {
    /// The price as one decimal: exact if that exists, else rounded half-even to ten decimals.
    pub fn rounded(&self) -> Decimal {
        match exact_quotient(self.amount, self.per) {
            Ok(Ok(price)) => price,
            Ok(Err(price)) => round(price),
            Err(Overflow) => Decimal::ZERO,
        }
    }

    pub(crate) fn of(price: Decimal) -> Self {
        Self { amount: price, per: Decimal::ONE }
    }

    /// `amount` for `per` units, in lowest terms where that is a finite decimal.
    pub(crate) fn ratio(amount: Decimal, per: Decimal) -> Result<Self, Overflow> {
        Ok(match exact_quotient(amount, per)? {
            Ok(price) => Self::of(price),
            Err(_) => Self { amount, per },
        })
    }

    pub(crate) fn divided_by(self, factor: Decimal) -> Result<Self, Overflow> {
        Self::ratio(self.amount, mul(self.per, factor)?)
    }

    pub(crate) fn scaled_by(self, fraction: Decimal) -> Result<Self, Overflow> {
        Self::ratio(mul(self.amount, fraction)?, self.per)
    }
}

/// An exact sum of money: numerators by denominator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    whole: Decimal,
    parts: BTreeMap<Decimal, Decimal>,
}

impl Sum {
    /// Adds `quantity` × `price`.
    pub(crate) fn add(&mut self, quantity: Decimal, price: Price) -> Result<(), Overflow> {
        self.add_ratio(mul(quantity, price.amount)?, price.per)
    }

    /// Adds all of `other`, `times` times.
    pub(crate) fn add_sum(&mut self, other: &Self, times: Decimal) -> Result<(), Overflow> {
        self.add_ratio(mul(other.whole, times)?, Decimal::ONE)?;
        for (per, amount) in &other.parts {
            self.add_ratio(mul(*amount, times)?, *per)?;
        }
        Ok(())
    }

    pub(crate) fn times(&self, factor: Decimal) -> Result<Self, Overflow> {
        let mut product = Self::default();
        product.add_sum(self, factor)?;
        Ok(product)
    }

    /// The sum as one decimal: exact if that exists, else rounded half-even to ten decimals.
    pub(crate) fn rounded(&self) -> Result<Decimal, Overflow> {
        let (value, exact) = self.value()?;
        Ok(if exact { value.normalize() } else { round(value) })
    }

    /// The sum over `quantity`, rounded half-even to ten decimals; the average of nothing is 0.
    pub(crate) fn average(&self, quantity: Decimal) -> Result<Decimal, Overflow> {
        if quantity.is_zero() {
            return Ok(Decimal::ZERO);
        }
        Ok(round(self.value()?.0.checked_div(quantity).ok_or(Overflow)?))
    }

    /// The sum over `quantity` as an exact price. A sum of several denominators has no single fraction in general;
    /// it is cut at the 28 digits of a decimal, far below what is shown.
    pub(crate) fn price_of(&self, quantity: Decimal) -> Result<Price, Overflow> {
        match self.parts.iter().next() {
            Some((per, amount)) if self.whole.is_zero() && self.parts.len() == 1 => {
                Price::ratio(*amount, mul(*per, quantity)?)
            }
            _ => Price::ratio(self.value()?.0, quantity),
        }
    }

    /// The whole part, and numerators by denominator.
    pub(crate) fn parts(&self) -> (Decimal, Vec<(Decimal, Decimal)>) {
        (self.whole, self.parts.iter().map(|(per, amount)| (*per, *amount)).collect())
    }

    fn add_ratio(&mut self, amount: Decimal, per: Decimal) -> Result<(), Overflow> {
        if per == Decimal::ONE {
            self.whole = self.whole.checked_add(amount).ok_or(Overflow)?;
        } else {
            let part = self.parts.entry(per).or_default();
            *part = part.checked_add(amount).ok_or(Overflow)?;
        }
        Ok(())
    }

    fn value(&self) -> Result<(Decimal, bool), Overflow> {
        self.parts.iter().try_fold((self.whole, true), |(total, exact), (per, amount)| {
            let (quotient, is_exact) = match exact_quotient(*amount, *per)? {
                Ok(quotient) => (quotient, true),
                Err(quotient) => (quotient, false),
            };
            Ok((total.checked_add(quotient).ok_or(Overflow)?, exact && is_exact))
        })
    }
}

impl From<(Decimal, Vec<(Decimal, Decimal)>)> for Sum {
    fn from((whole, parts): (Decimal, Vec<(Decimal, Decimal)>)) -> Self {
        Self { whole, parts: parts.into_iter().collect() }
    }
}

/// Half-even to ten decimals, without trailing zeros.
pub(crate) fn round(value: Decimal) -> Decimal {
    value.round_dp_with_strategy(OUTPUT_SCALE, RoundingStrategy::MidpointNearestEven).normalize()
}

/// The exact sum of two quantities. A decimal drops digits it has no room for without a word; lots that do not add
/// up any more are worse than none.
#[inline]
pub(crate) fn add(a: Decimal, b: Decimal) -> Result<Decimal, Overflow> {
    let mut sum = a;
    add_to(&mut sum, b)?;
    Ok(sum)
}

/// [`add`] in place, which spares the copy of a result that was written in parts.
#[inline]
pub(crate) fn add_to(sum: &mut Decimal, more: Decimal) -> Result<(), Overflow> {
    // Quantities of one instrument nearly always have one scale and fit 64 bits: then they add up as integers do.
    if sum.scale() == more.scale() {
        let total = sum.mantissa() + more.mantissa();
        if let Ok(size) = u64::try_from(total.unsigned_abs()) {
            let (low, middle) = (size as u32, (size >> 32) as u32);
            *sum = Decimal::from_parts(low, middle, 0, total.is_negative(), sum.scale());
            return Ok(());
        }
    }
    *sum = add_any(*sum, more)?;
    Ok(())
}

#[inline(never)]
fn add_any(a: Decimal, b: Decimal) -> Result<Decimal, Overflow> {
    let sum = a.checked_add(b).ok_or(Overflow)?;
    let kept_all = sum.scale() >= a.scale().max(b.scale())
        || (a.is_zero() || b.is_zero() || (sum.is_zero() && a == -b))
        || sum.scale() >= a.normalize().scale().max(b.normalize().scale());
    if kept_all { Ok(sum) } else { Err(Overflow) }
}

pub(crate) fn sub(a: Decimal, b: Decimal) -> Result<Decimal, Overflow> {
    add(a, -b)
}

/// The quantity after a split: to so many decimals that it can still be added up.
pub(crate) fn scale_quantity(quantity: Decimal, factor: Decimal) -> Result<Decimal, Overflow> {
    Ok(mul(quantity, factor)?.round_dp_with_strategy(QUANTITY_SCALE, RoundingStrategy::MidpointNearestEven))
}

pub(crate) fn mul(a: Decimal, b: Decimal) -> Result<Decimal, Overflow> {
    a.checked_mul(b).ok_or(Overflow)
}

/// `Ok` with the quotient where it is a finite decimal of reasonable length, else `Err` with it cut off.
fn exact_quotient(amount: Decimal, per: Decimal) -> Result<Result<Decimal, Decimal>, Overflow> {
    let quotient = amount.checked_div(per).ok_or(Overflow)?.normalize();
    let short = quotient.mantissa().unsigned_abs() < EXACT_DIGITS_MAX;
    let exact = short && quotient.checked_mul(per) == Some(amount);
    Ok(if exact { Ok(quotient) } else { Err(quotient) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn a_third_three_times_is_whole_again() {
        let third = Price::of(d("100")).divided_by(d("3")).unwrap();
        assert_eq!(third.rounded(), d("33.3333333333"));
        let mut sum = Sum::default();
        for _ in 0..3 {
            sum.add(Decimal::ONE, third).unwrap();
        }
        assert_eq!(sum.rounded(), Ok(d("100")));
        sum.add(Decimal::ONE, third).unwrap();
        assert_eq!(sum.rounded(), Ok(d("133.3333333333")));
    }

    #[test]
    fn a_finite_value_keeps_all_its_digits() {
        let mut sum = Sum::default();
        sum.add(d("0.123456789"), Price::of(d("1.123456789"))).unwrap();
        assert_eq!(sum.rounded(), Ok(d("0.123456789") * d("1.123456789")));
        assert_eq!(Price::of(d("100")).divided_by(d("8")).unwrap(), Price::of(d("12.5")));
    }

    #[test]
    fn a_repeating_quotient_is_never_taken_for_exact() {
        for per in ["3", "7", "9", "11", "13", "0.3", "6", "300"] {
            for amount in ["100", "200", "2", "1", "0.05"] {
                assert!(exact_quotient(d(amount), d(per)).unwrap().is_err(), "{amount}/{per}");
            }
        }
    }

    #[test]
    fn quantities_add_up_exactly_or_not_at_all() {
        let tiny = d("0.000000000000001");
        assert_eq!(add(d("0.5"), d("0.50")), Ok(d("1")));
        assert_eq!(sub(tiny, tiny), Ok(d("0")));
        assert_eq!(add(d("18446744073709551615"), d("1")), Ok(d("18446744073709551616")));
        assert_eq!(add(d("-0.30"), d("0.10")).map(|sum| sum.to_string()), Ok("-0.20".to_owned()));
        assert_eq!(sub(d("0.30"), d("0.30")).map(|sum| sum.to_string()), Ok("0.00".to_owned()));
        assert_eq!(add(Decimal::MAX, Decimal::MAX), Err(Overflow));
        assert_eq!(add(Decimal::MAX, d("0.0")), Ok(Decimal::MAX));
        assert_eq!(add(Decimal::MAX / d("10"), tiny), Err(Overflow));
        assert_eq!(
            add(d("79228162514264337593543950330"), d("1.00")),
            Ok(d("79228162514264337593543950331"))
        );
    }

    #[test]
    fn too_large_numbers_are_an_error_not_a_panic() {
        assert_eq!(Price::of(Decimal::MAX).divided_by(d("0.0000000001")), Err(Overflow));
        let mut sum = Sum::default();
        assert_eq!(sum.add(Decimal::MAX, Price::of(d("2"))), Err(Overflow));
        assert_eq!(Price::ratio(Decimal::ONE, Decimal::ZERO), Err(Overflow));
    }
}
