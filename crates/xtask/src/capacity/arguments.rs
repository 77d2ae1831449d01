use anyhow::{Result, ensure};
use clap::{Args, Parser};

use super::demand::{Demand, SLOTS_MOST, SLOTS_OF_A_CORE};

/// `EXTERNAL_ORDER_CHECK_MINUTES` where nobody says otherwise, in seconds.
const LOOK_INTERVAL: f64 = 1800.0;
/// More are not simulated: the memory of a million jobs three times is enough.
const SIMULATED_MOST: u64 = 2_000_000;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How many accounts, such as 500, 20k or 1M
    #[arg(long, value_delimiter = ',', value_parser = number, default_value = "1k,10k,100k,1M")]
    accounts: Vec<u64>,
    /// SYNC_INTERVAL_SECONDS, one or more
    #[arg(long, value_name = "SECONDS", value_delimiter = ',', default_value = "300")]
    interval: Vec<u64>,
    /// BEAT_SPREAD_SECONDS
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    spread: u64,
    /// Orders of an account
    #[arg(long, default_value_t = 200)]
    orders: u64,
    /// Share of syncs that find a new order
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    news: f64,
    /// Share of syncs that look at a brokerage [default: a look every 30 minutes]
    #[arg(long, value_name = "SHARE")]
    looks: Option<f64>,
    /// Seconds of a look at a brokerage
    #[arg(long, value_name = "SECONDS", default_value_t = 1.5)]
    look_seconds: f64,
    /// Cores of a machine with one worker
    #[arg(long, default_value_t = 4)]
    cores: u64,
    /// Slots of a worker [default: 64 for each of its cores, at most 512]
    #[arg(long)]
    slots: Option<u64>,
    /// RETENTION_DAYS
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    retention: u64,
    /// Run three ticks as well, without servers and without time: one attempt in a thousand fails, and a worker is killed
    #[arg(long)]
    pub(super) simulate: bool,
    /// Chance of the simulation
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// What all of this is computed from, where each figure is from, and which are not measured yet
    #[arg(long)]
    pub(super) costs: bool,
    /// Write the plan of the default accounts at 300 and 60 s into deploy/README.md
    #[arg(long, exclusive = true)]
    pub(super) write: bool,
    /// For programs
    #[arg(long)]
    pub(super) json: bool,
}

/// A command line of nothing else.
#[derive(Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

impl Arguments {
    /// As if somebody had typed them.
    pub(super) fn of(words: &str) -> Self {
        Line::parse_from(["capacity"].into_iter().chain(words.split_whitespace())).arguments
    }

    /// Each number of accounts at each interval.
    pub(super) fn demands(&self) -> Result<Vec<Demand>> {
        for (option, share) in [("--news", Some(self.news)), ("--looks", self.looks)] {
            let fits = share.is_none_or(|share| (0.0..=1.0).contains(&share));
            ensure!(fits, "{option} is a share: give a number from 0 to 1, such as 0.05");
        }
        let least = [("--accounts", &self.accounts), ("--interval", &self.interval)];
        for (option, numbers) in least {
            ensure!(numbers.iter().all(|number| *number > 0), "{option} of 0 is no fleet: give at least 1");
        }
        ensure!(
            self.cores > 0 && self.slots != Some(0),
            "a worker has a core and a slot: give --cores and --slots of at least 1"
        );
        let waits = (0.0..86_400.0).contains(&self.look_seconds);
        ensure!(waits, "--look-seconds are from 0 to a day: give seconds, such as 1.5");
        let largest = self.accounts.iter().copied().max().unwrap_or_default();
        ensure!(
            !self.simulate || largest <= SIMULATED_MOST,
            "{largest} accounts are too many to simulate: give --accounts of at most {SIMULATED_MOST}, or no --simulate"
        );
        let shortest = self.interval.iter().copied().min().unwrap_or_default();
        ensure!(
            self.spread <= shortest,
            "a spread of {} s is longer than the interval of {shortest} s: give a --spread of at most the --interval",
            self.spread
        );
        let fleets =
            |interval: &u64| self.accounts.iter().map(|accounts| self.demand(*accounts, *interval)).collect();
        Ok(self.interval.iter().flat_map(|interval| -> Vec<Demand> { fleets(interval) }).collect())
    }

    fn demand(&self, accounts: u64, interval_seconds: u64) -> Demand {
        Demand {
            accounts,
            interval_seconds,
            spread_seconds: self.spread,
            orders: self.orders,
            news: self.news,
            looks: self.looks.unwrap_or((interval_seconds as f64 / LOOK_INTERVAL).min(1.0)),
            look_seconds: self.look_seconds,
            cores: self.cores,
            slots: self.slots.unwrap_or((SLOTS_OF_A_CORE * self.cores).min(SLOTS_MOST)),
            retention_days: self.retention,
        }
    }
}

/// A whole number, or one of thousands or millions.
fn number(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'k')) => (&text[..at], 1000),
        Some((at, 'M')) => (&text[..at], 1_000_000),
        _ => (text, 1),
    };
    let number: Option<u64> = digits.parse().ok();
    let number = number.and_then(|number| number.checked_mul(unit));
    number
        .filter(|number| *number <= 1_000_000_000)
        .ok_or_else(|| "give a number up to 1000M, such as 500, 20k or 1M".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demands(words: &str) -> Result<Vec<Demand>> {
        Arguments::of(words).demands()
    }

    #[test]
    fn accounts_are_said_in_thousands_and_millions() {
        assert_eq!(["7", "20k", "1M"].map(number), [Ok(7), Ok(20_000), Ok(1_000_000)]);
        for wrong in ["", "k", "1.5k", "-1", "1MM", "1001M", "99999999999999999M"] {
            assert!(number(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_interval_has_its_fleets_and_looks_every_thirty_minutes() {
        let all = demands("--accounts 1k,5 --interval 300,60,3600").unwrap();
        let said: Vec<_> = all.iter().map(|demand| (demand.accounts, demand.interval_seconds)).collect();
        assert_eq!(said, [(1000, 300), (5, 300), (1000, 60), (5, 60), (1000, 3600), (5, 3600)]);
        let looks = [all[0].looks, all[2].looks, all[4].looks];
        assert_eq!(looks, [1.0 / 6.0, 1.0 / 30.0, 1.0]);
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_option() {
        for (words, option) in [
            ("--news 1.1", "--news"),
            ("--looks=-0.1", "--looks"),
            ("--interval 0", "--interval"),
            ("--accounts 0", "--accounts"),
            ("--cores 0", "--cores"),
            ("--look-seconds NaN", "--look-seconds"),
            ("--spread 301", "--spread"),
            ("--accounts 3M --simulate", "--accounts"),
        ] {
            let error = demands(words).expect_err(words).to_string();
            assert!(error.contains(option) && error.contains("give"), "{error}");
        }
        demands("--news 1 --looks 0 --spread 300 --accounts 2M --simulate").unwrap();
    }
}
