#![doc = include_str!("lib.md")]
#![deny(clippy::float_arithmetic)]

pub mod ist;

mod account;
mod assignment;
mod book;
mod calendar;
mod closing;
mod comparison;
mod corporate_action;
mod deal;
mod digits;
mod directory;
mod discrepancy;
mod error;
mod family;
mod fifo;
mod fill;
mod findings;
mod holding;
mod identity;
mod instrument;
mod instrument_key;
mod known_order;
mod ledger;
mod lot;
mod opening_lot;
mod order_match;
mod origin;
mod own_orders;
mod position;
mod price;
mod queue;
mod quote;
mod realised;
mod reconcile;
mod reported;
mod resume;
mod row;
mod saved;
mod terms;
mod trade_match;
mod trail;
mod view;

#[cfg(test)]
mod tests;

pub use account::Account;
pub use assignment::{Assignment, AssignmentMethod, Evidence, assign};
pub use book::{Book, Input, Withheld, generate};
pub use calendar::Calendar;
pub use closing::{Closing, ClosingSide};
pub use comparison::{OwnRow, differences};
pub use corporate_action::{CorporateAction, CorporateActionKind};
pub use discrepancy::{Discrepancy, DiscrepancyKind};
pub use error::LedgerError;
pub use family::Name;
pub use fill::Fill;
pub use holding::Holding;
pub use identity::{Identities, Seen};
pub use instrument::{Instrument, Instruments};
pub use instrument_key::{InstrumentKey, InstrumentKind, OptionRight, is_cash, key_for};
pub use known_order::{Executions, KnownOrder, OrderSource};
pub use ledger::Ledger;
pub use lot::Lot;
pub use opening_lot::OpeningLot;
pub use position::Position;
pub use price::Price;
pub use quote::Quote;
pub use realised::{Realised, realised};
pub use reconcile::{Look, NewOrder, OrderEventKind, Own, Plan, Update, plan};
pub use reported::{
    Iceberg, Labels, ReportedHolding, ReportedMargin, ReportedOrder, ReportedPosition, ReportedTrade, Side,
};
pub use saved::{SAVED_VERSION, SavedLedger};
pub use terms::{Terms, TermsPool};
pub use trade_match::{TradePlan, fraction, plan_trades, without_order};
