use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::row::{Row, shown};
use super::table::{self, Ratio};
use crate::workspace::root;

/// The share of a ratio that must be there again.
const KEPT: f64 = 0.8;

/// The last table that was checked in.
pub(crate) fn file() -> PathBuf {
    root().join("tests/BENCHMARKS.md")
}

/// Its ratios.
pub(crate) fn checked_in() -> Result<Vec<Ratio>> {
    let text = fs::read_to_string(file()).with_context(|| format!("cannot read {}", file().display()))?;
    let ratios = table::ratios(&text);
    ensure!(!ratios.is_empty(), "{} has no table with the columns part, against and ratio", file().display());
    Ok(ratios)
}

/// One line for each ratio that is more than a fifth below what it was. What is in one of both only is not compared.
pub(crate) fn fallen(before: &[Ratio], rows: &[Row]) -> Vec<String> {
    let mut lines = Vec::new();
    for row in rows {
        let same = |before: &&Ratio| before.part == row.part && before.against == row.against;
        let Some(before) = before.iter().find(same) else { continue };
        // What is no number has fallen as well.
        if row.ratio.is_nan() || row.ratio < before.ratio * KEPT {
            lines.push(format!(
                "{} against {}: {} where {} was measured before",
                row.part,
                row.against,
                shown(row.ratio),
                shown(before.ratio)
            ));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::pgbench;
    use crate::bench::row::Better;

    fn before(part: &str, against: &str) -> Ratio {
        Ratio { part: part.into(), against: against.into(), ratio: 10.0 }
    }

    fn now(ratio: f64) -> Row {
        Row::within("kill", "s", vec![1.0], ratio)
    }

    #[test]
    fn a_ratio_may_fall_by_a_fifth_and_no_more() {
        let before = [before("kill", "the limit")];
        assert!(fallen(&before, &[now(8.0)]).is_empty());
        assert!(fallen(&before, &[now(20.0)]).is_empty());
        assert_eq!(
            fallen(&before, &[now(7.9)]),
            ["kill against the limit: 7.90 where 10.0 was measured before"]
        );
        assert_eq!(fallen(&before, &[now(f64::NAN)]).len(), 1);
    }

    #[test]
    fn rows_of_one_part_are_told_apart_by_what_they_are_against() {
        let now = |against| {
            Row::versus("sync-unchanged", "accounts/s", Better::More, &[5.0], (against, &[1.0]), None)
        };
        let rows = [now("Celery"), now(pgbench::NAME)];
        let before = [
            Ratio { part: "sync-unchanged".into(), against: "Celery".into(), ratio: 5.0 },
            before("sync-unchanged", pgbench::NAME),
        ];
        let wanted =
            "sync-unchanged against pgbench with the sync's own SQL: 5.00 where 10.0 was measured before";
        assert_eq!(fallen(&before, &rows), [wanted]);
        // Nothing of a name is lost in the file.
        assert_eq!(table::ratios(&table::markdown(&rows))[1].against, pgbench::NAME);
    }

    #[test]
    fn what_was_not_measured_both_times_is_not_compared() {
        assert!(fallen(&[before("kill", "Celery"), before("noop", "the limit")], &[now(0.1)]).is_empty());
    }
}
