//! Checks server certificates, and accepts one more kind than the library: a certificate that
//! itself stands in `ca`.
//!
//! `openssl req -x509` marks its certificates as authorities, and the library refuses a server that
//! shows such a certificate as its own (RFC 5280 section 4.2.1.9). If exactly that certificate,
//! byte for byte, is in `ca`, the operator has named the server itself. Then its dates, its name
//! and its purpose are checked here, and the handshake proves, as always, that the server holds its
//! key. The library judges everything else.

use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::fetch::trust::checked::{CertificateRule, ShownCertificate};

/// The certificates of `ca` that are marked as authorities.
#[derive(Debug)]
pub(super) struct ListedCertificates(Vec<CertificateDer<'static>>);

impl ListedCertificates {
    pub(super) fn of(listed: Vec<CertificateDer<'static>>) -> Self {
        Self(listed.into_iter().filter(|certificate| is_authority(certificate)).collect())
    }
}

impl CertificateRule for ListedCertificates {
    fn check(
        &self,
        library: &dyn ServerCertVerifier,
        shown: &ShownCertificate<'_>,
    ) -> Result<ServerCertVerified, Error> {
        if self.0.iter().any(|listed| listed.as_ref() == shown.end_entity.as_ref()) {
            check(shown.end_entity, shown.server_name, shown.now)?;
            return Ok(ServerCertVerified::assertion());
        }
        shown.check_by(library)
    }
}

fn is_authority(certificate: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(certificate).is_ok_and(|(_, certificate)| certificate.is_ca())
}

/// Dates, purpose and name.
fn check(
    certificate: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<(), Error> {
    let Ok(([], parsed)) = X509Certificate::from_der(certificate) else {
        return Err(CertificateError::BadEncoding.into());
    };
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now < parsed.validity().not_before.timestamp() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > parsed.validity().not_after.timestamp() {
        return Err(CertificateError::Expired.into());
    }
    match parsed.extended_key_usage() {
        Ok(None) => {}
        Ok(Some(usage)) if usage.value.server_auth || usage.value.any => {}
        Ok(Some(_)) => return Err(CertificateError::InvalidPurpose.into()),
        Err(_) => return Err(CertificateError::BadEncoding.into()),
    }
    verify_server_name(&ParsedCertificate::try_from(certificate)?, name)
}
