//! `cargo xtask prepare`: the committed `.sqlx` folder, without `sqlx-cli`.
//!
//! `sqlx`'s macros ask a database about each query while `storage` compiles, and with `SQLX_OFFLINE_DIR` set they
//! also save the answer there as `query-<hash>.json`. Those files are `.sqlx`: with them the workspace compiles
//! without a database. The migrations are applied by `psql`, not by `storage`'s own migrator: `storage` does not
//! compile before the files are there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use testbed::{Postgres, psql};

use crate::workspace::{cargo, root, run as run_command};

/// File name to content.
type Queries = BTreeMap<String, Vec<u8>>;

/// Writes `.sqlx`, or with `check` fails when it is out of date.
pub(crate) fn run(check: bool) -> Result<ExitCode> {
    let folder = root().join(".sqlx");
    let wanted = describe_queries()?;
    let found = read(&folder)?;
    if wanted == found {
        println!(".sqlx is up to date: {} queries", wanted.len());
    } else if check {
        bail!(
            ".sqlx is out of date; run `cargo xtask prepare`:\n  {}",
            differences(&wanted, &found).join("\n  ")
        );
    } else {
        write(&folder, &wanted, &found)?;
        println!(".sqlx written:\n  {}", differences(&wanted, &found).join("\n  "));
    }
    Ok(ExitCode::SUCCESS)
}

/// Compiles `storage` against a private database with all migrations and collects what the macros save.
fn describe_queries() -> Result<Queries> {
    let postgres = Postgres::start().context("cannot start PostgreSQL")?;
    let url = postgres.create_database("prepare")?;
    for migration in migrations()? {
        apply(&url, &migration)?;
    }

    let saved = root().join("target/prepare");
    if saved.exists() {
        fs::remove_dir_all(&saved).context("cannot empty target/prepare")?;
    }
    fs::create_dir_all(&saved).context("cannot create target/prepare")?;

    // The macros run only when the crate is compiled, and its tests and benches are compiled again with it.
    let library = root().join("crates/storage/src/lib.rs");
    File::options()
        .append(true)
        .open(&library)
        .and_then(|file| file.set_modified(SystemTime::now()))
        .with_context(|| format!("cannot touch {}", library.display()))?;
    let mut compile = cargo(&["check", "--package", "storage", "--all-targets"]);
    compile.env("DATABASE_URL", &url).env("SQLX_OFFLINE", "false").env("SQLX_OFFLINE_DIR", &saved);
    run_command(&mut compile)?;
    read(&saved)
}

/// The migrations that lead up, in the order of their names, which begin with their time.
fn migrations() -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root().join("migrations")).context("cannot read migrations/")? {
        let path = entry.context("cannot read migrations/")?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".sql") && !name.ends_with(".down.sql") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// In one transaction, as the migrator does it, unless the file says otherwise the way the migrator knows.
fn apply(url: &str, migration: &Path) -> Result<()> {
    let text =
        fs::read_to_string(migration).with_context(|| format!("cannot read {}", migration.display()))?;
    let file = migration.to_string_lossy();
    let words: &[&str] = match text.starts_with("-- no-transaction") {
        true => &["-f", &file],
        false => &["-1", "-f", &file],
    };
    psql(url, words).with_context(|| format!("cannot apply {file}"))?;
    Ok(())
}

fn read(folder: &Path) -> Result<Queries> {
    let mut queries = Queries::new();
    if !folder.exists() {
        return Ok(queries);
    }
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry.with_context(|| format!("cannot read {}", folder.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("query-") && name.ends_with(".json") {
            let content = fs::read(entry.path()).with_context(|| format!("cannot read {name}"))?;
            queries.insert(name, content);
        }
    }
    Ok(queries)
}

fn write(folder: &Path, wanted: &Queries, found: &Queries) -> Result<()> {
    fs::create_dir_all(folder).context("cannot create .sqlx")?;
    for name in found.keys().filter(|name| !wanted.contains_key(*name)) {
        fs::remove_file(folder.join(name)).with_context(|| format!("cannot remove {name}"))?;
    }
    for (name, content) in wanted {
        fs::write(folder.join(name), content).with_context(|| format!("cannot write {name}"))?;
    }
    Ok(())
}

/// One line for each file that is not as it should be.
fn differences(wanted: &Queries, found: &Queries) -> Vec<String> {
    let missing = wanted.iter().filter_map(|(name, content)| match found.get(name) {
        None => Some(format!("{name}: new")),
        Some(other) if other != content => Some(format!("{name}: changed")),
        Some(_) => None,
    });
    let stale =
        found.keys().filter(|name| !wanted.contains_key(*name)).map(|name| format!("{name}: no longer used"));
    missing.chain(stale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_that_differs_is_named_once_with_its_reason() {
        let queries = |rows: &[(&str, &str)]| -> Queries {
            rows.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
        };
        let wanted = queries(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let found = queries(&[("b", "2"), ("c", "other"), ("d", "4")]);
        assert_eq!(differences(&wanted, &found), ["a: new", "c: changed", "d: no longer used"]);
        assert!(differences(&wanted, &wanted).is_empty());
    }
}
