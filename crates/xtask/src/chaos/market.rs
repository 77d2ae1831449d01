//! Orders that come in, are corrected and deleted while the storm goes on, written as anybody may write them: in plain SQL.

use std::fmt::Write as _;
use std::time::Duration;

use testbed::{Error, psql};

use crate::random::Random;

/// Accounts that are traded on; one more is only looked at.
pub(crate) const ACCOUNTS: u64 = 30;
/// An account that nobody trades on: jobs of it tell whether the fleet is well.
pub(crate) const PROBE: &str = "probe";
/// Changes of one transaction, and the pause between two.
const BATCH: usize = 10;
pub(crate) const PAUSE: Duration = Duration::from_millis(150);
/// Orders up to this number are never deleted: an account without any row is none.
const KEPT: u64 = 1000;
/// June 2025: on all its weekdays the market was open. The 2nd was a Monday.
const FIRST_DAY: i64 = 1_748_822_400;

/// Exchange, symbol, key, ISIN, product.
const INSTRUMENTS: [[&str; 5]; 5] = [
    ["NFO", "NIFTYFUT", "NFO@NIFTY@futures@31-DEC-2099", "", "NRML"],
    ["NFO", "BANKNIFTYFUT", "NFO@BANKNIFTY@futures@31-DEC-2099", "", "NRML"],
    ["NFO", "RELIANCEFUT", "NFO@RELIANCE@futures@31-DEC-2099", "", "NRML"],
    ["NSE", "RELIANCE", "NSE@RELIANCE@equities", "INE002A01018", "CNC"],
    ["NSE", "INFY", "NSE@INFY@equities", "INE009A01021", "CNC"],
];

/// Somebody who writes orders.
pub(crate) struct Market {
    url: String,
    random: Random,
    number: u64,
}

impl Market {
    /// Writes the first order of every account.
    pub(crate) fn open(url: &str, seed: u64) -> Result<Self, Error> {
        let mut market = Self { url: url.to_owned(), random: Random(seed), number: 0 };
        let mut sql = String::new();
        for [_, symbol, key, ..] in INSTRUMENTS {
            let _ = write!(
                sql,
                "INSERT INTO tradingdb.symbols (instrument_key, stock_code) VALUES ('{key}', '{symbol}') ON CONFLICT DO NOTHING;"
            );
        }
        sql += &market.insert(PROBE);
        for account in 0..ACCOUNTS {
            sql += &market.insert(&name(account));
        }
        market.number = KEPT;
        psql(url, &["-c", &sql])?;
        Ok(market)
    }

    /// Some orders more, some corrected, some deleted, in one transaction; whether PostgreSQL took it is not its concern.
    pub(crate) fn trade(&mut self) {
        let mut sql = String::new();
        for _ in 0..BATCH {
            let account = name(self.random.below(ACCOUNTS));
            sql += &match self.random.below(20) {
                0..12 => self.insert(&account),
                12..17 => {
                    let (quantity, price) = (1 + self.random.below(100), self.price());
                    let one = self.any_order(&account);
                    format!(
                        "UPDATE tradingdb.orders SET quantity = {quantity}, filled_quantity = {quantity}, average_price = {price} WHERE id = {one};"
                    )
                }
                _ => format!("DELETE FROM tradingdb.orders WHERE id = {};", self.any_order(&account)),
            };
        }
        let _ = psql(&self.url, &["-c", &sql]);
    }

    fn insert(&mut self, account: &str) -> String {
        self.number += 1;
        let instrument = usize::try_from(self.random.below(INSTRUMENTS.len() as u64)).unwrap_or(0);
        let [exchange, symbol, key, isin, product] = INSTRUMENTS[instrument];
        let side = if self.random.below(2) == 0 { "BUY" } else { "SELL" };
        let (quantity, price, at) = (1 + self.random.below(100), self.price(), self.moment());
        format!(
            "INSERT INTO tradingdb.orders (organization_id, pseudo_account, exchange, symbol, instrument_key, isin, product_type,
                 trade_type, quantity, filled_quantity, average_price, status, exchange_time, exchange_order_id, variety)
             VALUES ('default', '{account}', '{exchange}', '{symbol}', '{key}', nullif('{isin}', ''), '{product}', '{side}',
                 {quantity}, {quantity}, {price}, 'COMPLETE', to_timestamp({at}), '{}', 'regular');",
            self.number
        )
    }

    fn any_order(&mut self, account: &str) -> String {
        format!(
            "(SELECT id FROM tradingdb.orders WHERE pseudo_account = '{account}' AND exchange_order_id::bigint > {KEPT}
              ORDER BY md5(id::text || '{}') LIMIT 1)",
            self.random.below(1 << 32)
        )
    }

    fn price(&mut self) -> String {
        format!("{}.{:02}", 50 + self.random.below(2_000), self.random.below(100))
    }

    /// Within trading hours: most orders are older than some that are known already.
    fn moment(&mut self) -> i64 {
        let day = self.random.below(20);
        let second = 4 * 3600 + self.random.below(6 * 3600);
        FIRST_DAY + i64::try_from((day / 5 * 7 + day % 5) * 86_400 + second).unwrap_or(0)
    }
}

fn name(account: u64) -> String {
    format!("account-{account}")
}
