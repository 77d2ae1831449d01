use std::fmt;

/// How far a figure may be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Basis {
    /// Seen on a machine; the figure says which and when.
    Measured,
    /// Follows from rows, keys or messages, or from a measured figure by a share; the figure says how. Not measured.
    Computed,
    /// A limit of our programs, as their code says.
    Coded,
    /// A rule of thumb, or how a planner wants it.
    Chosen,
}

/// A number that plans are made of, and where it is from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figure {
    pub(crate) value: f64,
    pub(crate) basis: Basis,
    /// How it was measured, its formula, or why it was chosen.
    pub(crate) how: &'static str,
}

impl Figure {
    pub(crate) const fn measured(value: f64, how: &'static str) -> Self {
        Self { value, basis: Basis::Measured, how }
    }

    pub(crate) const fn computed(value: f64, how: &'static str) -> Self {
        Self { value, basis: Basis::Computed, how }
    }

    pub(crate) const fn coded(value: f64, how: &'static str) -> Self {
        Self { value, basis: Basis::Coded, how }
    }

    pub(crate) const fn chosen(value: f64, how: &'static str) -> Self {
        Self { value, basis: Basis::Chosen, how }
    }
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Measured => "measured",
            Self::Computed => "computed, not measured",
            Self::Coded => "in the code",
            Self::Chosen => "chosen",
        })
    }
}
