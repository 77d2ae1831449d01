//! Where a brokerage answers: what its base URL may look like, and the addresses below it.

use url::Url;

use crate::BrokerageError;

/// Reads a base URL that HTTP requests are built on.
///
/// # Errors
///
/// [`BrokerageError::Rejected`] saying what to change. The URL itself is not repeated: it may hold a password.
pub(crate) fn http(text: &str, example: &str) -> Result<Url, BrokerageError> {
    let url = parse(text, example)?;
    check_http(&url)?;
    Ok(url)
}

/// Reads the base URL of a file: `file:///absolute/path`, or the path alone.
///
/// # Errors
///
/// As [`http`].
pub(crate) fn file(text: &str) -> Result<Url, BrokerageError> {
    let example = "file:///absolute/path.json";
    if text.trim().starts_with('/') {
        let url = Url::from_file_path(text.trim());
        let url = url.map_err(|()| rejected(format!("the base URL must name a file, such as {example}")))?;
        return file(url.as_str());
    }
    // The URL standard would read `file:a/b` as `file:///a/b`.
    if !text.trim().get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("file:///")) {
        return Err(rejected(format!(
            "the base URL must begin with file:/// and an absolute path, such as {example}"
        )));
    }
    let url = parse(text, example)?;
    check_plain(&url)?;
    let names_a_file =
        url.to_file_path().is_ok_and(|path| path.file_name().is_some()) && !url.path().ends_with('/');
    if !names_a_file {
        return Err(rejected(format!("the base URL must name a file, such as {example}")));
    }
    Ok(url)
}

/// The address of `path` below a base URL.
///
/// # Errors
///
/// As [`http`].
pub(crate) fn endpoint(base_url: &Url, path: &[&str]) -> Result<Url, BrokerageError> {
    check_http(base_url)?;
    let mut url = base_url.clone();
    url.path_segments_mut()
        .map_err(|()| rejected("the base URL must have a host".to_owned()))?
        .pop_if_empty()
        .extend(path);
    Ok(url)
}

fn parse(text: &str, example: &str) -> Result<Url, BrokerageError> {
    Url::parse(text.trim())
        .map_err(|error| rejected(format!("no base URL ({error}): write it like {example}")))
}

fn check_http(url: &Url) -> Result<(), BrokerageError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(rejected("the base URL must begin with http:// or https://".to_owned()));
    }
    check_plain(url)
}

/// User names and passwords would end up in logs, and queries and fragments mean nothing to a brokerage.
fn check_plain(url: &Url) -> Result<(), BrokerageError> {
    let parts = [
        (!url.username().is_empty() || url.password().is_some(), "user name or password"),
        (url.query().is_some(), "query (what follows ?)"),
        (url.fragment().is_some(), "fragment (what follows #)"),
    ];
    match parts.iter().find(|(there, _)| *there) {
        Some((_, part)) => Err(rejected(format!("leave the {part} out of the base URL"))),
        None => Ok(()),
    }
}

fn rejected(message: String) -> BrokerageError {
    BrokerageError::Rejected { message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(outcome: Result<Url, BrokerageError>) -> String {
        match outcome.unwrap_err() {
            BrokerageError::Rejected { message } => message,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn an_address_is_the_path_below_the_base_url() {
        for (base, expected) in [
            ("https://api.kite.trade", "https://api.kite.trade/portfolio/holdings"),
            ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/portfolio/holdings"),
            ("http://h/kite/v3", "http://h/kite/v3/portfolio/holdings"),
            ("http://h/kite/v3/", "http://h/kite/v3/portfolio/holdings"),
        ] {
            let url = endpoint(&base.parse().unwrap(), &["portfolio", "holdings"]).unwrap();
            assert_eq!(url.as_str(), expected);
        }
    }

    #[test]
    fn a_base_url_of_an_api_is_plain_http() {
        for (text, expected) in [
            ("api.kite.trade", "no base URL (relative URL without a base): write it like https://x"),
            ("", "no base URL (relative URL without a base): write it like https://x"),
            ("ftp://h/", "the base URL must begin with http:// or https://"),
            ("data:x", "the base URL must begin with http:// or https://"),
            ("http://me:s3cr3t@h/", "leave the user name or password out of the base URL"),
            ("http://:s3cr3t@h/", "leave the user name or password out of the base URL"),
            ("http://h/?q", "leave the query (what follows ?) out of the base URL"),
            ("http://h/#f", "leave the fragment (what follows #) out of the base URL"),
        ] {
            assert_eq!(refusal(http(text, "https://x")), expected, "{text}");
            if let Ok(url) = Url::parse(text) {
                assert_eq!(refusal(endpoint(&url, &["orders"])), expected, "{text}");
            }
        }
        assert_eq!(http(" https://h/a ", "https://x").unwrap().as_str(), "https://h/a");
    }

    #[test]
    fn a_base_url_of_a_file_is_an_absolute_path() {
        assert_eq!(file("file:///srv/paper%20book.json").unwrap().as_str(), "file:///srv/paper%20book.json");
        let begins =
            "the base URL must begin with file:/// and an absolute path, such as file:///absolute/path.json";
        assert_eq!(file("/srv/paper book?.json").unwrap().as_str(), "file:///srv/paper%20book%3F.json");
        for text in ["srv/book.json", "file:book.json", "file://host/book.json", "http://h/", ""] {
            assert_eq!(refusal(file(text)), begins, "{text}");
        }
        for text in ["file:///", "file:///srv/", "/"] {
            assert_eq!(
                refusal(file(text)),
                "the base URL must name a file, such as file:///absolute/path.json"
            );
        }
        assert_eq!(refusal(file("file:///a?b")), "leave the query (what follows ?) out of the base URL");
    }
}
