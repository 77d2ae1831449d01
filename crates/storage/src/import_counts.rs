/// What an import did to rows that are recognised when they come again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImportCounts {
    /// Rows that were not there.
    pub new: usize,
    /// Rows that were there and say something else now.
    pub changed: usize,
    /// Rows that were there and say nothing new.
    pub unchanged: usize,
}

impl ImportCounts {
    /// Of `given` rows those written, each `true` when it was not there before.
    pub(crate) fn of(given: usize, written: impl IntoIterator<Item = bool>) -> Self {
        let mut counts = Self::default();
        for is_new in written {
            *if is_new { &mut counts.new } else { &mut counts.changed } += 1;
        }
        counts.unchanged = given.saturating_sub(counts.new + counts.changed);
        counts
    }
}
