//! A certificate authority of one test's own.

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use crate::Error;
use crate::account::Account;
use crate::name::unique;
use crate::server::Server;

/// Where our servers listen; they have certificates for this address and for no name, `localhost` neither.
const ADDRESS: &str = "127.0.0.1";

/// An authority that nobody knows; it signs certificates for servers and for those who connect to them.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key and the authority behind it, as PEM. Fit for a server of ours and for its clients.
#[derive(Debug, Clone)]
pub struct Certified {
    /// The certificate.
    pub certificate: String,
    /// Its private key, PKCS#8.
    pub key: String,
    /// The authority's certificate.
    pub authority: String,
}

impl Authority {
    /// A new one, in a millisecond.
    pub fn new() -> Result<Self, Error> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, format!("testbed {}", unique()));
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(unusable)?;
        Ok(Self { issuer: CertifiedIssuer::self_signed(parameters, key).map_err(unusable)? })
    }

    /// Its certificate as PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Signs a certificate for 127.0.0.1.
    pub fn certify(&self) -> Result<Certified, Error> {
        self.sign(CertificateParams::new(vec![ADDRESS.to_owned()]).map_err(unusable)?)
    }

    /// As [`Authority::certify`], but the certificate has been out of date for years.
    pub fn certify_expired(&self) -> Result<Certified, Error> {
        let mut parameters = CertificateParams::new(vec![ADDRESS.to_owned()]).map_err(unusable)?;
        parameters.not_before = date_time_ymd(2019, 1, 1);
        parameters.not_after = date_time_ymd(2020, 1, 1);
        self.sign(parameters)
    }

    fn sign(&self, mut parameters: CertificateParams) -> Result<Certified, Error> {
        parameters.distinguished_name.push(DnType::CommonName, "syncfleet");
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().map_err(unusable)?;
        let certificate = parameters.signed_by(&key, &self.issuer).map_err(unusable)?;
        Ok(Certified { certificate: certificate.pem(), key: key.serialize_pem(), authority: self.pem() })
    }
}

/// The files of a server's certificate.
pub(crate) struct Files {
    pub(crate) authority: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certified {
    /// Writes them into a server's folder, the key for the account it runs as.
    pub(crate) fn write(&self, server: &Server, account: Account) -> Result<Files, Error> {
        let key = server.write_secret("key.pem", &self.key)?;
        account.own(&key)?;
        Ok(Files {
            authority: server.write("authority.pem", &self.authority)?,
            certificate: server.write("certificate.pem", &self.certificate)?,
            key,
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unusable(error: rcgen::Error) -> Error {
    Error::Unusable(format!("no certificate can be made: {error}"))
}
