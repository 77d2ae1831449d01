use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::demand::Demand;
use super::{Arguments, planned, text};
use crate::workspace::root;

/// What is between these lines is written by a command.
const BEGIN: &str = "<!-- cargo xtask capacity --write -->\n";
const END: &str = "<!-- end -->\n";

/// Writes the table of the page anew; the rest of it stays as it is.
pub(super) fn write() -> Result<()> {
    let page = read()?;
    fs::write(path(), with(&page, &table()?)?).with_context(|| format!("cannot write {}", path().display()))
}

fn read() -> Result<String> {
    fs::read_to_string(path()).with_context(|| format!("cannot read {}", path().display()))
}

fn path() -> PathBuf {
    root().join("deploy/README.md")
}

/// As `cargo xtask capacity --interval 300,60` prints it.
fn table() -> Result<String> {
    let demands: Vec<Demand> = Arguments::of("--interval 300,60").demands()?;
    let fleets: Vec<_> = demands.into_iter().map(planned).collect();
    Ok(text::tables(&fleets))
}

fn with(page: &str, table: &str) -> Result<String> {
    let marks =
        || format!("{} has no {} … {}: put both back", path().display(), BEGIN.trim_end(), END.trim_end());
    let (before, rest) = page.split_once(BEGIN).with_context(marks)?;
    let (_, after) = rest.split_once(END).with_context(marks)?;
    Ok(format!("{before}{BEGIN}{table}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_what_is_computed_now() {
        let page = read().unwrap();
        let new = with(&page, &table().unwrap()).unwrap();
        assert!(
            page == new,
            "the table in deploy/README.md is an older one: run cargo xtask capacity --write"
        );
    }

    #[test]
    fn only_what_is_between_the_marks_is_written() {
        let page = |inside| format!("one\n{BEGIN}{inside}{END}two\n");
        assert_eq!(with(&page("old\n"), "new\n").unwrap(), page("new\n"));
        assert!(with("one\ntwo\n", "new\n").unwrap_err().to_string().contains("put both back"));
    }
}
