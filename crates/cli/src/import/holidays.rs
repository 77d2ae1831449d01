use storage::MarketHoliday;

use super::BadRow;
use super::csv_rows::{self, Format, Row};
use crate::instant;

const FORMAT: Format =
    Format { what: "file of holidays", required: &["exchange", "date"], optional: Some(&["description"]) };

/// Holidays from CSV, each exchange and date once.
pub(super) fn parse(text: &str) -> Result<Vec<MarketHoliday>, Vec<BadRow>> {
    let rows = csv_rows::read(text, &FORMAT, read_holiday)?;
    csv_rows::once(rows, |holiday| (holiday.exchange.clone(), holiday.date), "exchange and date")
}

fn read_holiday(row: &Row<'_>) -> Result<MarketHoliday, String> {
    let exchange = row.required("exchange")?.to_uppercase();
    if !exchange.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err("exchange must be a name such as NSE or MCX".to_owned());
    }
    let date = instant::parse_day(row.required("date")?).ok_or("date must be a date such as 2027-01-26")?;
    Ok(MarketHoliday { exchange, date, description: row.optional("description").map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holidays_are_read_in_any_order_of_columns() {
        let holidays =
            parse("description,date,exchange\nRepublic Day,2027-01-26,nse\n,2027-01-26,MCX\n").unwrap();
        let shown: Vec<_> = (holidays.iter())
            .map(|holiday| {
                (holiday.exchange.as_str(), holiday.date.to_string(), holiday.description.as_deref())
            })
            .collect();
        let date = "2027-01-26".to_owned();
        assert_eq!(shown, [("NSE", date.clone(), Some("Republic Day")), ("MCX", date, None)]);
    }

    #[test]
    fn every_bad_line_is_named_with_its_reason() {
        let bad = parse(
            "exchange,date,description\nNSE,2027-01-26,a\nNSE,26-01-2027,b\n,2027-01-27,c\nN SE,2027-01-28,d\nNSE,2027-02-30,e\n",
        )
        .unwrap_err();
        let lines: Vec<u64> = bad.iter().map(|bad| bad.line).collect();
        assert_eq!(lines, [3, 4, 5, 6]);
        let bad = parse("exchange,date\nNSE,2027-01-26\nNSE\n").unwrap_err();
        assert_eq!((bad[0].line, bad[0].reason.as_str()), (3, "1 columns instead of 2"));
    }

    #[test]
    fn two_names_for_one_day_are_a_bad_row() {
        let bad = parse("exchange,date,description\nNSE,2027-01-26,a\nNSE,2027-01-26,b\n").unwrap_err();
        assert_eq!(bad[0].line, 3);
    }
}
