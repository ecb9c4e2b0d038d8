//! Checks server certificates by a rule of its own, and leaves the signatures of the handshake to
//! the library.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

/// A rule for the certificates of servers.
pub(in crate::fetch) trait CertificateRule: fmt::Debug + Send + Sync {
    fn check(
        &self,
        library: &dyn ServerCertVerifier,
        shown: &ShownCertificate<'_>,
    ) -> Result<ServerCertVerified, Error>;
}

/// The certificate that a server shows, and the facts that it is checked against.
pub(in crate::fetch) struct ShownCertificate<'s> {
    pub(in crate::fetch) end_entity: &'s CertificateDer<'s>,
    pub(in crate::fetch) server_name: &'s ServerName<'s>,
    pub(in crate::fetch) now: UnixTime,
    intermediates: &'s [CertificateDer<'s>],
    ocsp_response: &'s [u8],
}

impl ShownCertificate<'_> {
    /// Checks it as the library does.
    pub(in crate::fetch) fn check_by(
        &self,
        library: &dyn ServerCertVerifier,
    ) -> Result<ServerCertVerified, Error> {
        let Self { end_entity, server_name, now, intermediates, ocsp_response } = self;
        library.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, *now)
    }
}

/// A verifier with a rule for certificates, over the library's verifier.
#[derive(Debug)]
pub(in crate::fetch) struct RuledVerifier<R> {
    library: Arc<dyn ServerCertVerifier>,
    rule: R,
}

impl<R> RuledVerifier<R> {
    pub(in crate::fetch) fn new(library: Arc<dyn ServerCertVerifier>, rule: R) -> Self {
        Self { library, rule }
    }

    pub(in crate::fetch) fn rule(&self) -> &R {
        &self.rule
    }
}

impl<R: CertificateRule> ServerCertVerifier for RuledVerifier<R> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = ShownCertificate { end_entity, server_name, now, intermediates, ocsp_response };
        self.rule.check(&*self.library, &shown)
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
