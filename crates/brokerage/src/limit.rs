use std::time::Duration;

/// How often a brokerage may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// A stable word for it within its [`Kind`](crate::Kind), for the keys under which requests are counted.
    pub name: &'static str,
    /// So many requests …
    pub requests: u32,
    /// … in any such span of time.
    pub window: Duration,
    /// Who shares it.
    pub scope: Scope,
}

/// Whose requests count against one [`Limit`] together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All accounts read with one API key.
    ApiKey,
    /// One account.
    Account,
}
