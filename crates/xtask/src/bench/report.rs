use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::row::Row;
use super::stage::{Stage, folder};
use super::{Arguments, chart, check, machine, table};

const HEAD: &str = "# Benchmarks

The last table of `cargo xtask bench --write`. Every figure is the median of rounds in which the contenders took turns, on the
same private servers, after one round that is not counted: persistent messages, quorum queues, confirms and manual acks,
PostgreSQL with fsync. *Ratio* says how many times better syncfleet is than what it is compared with, whatever the unit: the
median of the ratios of each round, or the limit by the median. `cargo xtask bench --check` fails when one has fallen by more
than a fifth.
";

/// Writes the table, the chart and the same in JSON to `target/bench`, prints the table, and where it is asked for writes
/// the file that is checked in.
pub(crate) fn write(stage: &Stage, arguments: &Arguments, rows: &[Row]) -> Result<()> {
    let facts = machine::facts(stage)?;
    let command = command(arguments);
    let measured = table::markdown(rows);
    print!("\n{measured}");
    save("table.md", &page(&command, &facts, &measured))?;
    save("chart.svg", &chart::svg(rows))?;
    let facts_json: serde_json::Map<String, Value> =
        facts.iter().map(|(what, which)| ((*what).to_owned(), json!(which))).collect();
    let rows_json: Vec<Value> = rows.iter().map(Row::json).collect();
    save(
        "table.json",
        &format!("{:#}\n", json!({"command": command, "with": facts_json, "rows": rows_json})),
    )?;
    println!("\nthe table and its chart are in {}", folder().display());
    if arguments.write {
        let file = check::file();
        let before = fs::read_to_string(&file).unwrap_or_default();
        fs::write(&file, page(&command, &facts, &merged(&before, rows)))
            .with_context(|| format!("cannot write {}", file.display()))?;
        println!("written: {}", file.display());
    }
    Ok(())
}

/// The new rows in place of those of the same parts, and the others as they were.
fn merged(before: &str, rows: &[Row]) -> String {
    let part = |name: &str| name.split(' ').next().unwrap_or_default().to_owned();
    let new: BTreeSet<String> = rows.iter().map(|row| part(&row.part)).collect();
    let is_kept = |line: &&str| {
        let name = line.trim_start_matches("| ").split(" | ").next().unwrap_or_default();
        table::ratios(&[table::head().join("\n").as_str(), line].join("\n")).len() == 1
            && !new.contains(&part(name))
    };
    let kept = before.lines().filter(is_kept).map(str::to_owned);
    let mut lines: Vec<String> = kept.chain(rows.iter().map(table::line)).collect();
    // In the order of the parts; those of one part stay as they are.
    lines.sort_by_key(|line| {
        let name = line.trim_start_matches("| ").split(" | ").next().map(part).unwrap_or_default();
        super::part::place(&name)
    });
    let mut all = table::head();
    all.extend(lines);
    all.join("\n") + "\n"
}

fn page(command: &str, facts: &[(&str, String)], table: &str) -> String {
    let mut text = format!("{HEAD}\n```sh\n{command}\n```\n\n{table}\n");
    for (what, which) in facts {
        let _ = writeln!(text, "- {what}: {which}");
    }
    text
}

/// How this was called.
fn command(arguments: &Arguments) -> String {
    let mut command = "cargo xtask bench".to_owned();
    if arguments.quick {
        command += " --quick";
    }
    if !arguments.only.is_empty() {
        let names: Vec<&str> = arguments.only.iter().map(|part| part.name()).collect();
        command += &format!(" --only {}", names.join(","));
    }
    for (flag, is_given) in [(" --check", arguments.check), (" --write", arguments.write)] {
        command += if is_given { flag } else { "" };
    }
    command
}

fn save(name: &str, text: &str) -> Result<()> {
    fs::create_dir_all(folder()).context("cannot create target/bench")?;
    fs::write(folder().join(name), text).with_context(|| format!("cannot write target/bench/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::table::ratios;

    fn row(part: &str, limit: f64) -> Row {
        Row::within(part, "s", vec![1.0], limit)
    }

    #[test]
    fn rows_of_other_parts_stay_and_all_are_in_order() {
        let before = page(
            "x",
            &[("machine", "| 2 | cores".to_owned())],
            &table::markdown(&[row("sync-force", 1.0), row("sync-long", 2.0)]),
        );
        let text = merged(&before, &[row("sync-unchanged", 3.0), row("sync-force", 4.0)]);
        let found: Vec<(String, f64)> = ratios(&text).into_iter().map(|row| (row.part, row.ratio)).collect();
        let wanted = [("sync-force", 4.0), ("sync-unchanged", 3.0), ("sync-long", 2.0)];
        assert_eq!(found, wanted.map(|(part, ratio)| (part.to_owned(), ratio)));
    }

    #[test]
    fn a_page_has_the_table_that_it_was_made_of() {
        let text = page("x", &[("machine", "2 cores".to_owned())], &table::markdown(&[row("kill", 2.0)]));
        assert_eq!(ratios(&text).len(), 1);
        assert!(text.ends_with("- machine: 2 cores\n"));
    }
}
