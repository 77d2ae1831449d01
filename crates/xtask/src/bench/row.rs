use serde_json::{Value, json};

use super::figures::Figures;
use super::part::Part;

/// Whether much of it is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    More,
    Less,
}

/// One line of the table: a figure of ours, and whatever it is compared with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// The part's name, and where it has several figures, which one.
    pub(crate) part: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: Figures,
    pub(crate) against: String,
    /// The median of the peer, or the limit.
    pub(crate) theirs: f64,
    /// How many times better ours is: above 1 is better, whatever the unit.
    pub(crate) ratio: f64,
    /// The least ratio that is wanted.
    pub(crate) target: Option<f64>,
}

impl Row {
    /// Ours and a peer's, measured in the same rounds: the ratio is the median of those of each round.
    pub(crate) fn versus(
        name: &str,
        unit: &'static str,
        better: Better,
        ours: &[f64],
        (against, theirs): (&str, &[f64]),
        target: Option<f64>,
    ) -> Self {
        let ratios = ours.iter().zip(theirs).map(|(ours, theirs)| better.ratio(*ours, *theirs));
        Self {
            part: name.to_owned(),
            unit,
            ours: Figures::new(ours.to_vec()),
            against: against.to_owned(),
            theirs: Figures::new(theirs.to_vec()).median(),
            ratio: Figures::new(ratios.collect()).median(),
            target,
        }
    }

    /// What must stay below a limit.
    pub(crate) fn within(name: &str, unit: &'static str, ours: Vec<f64>, limit: f64) -> Self {
        let ours = Figures::new(ours);
        let ratio = Better::Less.ratio(ours.median(), limit);
        let (part, against) = (name.to_owned(), "the limit".to_owned());
        Self { part, unit, ours, against, theirs: limit, ratio, target: Some(1.0) }
    }

    pub(crate) fn is_met(&self) -> Option<bool> {
        self.target.map(|target| self.ratio >= target)
    }

    /// In the words of a log.
    pub(crate) fn line(&self) -> String {
        let [unit, against, part] = [self.unit, &self.against, &self.part];
        let [ours, min, max, theirs] =
            [self.ours.median(), self.ours.min(), self.ours.max(), self.theirs].map(shown);
        let target = match (self.target, self.is_met()) {
            (Some(target), Some(true)) => format!(", wanted {}: met", shown(target)),
            (Some(target), _) => format!(", wanted {}: missed", shown(target)),
            _ => String::new(),
        };
        format!(
            "{part}: {ours} {unit} ({min} to {max}); {against} {theirs}; ratio {}{target}",
            shown(self.ratio)
        )
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "part": self.part, "unit": self.unit, "median": self.ours.median(), "min": self.ours.min(),
            "max": self.ours.max(), "against": self.against, "theirs": self.theirs, "ratio": self.ratio,
            "target": self.target, "met": self.is_met(),
        })
    }
}

impl Better {
    fn ratio(self, ours: f64, theirs: f64) -> f64 {
        match self {
            Self::More => ours / theirs,
            Self::Less => theirs / ours,
        }
    }
}

/// The name of a figure of a part that has several.
pub(crate) fn named(part: Part, figure: &str) -> String {
    format!("{} {figure}", part.name())
}

/// A number with three digits, or all before the point.
pub(crate) fn shown(number: f64) -> String {
    let decimals = match number.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    format!("{number:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_of_figures_of_the_same_round() {
        let theirs: (&str, &[f64]) = ("Celery", &[1.0, 10.0, 100.0]);
        let row = Row::versus("x", "a second", Better::More, &[2.0, 30.0, 500.0], theirs, Some(4.0));
        assert_eq!((row.ratio, row.theirs, row.is_met()), (3.0, 10.0, Some(false)));
        let row = Row::versus("x", "s", Better::Less, &[2.0], ("limit", &[4.0]), None);
        assert_eq!((row.ratio, row.is_met()), (2.0, None));
    }

    #[test]
    fn what_is_below_its_limit_has_met_it() {
        assert_eq!(Row::within("x", "MB", vec![31.0], 40.0).is_met(), Some(true));
        assert_eq!(Row::within("x", "MB", vec![41.0], 40.0).is_met(), Some(false));
    }

    #[test]
    fn numbers_are_as_long_as_they_are_exact() {
        assert_eq!([0.123, 5.0, 12.34, 1234.5].map(shown), ["0.12", "5.00", "12.3", "1234"]);
    }
}
