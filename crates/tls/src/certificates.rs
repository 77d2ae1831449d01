use std::fmt;
use std::sync::Arc;

use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

/// The authorities that may vouch for a server, and our own certificate for servers that ask for one. Cheap to clone.
///
/// The default is the machine's authorities and no certificate. `Debug` shows which of them are there, never a key.
#[derive(Clone, Default)]
pub struct Certificates {
    authorities: Option<Arc<[u8]>>,
    identity: Option<Arc<Identity>>,
}

struct Identity {
    certificates: Vec<u8>,
    key: Vec<u8>,
}

/// Why certificates cannot be used, by what has to be mended. None repeats what was given.
#[derive(Debug, Error)]
pub enum Unusable {
    /// The file of authorities.
    #[error("{0}")]
    Authorities(String),
    /// The file of our own certificate.
    #[error("{0}")]
    Certificate(String),
    /// The file of its key.
    #[error("{0}")]
    Key(String),
}

impl Certificates {
    /// Trusts these authorities and no others: PEM, one or many.
    ///
    /// # Errors
    /// [`Unusable::Authorities`] when there is no certificate in it, or one that nobody could be checked against.
    pub fn trust(&mut self, pem: Vec<u8>) -> Result<(), Unusable> {
        roots_of(&pem).map_err(Unusable::Authorities)?;
        self.authorities = Some(pem.into());
        Ok(())
    }

    /// Shows a certificate (PEM: ours first, then those between it and its authority) to servers that ask for one, with
    /// its private key (PEM: PKCS#8, PKCS#1 or SEC 1, not encrypted).
    ///
    /// # Errors
    /// [`Unusable::Certificate`], or [`Unusable::Key`] also when the key is another certificate's.
    pub fn show(&mut self, certificates: Vec<u8>, key: Vec<u8>) -> Result<(), Unusable> {
        let chain = certificates_of(&certificates).map_err(Unusable::Certificate)?;
        let private = key_of(&key).map_err(Unusable::Key)?;
        let checked = builder()
            .map_err(|error| Unusable::Certificate(error.to_string()))?
            .with_root_certificates(RootCertStore::empty())
            .with_client_auth_cert(chain, private);
        if let Err(error) = checked {
            return Err(Unusable::Key(format!("it is not the key of the certificate ({error})")));
        }
        self.identity = Some(Arc::new(Identity { certificates, key }));
        Ok(())
    }

    /// The authorities as PEM; none: the machine's own.
    pub fn authorities(&self) -> Option<&[u8]> {
        self.authorities.as_deref()
    }

    /// Our certificate and its key as PEM.
    pub fn identity(&self) -> Option<(&[u8], &[u8])> {
        self.identity.as_deref().map(|identity| (&identity.certificates[..], &identity.key[..]))
    }

    /// What rustls needs to know. Reads the machine's authorities unless others are trusted.
    ///
    /// # Errors
    /// Text when there is no authority at all.
    pub fn client_config(&self) -> Result<ClientConfig, String> {
        let roots = match &self.authorities {
            Some(pem) => roots_of(pem)?,
            None => machine_roots()?,
        };
        let config = builder().map_err(|error| error.to_string())?.with_root_certificates(roots);
        match self.identity() {
            None => Ok(config.with_no_client_auth()),
            Some((certificates, key)) => config
                .with_client_auth_cert(certificates_of(certificates)?, key_of(key)?)
                .map_err(|error| error.to_string()),
        }
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("authorities", &self.authorities.as_ref().map_or("the machine's", |_| "given"))
            .field("identity", &self.identity.as_ref().map_or("none", |_| "given"))
            .finish()
    }
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>;

fn builder() -> Result<Builder, rustls::Error> {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
}

fn machine_roots() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    // Old stores hold certificates that rustls does not take: the others will do.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(
            "this machine knows no certificate authority: install ca-certificates, or set TLS_CA_FILE"
                .to_owned(),
        );
    }
    Ok(roots)
}

fn roots_of(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates_of(pem)? {
        roots.add(certificate).map_err(|error| format!("a certificate in it cannot be used ({error})"))?;
    }
    Ok(roots)
}

fn certificates_of(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| bad_pem(&error))?;
    if certificates.is_empty() {
        return Err("there is no certificate in it: expected PEM, \"-----BEGIN CERTIFICATE-----\"".to_owned());
    }
    Ok(certificates)
}

fn key_of(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        PemError::NoItemsFound => {
            "there is no private key in it: expected PEM, \"-----BEGIN PRIVATE KEY-----\", not encrypted"
                .to_owned()
        }
        error => bad_pem(&error),
    })
}

fn bad_pem(error: &PemError) -> String {
    // Not the error's own text, which may repeat a line of the file, and that may be of a key.
    match error {
        PemError::MissingSectionEnd { .. } => "it is cut off: a section has no end".to_owned(),
        _ => "it is not PEM".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    /// A certificate and its key.
    fn made() -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["a".to_owned()]).unwrap().self_signed(&key).unwrap();
        (certificate.pem().into_bytes(), key.serialize_pem().into_bytes())
    }

    #[test]
    fn authorities_are_taken_one_or_many_and_rubbish_is_refused() {
        let mut certificates = Certificates::default();
        let many = [made().0, made().0].concat();
        certificates.trust(many.clone()).unwrap();
        assert_eq!(certificates.authorities(), Some(&many[..]));
        certificates.client_config().unwrap();
        let cut = many[..many.len() - 30].to_vec();
        let false_der = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
        for (rubbish, said) in [
            (Vec::new(), "there is no certificate in it"),
            (b"nonsense".to_vec(), "there is no certificate in it"),
            (made().1, "there is no certificate in it"),
            (cut, "cut off"),
            (false_der, "cannot be used"),
        ] {
            let error = Certificates::default().trust(rubbish).unwrap_err();
            assert!(matches!(&error, Unusable::Authorities(text) if text.contains(said)), "{error} {said}");
        }
    }

    #[test]
    fn a_certificate_is_taken_with_its_own_key_only() {
        let ((certificate, key), (_, another_key)) = (made(), made());
        let mut certificates = Certificates::default();
        certificates.trust(certificate.clone()).unwrap();
        certificates.show(certificate.clone(), key.clone()).unwrap();
        assert_eq!(certificates.identity(), Some((&certificate[..], &key[..])));
        certificates.client_config().unwrap();
        let error = certificates.show(certificate.clone(), another_key).unwrap_err();
        assert!(matches!(&error, Unusable::Key(text) if text.contains("not the key of")), "{error}");
        let error = certificates.show(certificate.clone(), certificate).unwrap_err();
        assert!(matches!(&error, Unusable::Key(text) if text.contains("no private key")), "{error}");
        let error = certificates.show(key.clone(), key).unwrap_err();
        assert!(matches!(error, Unusable::Certificate(_)), "{error}");
    }

    #[test]
    fn no_key_shows_in_debug_or_in_an_error() {
        let (certificate, key) = made();
        let mut certificates = Certificates::default();
        certificates.show(certificate.clone(), key.clone()).unwrap();
        assert_eq!(
            format!("{certificates:?}"),
            r#"Certificates { authorities: "the machine's", identity: "given" }"#
        );
        let secret = String::from_utf8(key).unwrap().lines().nth(1).unwrap().to_owned();
        let broken = format!("-----BEGIN PRIVATE KEY-----\n{secret}\n{secret}!\n");
        let error = certificates.show(certificate, broken.into_bytes()).unwrap_err();
        assert!(!format!("{error:?} {error}").contains(&secret[..20]), "{error:?}");
    }
}
