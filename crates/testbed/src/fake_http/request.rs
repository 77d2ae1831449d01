//! A request as a fake sees it.

use std::time::Instant;

/// One request that a fake server got.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Request {
    /// When its head had come.
    pub at: Instant,
    /// Such as `GET`.
    pub method: String,
    /// Without the query, not decoded.
    pub path: String,
    /// The decoded names and values of the query.
    pub query: Vec<(String, String)>,
    /// All headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The decoded names and values of a form body; empty for every other body.
    pub form: Vec<(String, String)>,
    /// Every other body.
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        value(&self.headers, name)
    }

    /// The value of a parameter, from the form or from the query.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        value(&self.form, name).or_else(|| value(&self.query, name))
    }
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}
