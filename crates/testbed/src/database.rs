//! A database of its own for each test.

use crate::name::unique;
use crate::{Error, psql, shared};

/// A fresh, empty database on the shared PostgreSQL; dropped with it, clients or not.
#[derive(Debug)]
pub struct Database {
    name: String,
    server_url: String,
}

impl Database {
    /// Creates one, some 50 ms.
    pub fn create() -> Result<Self, Error> {
        Self::create_on(&shared().database_url()?)
    }

    /// Creates one on the server of this URL, whatever database the URL names.
    pub fn create_on(server_url: &str) -> Result<Self, Error> {
        let name = unique();
        psql(server_url, &["-c", &format!("CREATE DATABASE {name}")])?;
        Ok(Self { name, server_url: server_url.to_owned() })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL: the server's with the database replaced.
    pub fn url(&self) -> String {
        with_database(&self.server_url, &self.name)
    }

    /// Runs SQL through `psql`, and returns what it prints: one line a row, columns separated by `|`.
    pub fn sql(&self, sql: &str) -> Result<String, Error> {
        psql(&self.url(), &["-c", sql])
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // The server may have been stopped by the test; then its data go anyway.
        let _ =
            psql(&self.server_url, &["-c", &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)]);
    }
}

/// Replaces the path of a URL and keeps its parameters.
fn with_database(url: &str, name: &str) -> String {
    let (base, parameters) =
        url.split_once('?').map_or((url, String::new()), |(base, rest)| (base, format!("?{rest}")));
    let host = base.find("://").map_or(0, |at| at + 3);
    let path = base[host..].find('/').map_or(base.len(), |at| host + at);
    format!("{}/{name}{parameters}", &base[..path])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_of_a_url_is_replaced_and_its_parameters_kept() {
        assert_eq!(with_database("postgres://a@h:1/postgres", "x"), "postgres://a@h:1/x");
        assert_eq!(with_database("postgres://a@h:1", "x"), "postgres://a@h:1/x");
        assert_eq!(
            with_database("postgres://a@h/b?sslmode=disable", "x"),
            "postgres://a@h/x?sslmode=disable"
        );
    }
}
