/// Why a book could not be computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// A quantity, price or factor of this instrument needs more digits than a 96-bit decimal has. The input
    /// is wrong; trying again does not help.
    #[error("numbers of {instrument_key} have too many digits to compute with")]
    Overflow {
        /// The key of the instrument, or the ISIN where only that is known.
        instrument_key: String,
    },
}
