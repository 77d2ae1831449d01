use crate::Storage;

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

impl Storage {
    /// The connections of this program, as they are now. Asks nobody.
    pub fn pool_use(&self) -> PoolUse {
        let (open, idle, max) = self.pool.size();
        PoolUse { in_use: open.saturating_sub(idle), idle, max }
    }
}
