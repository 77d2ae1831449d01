/// How much of a pool of connections is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// Connections that are lent.
    pub in_use: usize,
    /// Open connections that nobody uses.
    pub idle: usize,
    /// Most that there may be.
    pub max: usize,
}
