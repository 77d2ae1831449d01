use std::pin::Pin;

use ledger::ReportedOrder;

use crate::BrokerageError;

/// An order book on its way.
pub type OrdersFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<ReportedOrder>, BrokerageError>> + Send + 'a>>;

/// One account at one trading broker, logged in.
pub trait Brokerage: Send + Sync {
    /// The kind of brokerage, a stable lower-case word for logs and metrics: `kite`.
    fn name(&self) -> &'static str;

    /// The order book of the current trading day, each order in its latest state, in no particular order.
    ///
    /// The implementation bounds time and size itself and repeats what is worth a quick second try. An empty list
    /// means that the brokerage said there are no orders. Dropping the future gives the request up.
    ///
    /// # Errors
    ///
    /// A [`BrokerageError`] if the whole book is not known, even if only one order of it cannot be read.
    fn orders(&self) -> OrdersFuture<'_>;
}
