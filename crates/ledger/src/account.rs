use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

/// One broker account of one organization: the unit of a sync.
///
/// Both parts are free text chosen by people: dots, blanks, quotes and any script are legal, so every
/// consumer escapes them for its own medium (routing keys, SQL parameters, Redis keys).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Account {
    /// The organization that owns the account.
    pub organization_id: String,
    /// The account's name inside the organization.
    pub pseudo_account: String,
}

impl Account {
    /// An account by its two names.
    pub fn new(organization_id: impl Into<String>, pseudo_account: impl Into<String>) -> Self {
        Self { organization_id: organization_id.into(), pseudo_account: pseudo_account.into() }
    }
}

/// For people and logs: a control character of a name is written as an escape, so that no name forges a line.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.organization_id.chars().chain(['/']).chain(self.pseudo_account.chars()) {
            match character.is_control() {
                true => write!(f, "{}", character.escape_default())?,
                false => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shown_as_it_is_but_on_one_line() {
        assert_eq!(Account::new("org", "é \"x\"").to_string(), "org/é \"x\"");
        assert_eq!(Account::new("o", "a\nERROR\u{1b}[31m").to_string(), "o/a\\nERROR\\u{1b}[31m");
    }
}
