use rust_decimal::Decimal;
use serde::Serialize;

/// What speaks for strategies when an order placed elsewhere is to be assigned to one: each list without repetitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Strategies that hold the order's instrument.
    pub holding: Vec<String>,
    /// Strategies with orders in it of late.
    pub recent: Vec<String>,
    /// The account's active strategies.
    pub active: Vec<String>,
}

/// The strategy of an order that was placed elsewhere, and why it is taken for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Assignment {
    /// The strategy.
    pub strategy_id: String,
    /// Why.
    pub method: AssignmentMethod,
    /// From 0 to 1: how often such a guess is right, by order of magnitude.
    pub confidence: Decimal,
}

/// Why an order is taken for a strategy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AssignmentMethod {
    /// It is the only one that holds the instrument.
    Position,
    /// It is the only one that traded the instrument of late.
    RecentOrders,
    /// It is the account's only active one.
    SingleActive,
}

impl AssignmentMethod {
    /// The word stored in `orders.strategy_method`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Position => "position",
            Self::RecentOrders => "recent_orders",
            Self::SingleActive => "single_active",
        }
    }

    fn confidence(self) -> Decimal {
        match self {
            Self::Position => Decimal::new(9, 1),
            Self::RecentOrders => Decimal::new(7, 1),
            Self::SingleActive => Decimal::new(5, 1),
        }
    }
}

/// Assigns an order to a strategy, or to none where the evidence names several or nobody: a wrong guess moves money
/// between strategies, none waits for a person.
///
/// The strongest evidence there is decides alone: who holds the instrument, else who traded it of late, else who is
/// active at all.
pub fn assign(evidence: &Evidence) -> Option<Assignment> {
    let (candidates, method) = [
        (&evidence.holding, AssignmentMethod::Position),
        (&evidence.recent, AssignmentMethod::RecentOrders),
        (&evidence.active, AssignmentMethod::SingleActive),
    ]
    .into_iter()
    .find(|(candidates, _)| !candidates.is_empty())?;
    match candidates.as_slice() {
        [only] => Some(Assignment { strategy_id: only.clone(), method, confidence: method.confidence() }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method_of(holding: &[&str], recent: &[&str], active: &[&str]) -> Option<(String, &'static str)> {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let evidence = Evidence { holding: list(holding), recent: list(recent), active: list(active) };
        assign(&evidence).map(|found| (found.strategy_id, found.method.as_str()))
    }

    #[test]
    fn the_strongest_evidence_decides_alone() {
        let is = |name: &str, method| Some((name.to_owned(), method));
        assert_eq!(method_of(&["a"], &["b"], &["c"]), is("a", "position"));
        assert_eq!(method_of(&[], &["b"], &["c"]), is("b", "recent_orders"));
        assert_eq!(method_of(&[], &[], &["c"]), is("c", "single_active"));
    }

    #[test]
    fn several_candidates_are_none() {
        assert_eq!(method_of(&["a", "b"], &["b"], &["b"]), None, "weaker evidence does not settle it");
        assert_eq!(method_of(&[], &["a", "b"], &["a"]), None);
        assert_eq!(method_of(&[], &[], &["a", "b"]), None);
        assert_eq!(method_of(&[], &[], &[]), None);
    }
}
