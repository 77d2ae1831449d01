use rust_decimal::Decimal;

/// The money of one segment of an account, in rupees, by the columns of `margins`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportedMargin {
    /// `EQUITY`, `COMMODITY` or `ALL`.
    pub category: String,
    /// Given by the brokerage beyond the account's own money.
    pub adhoc: Option<Decimal>,
    /// What can be traded with now.
    pub available: Option<Decimal>,
    /// Lent on pledged shares.
    pub collateral: Option<Decimal>,
    /// Blocked as exposure margin.
    pub exposure: Option<Decimal>,
    /// The account's own cash.
    pub funds: Option<Decimal>,
    /// What is left after all that is utilised.
    pub net: Option<Decimal>,
    /// Paid in today.
    pub payin: Option<Decimal>,
    /// Asked to be paid out.
    pub payout: Option<Decimal>,
    /// Profit or loss realised today.
    pub realised_mtm: Option<Decimal>,
    /// Blocked as SPAN margin.
    pub span: Option<Decimal>,
    /// All there is, utilised or not.
    pub total: Option<Decimal>,
    /// Profit or loss of open positions.
    pub unrealised_mtm: Option<Decimal>,
    /// Blocked or spent in all.
    pub utilized: Option<Decimal>,
}
