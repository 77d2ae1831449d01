use std::fmt;

use secrecy::SecretString;
use url::Url;

use crate::Gate;

/// What it takes to read one account at its brokerage. `Debug` shows no secret.
#[derive(Clone)]
pub struct Access {
    /// Where the brokerage answers, as [`Kind::check_base_url`](crate::Kind::check_base_url) returned it.
    pub base_url: Url,
    /// The account by our own name; AutoTrader Web is asked for it, others do not see it.
    pub pseudo_account: String,
    /// The API key; empty where the brokerage needs none.
    pub api_key: SecretString,
    /// The access token of today's login; empty where the brokerage needs none.
    pub access_token: SecretString,
    /// What every request passes right before it is sent.
    pub gate: Gate,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("base_url", &self.base_url.as_str())
            .field("pseudo_account", &self.pseudo_account)
            .finish_non_exhaustive()
    }
}
