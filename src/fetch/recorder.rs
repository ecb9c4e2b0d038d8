//! Remembers the certificate that was refused, so that an operator learns its names.

use std::sync::{Mutex, PoisonError};

use rustls::Error;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::fetch::trust::{CertificateRule, ShownCertificate};

/// The certificate that was refused last. Decides nothing of its own.
#[derive(Debug, Default)]
pub(super) struct Recorder(Mutex<Option<String>>);

impl Recorder {
    /// Takes subject and issuer of the refused certificate.
    pub(super) fn refused(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl CertificateRule for Recorder {
    fn check(
        &self,
        library: &dyn ServerCertVerifier,
        shown: &ShownCertificate<'_>,
    ) -> Result<ServerCertVerified, Error> {
        shown.check_by(library).inspect_err(|_| {
            let refused = describe(shown.end_entity);
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(refused);
        })
    }
}

/// Describes the certificate of a stranger: cut, and without control characters.
fn describe(certificate: &CertificateDer<'_>) -> String {
    const MOST: usize = 200;
    let text = match X509Certificate::from_der(certificate) {
        Ok((_, certificate)) => {
            format!("\"{}\", issued by \"{}\"", certificate.subject(), certificate.issuer())
        }
        Err(_) => "a certificate that cannot be read".to_owned(),
    };
    text.chars().filter(|character| !character.is_control()).take(MOST).collect()
}
