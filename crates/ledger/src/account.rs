use std::fmt;

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

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.organization_id, self.pseudo_account)
    }
}
