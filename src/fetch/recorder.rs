//! A certificate check that remembers whom it refused, so that an operator learns whose certificate
//! it was.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Checks as the library does; decides nothing of its own.
#[derive(Debug)]
pub(super) struct Recorder {
    library: Arc<dyn ServerCertVerifier>,
    refused: Mutex<Option<String>>,
}

impl Recorder {
    pub(super) fn new(library: Arc<dyn ServerCertVerifier>) -> Self {
        Self { library, refused: Mutex::new(None) }
    }

    /// Subject and issuer of the certificate that was refused last.
    pub(super) fn refused(&self) -> Option<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.library.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        if verdict.is_err() {
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(describe(end_entity));
        }
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.library.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.library.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.library.supported_verify_schemes()
    }
}

/// The text comes from a stranger: cut, and without control characters.
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
