//! What a brokerage says of an account, in our words.
//!
//! Quantities are in the exchange's unit (shares, or lots on MCX, CDS and BCD), prices in rupees per unit, instants in
//! UTC. `None` is what the brokerage did not say; a price of 0 is a price it does not know.

mod holding;
mod margin;
mod order;
mod position;
mod trade;

pub use holding::ReportedHolding;
pub use margin::ReportedMargin;
pub use order::{Iceberg, Labels, ReportedOrder, Side};
pub use position::ReportedPosition;
pub use trade::ReportedTrade;
