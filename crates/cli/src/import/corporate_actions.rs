use ledger::{CorporateAction, CorporateActionKind};
use rust_decimal::Decimal;

use super::BadRow;
use super::csv_rows::{self, Format, Row};
use super::orders::decimal_from;
use crate::instant;

const FORMAT: Format = Format {
    what: "file of corporate actions",
    required: &["isin", "kind", "ex_date"],
    optional: Some(&["factor", "new_isin", "cost_fraction"]),
};
/// No ratio of shares is larger, and no inverse smaller; lots stay decimals under any few of them.
const FACTOR_MAX: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);

/// Corporate actions from CSV, each ISIN, kind and ex-date once.
pub(super) fn parse(text: &str) -> Result<Vec<CorporateAction>, Vec<BadRow>> {
    let rows = csv_rows::read(text, &FORMAT, read_action)?;
    let key = |action: &CorporateAction| (action.isin.clone(), action.kind, action.ex_date);
    csv_rows::once(rows, key, "isin, kind and ex_date")
}

fn read_action(row: &Row<'_>) -> Result<CorporateAction, String> {
    let kind = CorporateActionKind::parse(row.required("kind")?)
        .ok_or("kind must be split, bonus, rename, merger or demerger")?;
    let ex_date =
        instant::parse_day(row.required("ex_date")?).ok_or("ex_date must be a date such as 2025-06-12")?;
    let action = CorporateAction {
        isin: isin(row.required("isin")?, "isin")?,
        kind,
        ex_date,
        factor: number(row, "factor")?,
        new_isin: row.optional("new_isin").map(|text| isin(text, "new_isin")).transpose()?,
        cost_fraction: number(row, "cost_fraction")?,
    };
    check(&action)?;
    Ok(action)
}

/// What each kind needs; a number that a kind has no use for is a row in the wrong place.
fn check(action: &CorporateAction) -> Result<(), String> {
    use CorporateActionKind as Kind;
    let kind = action.kind.as_str();
    match (action.kind, action.factor) {
        (Kind::Rename, None) => {}
        (Kind::Rename, Some(factor)) if factor == Decimal::ONE => {}
        (Kind::Rename, Some(_)) => return Err("a rename has no factor; use merger".to_owned()),
        (Kind::Bonus, Some(factor)) if factor <= Decimal::ONE => {
            return Err(
                "the factor of a bonus is new quantity per old one, above 1: a 1:1 bonus is 2".to_owned()
            );
        }
        (_, Some(factor)) if factor > Decimal::ZERO && in_range(factor) => {}
        (_, Some(_)) => return Err(format!("factor must be above 0, from 1/{FACTOR_MAX} to {FACTOR_MAX}")),
        (_, None) => return Err(format!("factor is empty: a {kind} needs it")),
    }
    match (action.kind, &action.new_isin) {
        (_, Some(new_isin)) if *new_isin == action.isin => {
            return Err("new_isin is the same as isin".to_owned());
        }
        (Kind::Rename | Kind::Merger | Kind::Demerger, None) => {
            return Err(format!("new_isin is empty: a {kind} needs it"));
        }
        _ => {}
    }
    match (action.kind, action.cost_fraction) {
        (Kind::Demerger, None) => Err("cost_fraction is empty: a demerger needs it".to_owned()),
        (Kind::Demerger, Some(fraction)) if !(Decimal::ZERO..=Decimal::ONE).contains(&fraction) => {
            Err("cost_fraction must be from 0 to 1: the part of the cost that moves to the child".to_owned())
        }
        (Kind::Demerger, Some(_)) | (_, None) => Ok(()),
        (_, Some(fraction)) if fraction.is_zero() => Ok(()),
        (_, Some(_)) => Err("only a demerger has a cost_fraction".to_owned()),
    }
}

fn in_range(factor: Decimal) -> bool {
    factor <= FACTOR_MAX && factor.checked_mul(FACTOR_MAX).is_some_and(|inverse| inverse >= Decimal::ONE)
}

/// ISINs are compared letter by letter, so their spelling is made one.
fn isin(text: &str, name: &str) -> Result<String, String> {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(text.to_ascii_uppercase());
    }
    Err(format!("{name} must be letters and digits such as INE062A01020"))
}

