/// Why a book could not be computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// A quantity, price or factor of this instrument leaves the range of a 96-bit decimal. The input is wrong;
    /// trying again does not help.
    #[error("numbers of {instrument_key} are too large to compute with")]
    Overflow {
        /// The key of the instrument, or the ISIN where only that is known.
        instrument_key: String,
    },
}
