use std::future::ready;
use std::pin::Pin;
use std::time::Duration;

use ledger::{ReportedHolding, ReportedMargin, ReportedOrder, ReportedPosition, ReportedTrade};

use crate::{BrokerageError, Capabilities};

/// An answer on its way. Dropping it gives the request up.
pub type Reading<'a, T> = Pin<Box<dyn Future<Output = Result<T, BrokerageError>> + Send + 'a>>;

/// One account at one trading broker, logged in.
///
/// Every reading ends `within` the time given, a quick second try of what is worth one included, and bounds the size
/// of what it reads. An empty list means that the brokerage said there is nothing; what is not known whole is a
/// [`BrokerageError`], even if only one row of it cannot be read. Asking for what the brokerage does not offer
/// ([`Brokerage::capabilities`]) is [`BrokerageError::Rejected`] and costs no request.
pub trait Brokerage: Send + Sync {
    /// The kind of brokerage, a stable lower-case word for logs and metrics: `kite`.
    fn name(&self) -> &'static str;

    /// What can be asked, and what the answers cover.
    fn capabilities(&self) -> Capabilities;

    /// The order book, each order in its latest state, in no particular order.
    fn orders(&self, within: Duration) -> Reading<'_, Vec<ReportedOrder>>;

    /// The executions the order book is made of, in no particular order.
    fn trades(&self, within: Duration) -> Reading<'_, Vec<ReportedTrade>> {
        let _ = within;
        refuse(self.name(), "trades")
    }

    /// The net positions of the current day: what was carried into it and all that was traded in it.
    fn positions(&self, within: Duration) -> Reading<'_, Vec<ReportedPosition>> {
        let _ = within;
        refuse(self.name(), "positions")
    }

    /// What is held for delivery.
    fn holdings(&self, within: Duration) -> Reading<'_, Vec<ReportedHolding>> {
        let _ = within;
        refuse(self.name(), "holdings")
    }

    /// The money, one row for each segment that the account trades in.
    fn margins(&self, within: Duration) -> Reading<'_, Vec<ReportedMargin>> {
        let _ = within;
        refuse(self.name(), "margins")
    }
}

fn refuse<T: Send + 'static>(name: &str, what: &str) -> Reading<'static, T> {
    let message = format!("the brokerage {name} does not offer {what}");
    Box::pin(ready(Err(BrokerageError::Rejected { message })))
}
