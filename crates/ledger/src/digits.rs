//! Decimals as JSON numbers with all their digits.

use compact_str::ToCompactString;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

/// A decimal that is written without what its own `Serialize` allocates: a text, which is parsed into another one, where
/// nearly all digits fit a text without memory of its own. The bytes are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub(crate) struct Digits(pub(crate) Decimal);

impl Serialize for Digits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Most are whole, and an integer is written faster. Only an integer has no zero with a sign.
        if let (0, Ok(whole)) = (self.0.scale(), i64::try_from(self.0.mantissa()))
            && (whole != 0 || self.0.is_sign_positive())
        {
            return serializer.serialize_i64(whole);
        }
        let digits = self.0.to_compact_string();
        let number: &RawValue = serde_json::from_str(&digits).map_err(serde::ser::Error::custom)?;
        number.serialize(serializer)
    }
}

/// [`Digits`] for `serialize_with`, of a decimal or one that may be missing.
pub(crate) fn serialize<S: Serializer>(
    number: &(impl Copy + Into<Option<Decimal>>),
    serializer: S,
) -> Result<S::Ok, S::Error> {
    (*number).into().map(Digits).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_is_written_as_the_decimal_itself_writes_it() {
        for text in [
            "0",
            "-0",
            "0.00",
            "-0.00",
            "10",
            "-7.50",
            "0.0000000001",
            "100000",
            "-0.000",
            "79228162514264337593543950335",
            "-7.9228162514264337593543950335",
        ] {
            let decimal: Decimal = text.parse().unwrap();
            for decimal in [decimal, -decimal] {
                let number = Digits(decimal);
                assert_eq!(serde_json::to_string(&number).unwrap(), serde_json::to_string(&decimal).unwrap());
                assert_eq!(json!(number), json!(decimal));
                assert_eq!(serde_json::from_str::<Digits>(&decimal.to_string()).unwrap(), number);
            }
        }
    }
}
