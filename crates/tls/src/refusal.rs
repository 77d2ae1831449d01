use thiserror::Error;

/// Why there is no TLS with a server, with what to do about it. To try again does not help before somebody has done that.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what}: {mend} ({found})")]
pub struct Refusal {
    what: &'static str,
    mend: &'static str,
    /// What the TLS library or the server said.
    found: String,
}

/// What rustls, sqlx and PostgreSQL say, in which order to look, and what it means.
const MEANINGS: &[(&str, &str, &str)] = &[
    ("invalid peer certificate: UnknownIssuer", STRANGER, SET_AUTHORITY),
    // Of an authority of the same name, such as the one that was there before.
    ("invalid peer certificate: BadSignature", STRANGER, SET_AUTHORITY),
    ("invalid peer certificate: certificate not valid for name", OTHER_HOST, USE_NAME),
    ("invalid peer certificate: NotValidForName", OTHER_HOST, USE_NAME),
    ("invalid peer certificate: certificate expired", "its certificate has expired", "renew it"),
    ("invalid peer certificate: Expired", "its certificate has expired", "renew it"),
    (
        "invalid peer certificate: CaUsedAsEndEntity",
        "it shows an authority's certificate as its own",
        "give the server a certificate that the authority signed",
    ),
    ("invalid peer certificate", "its certificate is not to be trusted", "give the server another one"),
    ("received fatal alert: CertificateRequired", WANTS_CERTIFICATE, SET_CERTIFICATE),
    ("connection requires a valid client certificate", WANTS_CERTIFICATE, SET_CERTIFICATE),
    ("received fatal alert: UnknownCA", REFUSES_CERTIFICATE, CHANGE_CERTIFICATE),
    ("received fatal alert: BadCertificate", REFUSES_CERTIFICATE, CHANGE_CERTIFICATE),
    ("received fatal alert: CertificateUnknown", REFUSES_CERTIFICATE, CHANGE_CERTIFICATE),
    ("received fatal alert: CertificateExpired", REFUSES_CERTIFICATE, CHANGE_CERTIFICATE),
    ("received fatal alert: CertificateRevoked", REFUSES_CERTIFICATE, CHANGE_CERTIFICATE),
    ("received fatal alert: UnsupportedCertificate", REFUSES_CERTIFICATE, CHANGE_CERTIFICATE),
    ("received fatal alert: DecryptError", REFUSES_CERTIFICATE, CHANGE_CERTIFICATE),
    ("received fatal alert: AccessDenied", REFUSES_CERTIFICATE, CHANGE_CERTIFICATE),
    (
        "received fatal alert: HandshakeFailure",
        "it and we have no kind of TLS in common, or it wants a certificate of ours",
        "allow TLS 1.2 or 1.3 there, and set TLS_CLIENT_CERT_FILE and TLS_CLIENT_KEY_FILE",
    ),
    ("received fatal alert: ProtocolVersion", OLD, ALLOW_NEW),
    ("peer is incompatible", OLD, ALLOW_NEW),
    ("received corrupt message of type InvalidContentType", NO_TLS, "name its port for TLS"),
    (
        "server does not support TLS",
        NO_TLS,
        "turn it on there, or say sslmode=disable in DATABASE_URL to do without",
    ),
];

const STRANGER: &str = "its certificate is from an authority that is not trusted";
const SET_AUTHORITY: &str = "set TLS_CA_FILE to that authority's certificate";
const OTHER_HOST: &str = "its certificate is for another host";
const USE_NAME: &str = "connect by a name that the certificate has, or give the server one for this name";
const WANTS_CERTIFICATE: &str = "it wants to see a certificate of ours";
const SET_CERTIFICATE: &str = "set TLS_CLIENT_CERT_FILE and TLS_CLIENT_KEY_FILE";
const REFUSES_CERTIFICATE: &str = "it does not accept our certificate";
const CHANGE_CERTIFICATE: &str = "set TLS_CLIENT_CERT_FILE to one from an authority that the server trusts";
const OLD: &str = "it speaks no TLS that is safe today";
const ALLOW_NEW: &str = "allow TLS 1.2 or 1.3 there";
const NO_TLS: &str = "it does not speak TLS";

/// What an error of a connection says about TLS; `None` when it has another reason.
///
/// By the text, because that is all that some client libraries leave of an error.
pub fn refusal(error: &str) -> Option<Refusal> {
    let (at, what, mend) =
        MEANINGS.iter().find_map(|(said, what, mend)| error.find(said).map(|at| (at, *what, *mend)))?;
    let found = error[at..].lines().next().unwrap_or_default();
    Some(Refusal { what, mend, found: found.to_owned() })
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::{ServerName, UnixTime};
    use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

    use super::*;

    fn meaning(error: impl std::fmt::Display) -> (&'static str, &'static str) {
        let refusal = refusal(&format!("IO error: {error}")).expect("a refusal");
        (refusal.what, refusal.mend)
    }

    #[test]
    fn what_rustls_says_is_understood() {
        let certificate = |error| meaning(Error::InvalidCertificate(error)).0;
        assert!(certificate(CertificateError::UnknownIssuer).contains("not trusted"));
        let name = CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("mq.example").unwrap(),
            presented: vec!["DnsName(\"a\")".to_owned()],
        };
        assert!(certificate(name).contains("another host"));
        assert!(certificate(CertificateError::NotValidForName).contains("another host"));
        let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(9));
        assert!(certificate(CertificateError::ExpiredContext { time, not_after: time }).contains("expired"));
        assert!(certificate(CertificateError::Expired).contains("expired"));
        assert!(certificate(CertificateError::BadSignature).contains("not trusted"));
        assert!(certificate(CertificateError::BadEncoding).contains("not to be trusted"));
        let alert = |alert| meaning(Error::AlertReceived(alert));
        assert_eq!(alert(AlertDescription::CertificateRequired), (WANTS_CERTIFICATE, SET_CERTIFICATE));
        assert_eq!(alert(AlertDescription::UnknownCA), (REFUSES_CERTIFICATE, CHANGE_CERTIFICATE));
        assert_eq!(meaning(Error::InvalidMessage(InvalidMessage::InvalidContentType)).0, NO_TLS);
    }

    #[test]
    fn the_text_says_what_to_do_and_what_was_found() {
        let text = refusal("IO error: invalid peer certificate: UnknownIssuer").unwrap().to_string();
        assert_eq!(
            text,
            "its certificate is from an authority that is not trusted: set TLS_CA_FILE to that authority's certificate \
             (invalid peer certificate: UnknownIssuer)"
        );
    }

    #[test]
    fn an_error_of_another_kind_is_no_refusal() {
        for error in
            ["IO error: connection refused", "no answer within 5s", "received fatal alert: CloseNotify"]
        {
            assert_eq!(refusal(error), None);
        }
    }
}
