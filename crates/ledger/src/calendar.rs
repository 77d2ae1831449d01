use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc, Weekday};

use crate::ist;

/// The view moves to a new trading day when the brokers' own day begins, before any market opens.
const DAY_BEGINS: NaiveTime = match NaiveTime::from_hms_opt(8, 0, 0) {
    Some(time) => time,
    None => panic!("08:00 is a time"),
};

/// Markets are never closed for so long; it bounds the search when a list of holidays is wrong.
const CLOSED_DAYS_MAX: usize = 366;

/// The trading days of one account: Monday to Friday without the holidays of the NSE, and every day it traded on
/// (other exchanges have evening sessions on holidays, and there are special sessions on weekends).
pub struct Calendar<'a> {
    holidays: &'a BTreeSet<NaiveDate>,
    fill_days: BTreeSet<NaiveDate>,
}

impl<'a> Calendar<'a> {
    /// `fill_days` are the days the account traded on; of those on which the market was open only the latest matters.
    pub fn new(holidays: &'a BTreeSet<NaiveDate>, fill_days: impl IntoIterator<Item = NaiveDate>) -> Self {
        Self { holidays, fill_days: fill_days.into_iter().collect() }
    }

    /// The trading day an instant sees: the later of the last one that has begun and the one last traded on.
    pub fn view_day(&self, as_of: DateTime<Utc>) -> NaiveDate {
        let today = ist::day_of(as_of);
        let begun = as_of >= ist::at(today, DAY_BEGINS);
        let last = if begun { today } else { today.pred_opt().unwrap_or(today) };
        let last = self.last_until(last);
        self.fill_days.last().map_or(last, |traded| last.max(*traded))
    }

    /// The trading day before a day.
    pub fn before(&self, day: NaiveDate) -> NaiveDate {
        self.last_until(day.pred_opt().unwrap_or(day))
    }

    fn last_until(&self, day: NaiveDate) -> NaiveDate {
        let mut days = std::iter::successors(Some(day), NaiveDate::pred_opt).take(CLOSED_DAYS_MAX);
        days.find(|day| self.is_trading_day(*day)).unwrap_or(day)
    }

    fn is_trading_day(&self, day: NaiveDate) -> bool {
        self.fill_days.contains(&day) || !is_odd(day, self.holidays)
    }
}

/// Whether the market is closed on a day, so that it is a trading day only of those who traded on it.
pub(crate) fn is_odd(day: NaiveDate, holidays: &BTreeSet<NaiveDate>) -> bool {
    matches!(day.weekday(), Weekday::Sat | Weekday::Sun) || holidays.contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn view(as_of: &str, holidays: &[&str], fills: &[&str]) -> NaiveDate {
        let holidays = holidays.iter().map(|text| day(text)).collect();
        Calendar::new(&holidays, fills.iter().map(|text| day(text))).view_day(as_of.parse().unwrap())
    }

    #[test]
    fn a_trading_day_begins_at_eight_in_the_morning() {
        assert_eq!(view("2025-06-18T07:59:59+05:30", &[], &[]), day("2025-06-17"));
        assert_eq!(view("2025-06-18T08:00:00+05:30", &[], &[]), day("2025-06-18"));
    }

    #[test]
    fn weekends_and_holidays_are_no_trading_days_unless_the_account_traded() {
        assert_eq!(view("2025-06-22T12:00:00+05:30", &[], &[]), day("2025-06-20"));
        assert_eq!(view("2025-06-22T12:00:00+05:30", &["2025-06-20"], &[]), day("2025-06-19"));
        assert_eq!(view("2025-06-22T12:00:00+05:30", &["2025-06-20"], &["2025-06-20"]), day("2025-06-20"));
        assert_eq!(view("2025-06-22T12:00:00+05:30", &[], &["2025-06-21"]), day("2025-06-21"));
    }

    #[test]
    fn a_fill_before_eight_moves_the_view_to_its_day() {
        assert_eq!(view("2025-06-18T06:30:00+05:30", &[], &["2025-06-18"]), day("2025-06-18"));
    }

    #[test]
    fn the_day_before_a_monday_is_the_friday() {
        let holidays = BTreeSet::new();
        let calendar = Calendar::new(&holidays, std::iter::empty());
        assert_eq!(calendar.before(day("2025-06-23")), day("2025-06-20"));
    }
}
