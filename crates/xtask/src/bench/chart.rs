use std::fmt::Write as _;

use super::row::{Row, shown};

const WIDTH: f64 = 900.0;
const LINE: f64 = 26.0;
const TOP: f64 = 56.0;
/// Where bars begin: names are left of it.
const LEFT: f64 = 340.0;
const RIGHT: f64 = 80.0;

/// A bar for each ratio, to the left of 1 where ours is worse, with a mark where it should be; the scale is logarithmic.
pub(crate) fn svg(rows: &[Row]) -> String {
    let ratios = rows.iter().flat_map(|row| [Some(row.ratio), row.target]).flatten();
    let sizes = ratios.filter(|ratio| ratio.is_finite() && *ratio > 0.0).map(|ratio| ratio.log10());
    let (low, high) = sizes.fold((-1.0_f64, 1.0_f64), |(low, high), size| (low.min(size), high.max(size)));
    let (low, high) = (low.floor(), high.ceil());
    let x = |ratio: f64| {
        let size = ratio.max(f64::MIN_POSITIVE).log10().clamp(low, high);
        LEFT + (size - low) / (high - low) * (WIDTH - LEFT - RIGHT)
    };
    let bottom = TOP + LINE * rows.len() as f64;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"12\" y=\"22\" font-size=\"16\">How many times better than what it is compared with</text>\n",
        height = bottom + 30.0
    );
    let mut ten = low;
    while ten <= high {
        let ratio = 10_f64.powf(ten);
        let colour = if ten == 0.0 { "#555" } else { "#ddd" };
        let _ = writeln!(
            text,
            "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{TOP}\" y2=\"{bottom}\" stroke=\"{colour}\"/>\
             <text x=\"{0:.1}\" y=\"{1}\" text-anchor=\"middle\" fill=\"#555\">{ratio}</text>",
            x(ratio),
            TOP - 8.0
        );
        ten += 1.0;
    }
    for (number, row) in rows.iter().enumerate() {
        let y = TOP + LINE * number as f64;
        let (one, end) = (x(1.0), x(row.ratio));
        let colour = match row.is_met() {
            Some(true) => "#2a7",
            Some(false) => "#c43",
            None => "#68a",
        };
        let _ = writeln!(
            text,
            "<text x=\"{0}\" y=\"{1}\" text-anchor=\"end\">{2}</text>\
             <rect x=\"{3:.1}\" y=\"{4}\" width=\"{5:.1}\" height=\"{6}\" fill=\"{colour}\"/>\
             <text x=\"{7:.1}\" y=\"{1}\">{8}</text>",
            LEFT - 10.0,
            y + 17.0,
            escaped(&format!("{} / {}", row.part, row.against)),
            one.min(end),
            y + 4.0,
            (end - one).abs().max(1.0),
            LINE - 8.0,
            one.max(end) + 6.0,
            shown(row.ratio),
        );
        if let Some(target) = row.target {
            let _ = writeln!(
                text,
                "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{1}\" y2=\"{2}\" stroke=\"black\" stroke-width=\"2\"/>",
                x(target),
                y + 1.0,
                y + LINE - 1.0
            );
        }
    }
    text + "</svg>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_bar_within_the_picture() {
        let rows = [10_000.0, 1.0, 0.001, f64::NAN, f64::INFINITY]
            .map(|limit| Row::within("a<b", "s", vec![1.0], limit));
        let text = svg(&rows);
        assert_eq!(text.matches("a&lt;b").count(), rows.len());
        for part in text.split("width=\"").skip(2) {
            let width: f64 = part.split('"').next().and_then(|width| width.parse().ok()).unwrap_or(0.0);
            assert!((0.0..=WIDTH).contains(&width), "{width}");
        }
        assert!(text.ends_with("</svg>\n"));
    }
}
