use serde_json::{Value, json};

/// What was looked at, what it is like, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// A stable name: scripts know it by that.
    pub(super) check: String,
    pub(super) status: Status,
    pub(super) finding: String,
    /// `None` where there is nothing to do.
    pub(super) mend: Option<String>,
}

/// How bad it is. Serious: jobs are not done, or may be lost. Warning: they may be, after something else has gone wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    Warning,
    Serious,
}

impl Status {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Serious => "serious",
        }
    }
}

impl Finding {
    pub(super) fn ok(check: impl Into<String>, finding: impl Into<String>) -> Self {
        Self { check: check.into(), status: Status::Ok, finding: finding.into(), mend: None }
    }

    pub(super) fn warning(
        check: impl Into<String>,
        finding: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        let (check, finding) = (check.into(), finding.into());
        Self { check, status: Status::Warning, finding, mend: Some(mend.into()) }
    }

    pub(super) fn serious(
        check: impl Into<String>,
        finding: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { status: Status::Serious, ..Self::warning(check, finding, mend) }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({"check": self.check, "status": self.status.as_str(), "finding": self.finding, "mend": self.mend})
    }
}
