use std::pin::Pin;
use std::time::Duration;

use ledger::ReportedOrder;

use crate::{BrokerageError, Quotes};

/// An order book on its way.
pub type OrdersFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<ReportedOrder>, BrokerageError>> + Send + 'a>>;

/// Prices on their way.
pub type QuotesFuture<'a> = Pin<Box<dyn Future<Output = Quotes> + Send + 'a>>;

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

    /// Last and close prices of what the account holds or traded today, and what else the brokerage tells of those
    /// instruments. Asks at most twice for each part, and ends `within` so long.
    ///
    /// What it cannot find out is missing and says so ([`Quotes::missing`]); a brokerage that tells no prices gives
    /// nothing. Dropping the future gives the requests up.
    fn quotes(&self, within: Duration) -> QuotesFuture<'_> {
        let _ = within;
        Box::pin(std::future::ready(Quotes::default()))
    }
}
