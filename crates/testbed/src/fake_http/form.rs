//! The names and values of a query or of a form.

/// The decoded pairs of `a=1&b=two+words`; a name without `=` has an empty value.
pub(super) fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

/// Without `+` and `%XX`; a `%` that begins no such thing stands for itself.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let (byte, tail) = match (first, tail) {
            (b'+', _) => (b' ', tail),
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, after),
                _ => (b'%', tail),
            },
            (byte, _) => (*byte, tail),
        };
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_decoded() {
        let check = |text: &str, wanted: &[(&str, &str)]| {
            let wanted: Vec<_> =
                wanted.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            assert_eq!(pairs(text), wanted, "{text}");
        };
        check("", &[]);
        check("pseudoAccount=ACC_1", &[("pseudoAccount", "ACC_1")]);
        check("a=one+two&b=M%26M%3d&&c", &[("a", "one two"), ("b", "M&M="), ("c", "")]);
        check("a=100%&b=%zz&c=%e2%82%b9", &[("a", "100%"), ("b", "%zz"), ("c", "₹")]);
    }
}
