//! Trusts one certificate and no other, whatever its names: for a gateway that asks itself.

use std::sync::Arc;

use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, ClientConfig, Error};

use crate::fetch::trust::checked::{CertificateRule, RuledVerifier, ShownCertificate};
use crate::fetch::trust::{TrustError, client_config_with, verifier};
use crate::model::key_manager::PemFile;

/// Makes client TLS that accepts exactly the first certificate of this file.
pub fn pinned_config(certificate: &PemFile) -> Result<ClientConfig, TrustError> {
    let own = CertificateDer::from_pem_slice(&certificate.content).map_err(|source| {
        TrustError::Pem { file: certificate.path.display().to_string(), source }
    })?;
    let verifier = RuledVerifier::new(verifier(Some(certificate))?, PinnedCertificate(own));
    client_config_with(Arc::new(verifier), None)
}

#[derive(Debug)]
struct PinnedCertificate(CertificateDer<'static>);

impl CertificateRule for PinnedCertificate {
    fn check(
        &self,
        _: &dyn ServerCertVerifier,
        shown: &ShownCertificate<'_>,
    ) -> Result<ServerCertVerified, Error> {
        if *shown.end_entity == self.0 {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }
}
