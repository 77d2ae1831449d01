//! How a connection is encrypted: `sslmode` and its like in the URL come first, then the settings.

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tls::Certificates;

/// Adds the certificates where the URL does not say its own (`sslrootcert`, `sslcert`, `sslkey`).
///
/// Whoever names an authority wants the server checked by it. So then a URL without `sslmode` means `verify-full`, and
/// `require` means `verify-ca` as it does to libpq (<https://www.postgresql.org/docs/current/libpq-ssl.html>). The
/// authorities are trusted beside the machine's own, because sqlx knows no other way. A socket needs none of it.
pub(crate) fn apply(
    mut options: PgConnectOptions,
    url: &str,
    certificates: &Certificates,
) -> PgConnectOptions {
    if options.get_socket().is_some() {
        return options;
    }
    if let Some(authorities) = certificates.authorities() {
        options = match options.get_ssl_mode() {
            PgSslMode::Prefer if !says(url, &["sslmode", "ssl-mode"]) => {
                options.ssl_mode(PgSslMode::VerifyFull)
            }
            PgSslMode::Require => options.ssl_mode(PgSslMode::VerifyCa),
            _ => options,
        };
        if !says(url, &["sslrootcert", "ssl-root-cert", "ssl-ca"]) {
            options = options.ssl_root_cert_from_pem(authorities.to_vec());
        }
    }
    if let Some((certificates, key)) = certificates.identity()
        && !says(url, &["sslcert", "ssl-cert"])
    {
        options = options.ssl_client_cert_from_pem(certificates).ssl_client_key_from_pem(key);
    }
    options
}

/// Whether the URL has one of the parameters.
fn says(url: &str, names: &[&str]) -> bool {
    let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
    parameters.split('&').any(|parameter| {
        let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
        names.contains(&name)
    })
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    /// The mode of a URL with an authority in the settings, or without one.
    fn mode(url: &str, has_authority: bool) -> PgSslMode {
        let mut certificates = Certificates::default();
        if has_authority {
            let key = KeyPair::generate().unwrap();
            let made = CertificateParams::new(vec!["a".to_owned()]).unwrap().self_signed(&key).unwrap();
            certificates.trust(made.pem().into_bytes()).unwrap();
        }
        apply(PgConnectOptions::from_str(url).unwrap(), url, &certificates).get_ssl_mode()
    }

    #[test]
    fn whoever_names_an_authority_has_the_server_checked_by_it() {
        for (parameters, expected) in [
            ("", PgSslMode::VerifyFull),
            ("?application_name=sslmode", PgSslMode::VerifyFull),
            ("?sslmode=require", PgSslMode::VerifyCa),
            ("?sslmode=verify-ca", PgSslMode::VerifyCa),
            ("?sslmode=verify-full", PgSslMode::VerifyFull),
            ("?sslmode=prefer", PgSslMode::Prefer),
            ("?connect_timeout=5&sslmode=disable", PgSslMode::Disable),
        ] {
            let found = mode(&format!("postgres://u@h/db{parameters}"), true);
            assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{parameters}");
        }
        assert!(matches!(mode("postgres://u@h/db", false), PgSslMode::Prefer));
        assert!(matches!(mode("postgres://u@%2Frun/db", true), PgSslMode::Prefer));
    }
}
