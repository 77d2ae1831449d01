use std::fmt;

use percent_encoding::percent_decode_str;
use reqwest::header::{HeaderName, HeaderValue};

/// Names with values, as OpenTelemetry's variables hold them: `name=value,name=value`, values percent-encoded. The values
/// may be secrets: `Debug` shows names only.
#[derive(Clone, PartialEq, Eq)]
pub struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// All of them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (String, String)> {
        self.0.iter().cloned()
    }
}

impl fmt::Debug for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Attributes: any names and values.
pub(crate) fn attributes(text: &str) -> Result<Pairs, String> {
    let expected = || "expected name=value,name=value,… with values percent-encoded".to_owned();
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').ok_or_else(expected)?;
        let value = percent_decode_str(value.trim()).decode_utf8().map_err(|_| expected())?;
        match name.trim() {
            "" => Err(expected()),
            name => Ok((name.to_owned(), value.into_owned())),
        }
    });
    pairs.collect::<Result<_, _>>().map(Pairs)
}

/// Headers of HTTP requests.
pub(crate) fn headers(text: &str) -> Result<Pairs, String> {
    let pairs = attributes(text)?;
    let is_usable = |(name, value): &(String, String)| {
        HeaderName::from_bytes(name.as_bytes()).is_ok() && HeaderValue::from_str(value).is_ok()
    };
    match pairs.0.iter().all(is_usable) {
        true => Ok(pairs),
        false => Err("expected name=value,name=value,… that can be headers of HTTP".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_with_their_encoding_undone() {
        let pairs = attributes(" a=1 , b = x%2Cy%3D ,,c==").unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(pairs.0, [pair("a", "1"), pair("b", "x,y="), pair("c", "=")]);
        assert_eq!(attributes("").unwrap().0, []);
        assert_eq!(
            headers("authorization=Basic%20eA%3D%3D").unwrap().0,
            [pair("authorization", "Basic eA==")]
        );
    }

    #[test]
    fn what_is_no_pair_or_no_header_is_refused_and_no_value_is_shown() {
        for text in ["a", "=1", "a=1,b", "a=%ff"] {
            assert!(attributes(text).is_err(), "{text}");
        }
        for text in ["a b=1", "a=x%0Ay"] {
            assert!(headers(text).is_err(), "{text}");
        }
        assert_eq!(format!("{:?}", headers("key=s3cret").unwrap()), r#"["key"]"#);
    }
}
