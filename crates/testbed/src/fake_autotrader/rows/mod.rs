//! Rows as AutoTrader writes them, with all documented fields; its times are milliseconds since 1970.
//!
//! Prices are given to the builders as they are to appear: wrap one in [`float32`] to have it as Java's `float` spoils it.

mod holding;
mod margin;
mod order;
mod position;

pub use holding::holding;
pub use margin::margin;
pub use order::{Order, order};
pub use position::{Position, position};

/// The number that arrives when Java kept it as a `float`: 12.3 becomes 12.300000190734863.
pub fn float32(value: f64) -> f64 {
    f64::from(value as f32)
}
