//! Rows as Kite writes them, with all documented fields; its times are Indian, without a zone.

mod holding;
mod margins;
mod order;
mod position;
mod trade;

pub use holding::holding;
pub use margins::margins;
pub use order::{Order, order};
pub use position::{Position, position};
pub use trade::trade;
