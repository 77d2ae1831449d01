use std::fmt;

use chrono::NaiveDate;
use rust_decimal::Decimal;

/// The parsed form of an instrument key.
///
/// Keys are `EX@NAME@equities`, `EX@NAME@bonds`, `EX@NAME@futures@DD-MON-YYYY`,
/// `EX@NAME@options@DD-MON-YYYY@call|put@STRIKE`, else `EX@SYMBOL@unknown`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InstrumentKey {
    /// Exchange segment: `NSE`, `NFO`, …
    pub exchange: String,
    /// The name of the share or of the underlying; the trading symbol where the kind is unknown.
    pub name: String,
    /// What kind of instrument it is.
    pub kind: InstrumentKind,
}

/// The kind of an instrument, with what tells one contract from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InstrumentKind {
    /// A share or fund unit.
    Equity,
    /// A bond.
    Bond,
    /// A future.
    Future {
        /// Its last day.
        expiry: NaiveDate,
    },
    /// An option.
    Option {
        /// Its last day.
        expiry: NaiveDate,
        /// Call or put.
        right: OptionRight,
        /// Its strike.
        strike: Decimal,
    },
    /// Only exchange and symbol are known.
    Unknown,
}

/// Call or put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OptionRight {
    /// The right to buy.
    Call,
    /// The right to sell.
    Put,
}

impl InstrumentKey {
    /// The parts of a key; `None` for text of another form.
    pub fn parse(key: &str) -> Option<Self> {
        let parts: Vec<&str> = key.split('@').collect();
        let (kind, tail) = match *parts.as_slice() {
            [.., "options", expiry, right, strike] => {
                let right = match right.to_ascii_lowercase().as_str() {
                    "call" => OptionRight::Call,
                    "put" => OptionRight::Put,
                    _ => return None,
                };
                let strike = Decimal::from_str_exact(strike).ok()?;
                (InstrumentKind::Option { expiry: parse_day(expiry)?, right, strike }, 4)
            }
            [.., "futures", expiry] => (InstrumentKind::Future { expiry: parse_day(expiry)? }, 2),
            [.., "equities"] => (InstrumentKind::Equity, 1),
            [.., "bonds"] => (InstrumentKind::Bond, 1),
            [.., "unknown"] => (InstrumentKind::Unknown, 1),
            _ => return None,
        };
        let (exchange, name) = parts.get(..parts.len() - tail)?.split_first()?;
        let name = name.join("@");
        (!exchange.is_empty() && !name.is_empty()).then(|| Self {
            exchange: (*exchange).to_owned(),
            name,
            kind,
        })
    }

    /// The last day of a contract.
    pub fn expiry(&self) -> Option<NaiveDate> {
        match self.kind {
            InstrumentKind::Future { expiry } | InstrumentKind::Option { expiry, .. } => Some(expiry),
            InstrumentKind::Equity | InstrumentKind::Bond | InstrumentKind::Unknown => None,
        }
    }
}

impl fmt::Display for InstrumentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}@", self.exchange, self.name)?;
        let day = |day: NaiveDate| day.format("%d-%b-%Y").to_string().to_ascii_uppercase();
        match self.kind {
            InstrumentKind::Equity => write!(f, "equities"),
            InstrumentKind::Bond => write!(f, "bonds"),
            InstrumentKind::Future { expiry } => write!(f, "futures@{}", day(expiry)),
            InstrumentKind::Option { expiry, right, strike } => {
                let right = match right {
                    OptionRight::Call => "call",
                    OptionRight::Put => "put",
                };
                write!(f, "options@{}@{right}@{}", day(expiry), strike.normalize())
            }
            InstrumentKind::Unknown => write!(f, "unknown"),
        }
    }
}

/// The key of an instrument of which only exchange and symbol are known.
///
/// The exchange segment decides, never the letters of the symbol (`63MOONS`, `846REC28` and `M&M` are cash): on NSE
/// and BSE it is taken for a share, series suffixes such as `-BE` kept; everywhere else it stays `unknown`.
pub fn key_for(exchange: &str, symbol: &str) -> String {
    let form = if is_cash(exchange) { "equities" } else { "unknown" };
    format!("{exchange}@{symbol}@{form}")
}

/// Whether an exchange segment trades shares and bonds themselves: only NSE and BSE do.
pub fn is_cash(exchange: &str) -> bool {
    matches!(exchange, "NSE" | "BSE")
}

fn parse_day(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%d-%b-%Y").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_key_is_read_and_written_back() {
        for key in [
            "NSE@M&M@equities",
            "NSE@846REC28@bonds",
            "NFO@NIFTY@futures@25-JUN-2025",
            "NFO@NIFTY@options@26-JUN-2025@call@25000",
            "CDS@USDINR@options@26-JUN-2025@put@84.25",
            "MCX@GOLDGUINEA17DECFUT@unknown",
            "NSE@A@B@equities",
        ] {
            assert_eq!(InstrumentKey::parse(key).unwrap().to_string(), key);
        }
    }

    #[test]
    fn text_of_another_form_is_no_key() {
        for key in
            ["", "NSE", "NSE@X", "@X@equities", "NSE@@equities", "equities", "NFO@X@futures@31-FEB-2025"]
        {
            assert_eq!(InstrumentKey::parse(key), None, "{key}");
        }
        assert_eq!(InstrumentKey::parse("NFO@X@options@26-JUN-2025@straddle@100"), None);
    }

    #[test]
    fn the_exchange_alone_decides_what_an_unknown_symbol_is() {
        assert_eq!(key_for("NSE", "GVT&D-BE"), "NSE@GVT&D-BE@equities");
        assert_eq!(key_for("BSE", "3MINDIA"), "BSE@3MINDIA@equities");
        assert_eq!(key_for("NFO", "NIFTY25JUNFUT"), "NFO@NIFTY25JUNFUT@unknown");
    }
}
