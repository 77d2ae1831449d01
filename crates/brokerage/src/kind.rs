use std::time::Duration;

use url::Url;

use crate::autotrader::AutoTrader;
use crate::kite::Kite;
use crate::paper::Paper;
use crate::{
    Access, Brokerage, BrokerageError, Capabilities, Http, Limit, Scope, autotrader, base_url, kite, paper,
};

/// The kinds of brokerage there is a client for. A new client is named here and nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Zerodha's Kite Connect v3.
    Kite,
    /// AutoTrader Web by Stocks Developer, which stands before many brokerages.
    AutoTrader,
    /// A file with made-up answers, for demonstrations and tests.
    Paper,
}

/// The secrets a brokerage asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Login {
    /// It wants an API key.
    pub api_key: bool,
    /// It wants an access token.
    pub access_token: bool,
}

const KITE: &[Limit] =
    &[Limit { name: "second", requests: 10, window: Duration::from_secs(1), scope: Scope::ApiKey }];

/// What the client libraries and the documentation name; a newer page allows more.
const AUTOTRADER: &[Limit] = &[
    Limit { name: "account-burst", requests: 60, window: Duration::from_secs(5), scope: Scope::Account },
    Limit { name: "account", requests: 300, window: Duration::from_secs(300), scope: Scope::Account },
    Limit { name: "minute", requests: 600, window: Duration::from_secs(60), scope: Scope::ApiKey },
];

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Kite, Self::AutoTrader, Self::Paper];

    /// The kind named by its word; `None` for any other text.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Its word on the command line and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kite => kite::NAME,
            Self::AutoTrader => autotrader::NAME,
            Self::Paper => paper::NAME,
        }
    }

    /// Where the real one answers; `None` where there is no such place.
    pub fn default_base_url(self) -> Option<&'static str> {
        match self {
            Self::Kite => Some(kite::BASE_URL),
            Self::AutoTrader => Some(autotrader::BASE_URL),
            Self::Paper => None,
        }
    }

    /// The secrets it asks for.
    pub fn needs(self) -> Login {
        match self {
            Self::Kite => Login { api_key: true, access_token: true },
            Self::AutoTrader => Login { api_key: true, access_token: false },
            Self::Paper => Login { api_key: false, access_token: false },
        }
    }

    /// What it offers.
    pub fn capabilities(self) -> Capabilities {
        match self {
            Self::Kite => kite::CAPABILITIES,
            Self::AutoTrader => autotrader::CAPABILITIES,
            Self::Paper => paper::CAPABILITIES,
        }
    }

    /// How often it may be asked; whoever makes its [`Gate`](crate::Gate) keeps to all of them at once.
    pub fn limits(self) -> &'static [Limit] {
        match self {
            Self::Kite => KITE,
            Self::AutoTrader => AUTOTRADER,
            Self::Paper => &[],
        }
    }

    /// The base URL as it is to be kept.
    ///
    /// # Errors
    ///
    /// [`BrokerageError::Rejected`] saying what to change: an API is at plain `http(s)://host[:port][/path]`, a paper
    /// book at `file:///absolute/path`.
    pub fn check_base_url(&self, text: &str) -> Result<Url, BrokerageError> {
        match self.default_base_url() {
            Some(example) => base_url::http(text, example),
            None => base_url::file(text),
        }
    }

    /// The client of one account. Nothing is sent or opened yet. Blanks around key and token are dropped.
    ///
    /// `http` may be left out for a kind that sends nothing ([`Kind::Paper`]).
    ///
    /// # Errors
    ///
    /// [`BrokerageError::Rejected`] for a base URL or an account name that cannot be used,
    /// [`BrokerageError::Auth`] for a key or token that is empty or cannot be sent in a header,
    /// [`BrokerageError::Transient`] where `http` is wanting.
    pub fn open(self, http: Option<&Http>, access: Access) -> Result<Box<dyn Brokerage>, BrokerageError> {
        let http =
            || http.cloned().ok_or_else(|| BrokerageError::transient("no HTTP client: TLS is not set up"));
        Ok(match self {
            Self::Kite => Box::new(Kite::new(http()?, access)?),
            Self::AutoTrader => Box::new(AutoTrader::new(http()?, access)?),
            Self::Paper => Box::new(Paper::new(access)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Gate;

    fn access(base_url: &str) -> Access {
        Access {
            base_url: base_url.parse().unwrap(),
            pseudo_account: "Raghu".to_owned(),
            api_key: "s3cr3t-key".into(),
            access_token: "s3cr3t-token".into(),
            gate: Gate::open(),
        }
    }

    #[test]
    fn every_kind_is_found_by_its_word_and_no_other_text_is() {
        assert_eq!(Kind::ALL.map(Kind::as_str), ["kite", "autotrader", "paper"]);
        assert_eq!(Kind::ALL.map(|kind| Kind::parse(kind.as_str())), Kind::ALL.map(Some));
        for text in ["", "Kite", "kite ", "zerodha"] {
            assert_eq!(Kind::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_default_base_url_of_a_kind_is_one_it_accepts() {
        for kind in Kind::ALL {
            if let Some(url) = kind.default_base_url() {
                assert_eq!(kind.check_base_url(url).unwrap(), url.parse().unwrap());
            }
        }
        let example = Kind::AutoTrader.check_base_url("apix").unwrap_err().to_string();
        assert!(example.ends_with("write it like https://apix.stocksdeveloper.in"), "{example}");
        assert!(Kind::Paper.check_base_url("file:///tmp/book.json").is_ok());
        assert!(Kind::Paper.check_base_url("https://api.kite.trade").is_err());
        assert!(Kind::Kite.check_base_url("file:///tmp/book.json").is_err());
    }

    #[test]
    fn one_whole_look_never_exceeds_a_limit_of_its_kind() {
        for kind in Kind::ALL {
            for limit in kind.limits() {
                // A second try for each of them, too.
                assert!(2 * kind.capabilities().requests() <= limit.requests, "{kind:?} {limit:?}");
            }
        }
    }

    #[test]
    fn a_client_tells_the_name_and_the_capabilities_of_its_kind() {
        let http = crate::tests::http(crate::Timeouts::default());
        for kind in Kind::ALL {
            let base_url = kind.default_base_url().unwrap_or("file:///tmp/book.json");
            let brokerage = kind.open(Some(&http), access(base_url)).unwrap();
            assert_eq!(brokerage.name(), kind.as_str());
            assert_eq!(brokerage.capabilities(), kind.capabilities());
        }
    }

    #[test]
    fn only_paper_opens_without_an_http_client() {
        assert!(Kind::Paper.open(None, access("file:///tmp/book.json")).is_ok());
        for kind in [Kind::Kite, Kind::AutoTrader] {
            let error = kind.open(None, access("http://h/")).err().unwrap();
            assert_eq!(error.to_string(), "brokerage unavailable: no HTTP client: TLS is not set up");
        }
    }

    #[test]
    fn an_unusable_login_or_address_is_told_before_anything_is_sent() {
        let http = crate::tests::http(crate::Timeouts::default());
        for kind in [Kind::Kite, Kind::AutoTrader] {
            for key in ["", " ", "two\nlines", "k\u{0}"] {
                let access = Access { api_key: key.into(), ..access("http://h/") };
                let error = kind.open(Some(&http), access).err().unwrap();
                assert!(matches!(error, BrokerageError::Auth { .. }), "{kind:?} {key:?}: {error}");
            }
            for base_url in ["http://u:p@h/", "file:///tmp/book.json"] {
                let error = kind.open(Some(&http), access(base_url)).err().unwrap();
                assert!(matches!(error, BrokerageError::Rejected { .. }), "{kind:?} {base_url}: {error}");
            }
            let padded =
                Access { api_key: "key\n".into(), access_token: " t ".into(), ..access("http://h/") };
            assert!(kind.open(Some(&http), padded).is_ok());
        }
        let without_token = Access { access_token: "".into(), ..access("http://h/") };
        assert!(Kind::Kite.open(Some(&http), without_token.clone()).is_err());
        assert!(Kind::AutoTrader.open(Some(&http), without_token).is_ok());
        let nameless = Access { pseudo_account: " ".to_owned(), ..access("http://h/") };
        assert!(Kind::AutoTrader.open(Some(&http), nameless).is_err());
        assert!(Kind::Paper.open(None, access("http://h/")).is_err());
    }

    #[test]
    fn access_shows_no_secret() {
        let debug = format!("{:?}", access("http://h/"));
        assert!(
            debug.contains("http://h/") && debug.contains("Raghu") && !debug.contains("s3cr3t"),
            "{debug}"
        );
    }
}