fn number(row: &Row<'_>, name: &str) -> Result<Option<Decimal>, String> {
    let Some(text) = row.optional(name) else { return Ok(None) };
    let number = decimal_from(text).ok_or_else(|| format!("{name} must be a number"))?;
    Ok(Some(number.normalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rows: &[&str]) -> Result<Vec<CorporateAction>, Vec<BadRow>> {
        parse(&[&["isin,kind,ex_date,factor,new_isin,cost_fraction"], rows].concat().join("\n"))
    }

    fn reason(row: &str) -> String {
        let mut bad = read(&[row]).unwrap_err();
        assert_eq!((bad.len(), bad[0].line), (1, 2), "{row}");
        bad.remove(0).reason
    }

    #[test]
    fn every_kind_is_read() {
        let actions = read(&[
            "INE062A01020,split,2025-06-12,10,,",
            "INE062A01020,BONUS,2025-06-12,1.5,INE062A01038,",
            "ine062a01020,rename,2025-06-13,,INE062A01046,",
            "INE062A01046,merger,2025-06-14,0.25,INE001A01036,",
            "INE002A01018,demerger,2023-07-20,1,INE758E01017,0.0468",
        ])
        .unwrap();
        assert_eq!(actions.len(), 5);
        assert_eq!(actions[1].factor, Some(Decimal::new(15, 1)));
        assert_eq!((actions[2].isin.as_str(), actions[2].factor), ("INE062A01020", None));
        assert_eq!(actions[4].cost_fraction, Some(Decimal::new(468, 4)));
    }

    #[test]
    fn each_kind_must_have_what_it_needs() {
        for (row, word) in [
            ("INE062A01020,buyback,2025-06-12,1,,", "kind"),
            ("INE062A01020,split,12-06-2025,10,,", "ex_date"),
            ("INE062A01020,split,2025-06-12,,,", "factor"),
            ("INE062A01020,split,2025-06-12,0,,", "factor"),
            ("INE062A01020,split,2025-06-12,-2,,", "factor"),
            ("INE062A01020,split,2025-06-12,two,,", "factor"),
            ("INE062A01020,split,2025-06-12,1000001,,", "factor"),
            ("INE062A01020,split,2025-06-12,0.0000001,,", "factor"),
            ("INE062A01020,bonus,2025-06-12,1,,", "1:1"),
            ("INE062A01020,split,2025-06-12,10,,0.5", "cost_fraction"),
            ("INE062A01020,rename,2025-06-12,,,", "new_isin"),
            ("INE062A01020,rename,2025-06-12,2,INE062A01046,", "factor"),
            ("INE062A01020,rename,2025-06-12,,INE062A01020,", "same"),
            ("INE062A01020,merger,2025-06-12,0.5,,", "new_isin"),
            ("INE062A01020,merger,2025-06-12,,INE062A01046,", "factor"),
            ("INE062A01020,demerger,2025-06-12,1,INE062A01046,", "cost_fraction"),
            ("INE062A01020,demerger,2025-06-12,1,INE062A01046,1.01", "cost_fraction"),
            ("INE062A01020,demerger,2025-06-12,1,INE062A01046,-0.1", "cost_fraction"),
            ("INE062A01020,demerger,2025-06-12,1,,0.1", "new_isin"),
            (",split,2025-06-12,10,,", "isin"),
            ("INE 062,split,2025-06-12,10,,", "isin"),
        ] {
            assert!(reason(row).contains(word), "{row}: {}", reason(row));
        }
    }

    #[test]
    fn a_consolidation_and_the_ends_of_the_ranges_are_legal() {
        let rows = [
            "INE062A01020,split,2025-06-12,0.000001,,",
            "INE062A01020,split,2025-06-13,1000000,,0",
            "INE062A01020,demerger,2025-06-12,1,INE062A01046,0",
            "INE062A01020,demerger,2025-06-13,1,INE062A01046,1",
            "INE062A01020,rename,2025-06-12,1,INE062A01046,",
        ];
        assert_eq!(read(&rows).unwrap().len(), rows.len());
    }

    #[test]
    fn an_action_that_is_said_twice_is_one_and_one_said_otherwise_is_bad() {
        let twice = ["INE062A01020,split,2025-06-12,10,,", "INE062A01020,split,2025-06-12,10.0,,"];
        assert_eq!(read(&twice).unwrap().len(), 1);
        let otherwise = ["INE062A01020,split,2025-06-12,10,,", "INE062A01020,split,2025-06-12,5,,"];
        let bad = read(&otherwise).unwrap_err();
        assert_eq!(bad[0].line, 3);
        assert!(bad[0].reason.contains("line 2"), "{}", bad[0].reason);
    }
}
