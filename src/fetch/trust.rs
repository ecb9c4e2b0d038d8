//! TLS towards servers: the trusted certificates, and the gateway's own one. Decides on trust and
//! nothing else.
//!
//! Verification cannot be turned off here. [`listed`] accepts a server's own certificate if it
//! stands in `ca`; [`explained()`] puts the cause of a failed handshake into words.

mod checked;
mod explained;
mod listed;
mod pinned;

use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use x509_parser::prelude::{FromDer, X509Certificate};

pub(super) use crate::fetch::trust::checked::{CertificateRule, RuledVerifier, ShownCertificate};
pub use crate::fetch::trust::explained::explained;
use crate::fetch::trust::listed::ListedCertificates;
pub use crate::fetch::trust::pinned::pinned_config;
use crate::model::key_manager::{ClientCertificate, PemFile};

/// Trust that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error("{file} cannot be read as PEM")]
    Pem {
        file: String,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("{file} holds no certificate that can be used")]
    NoCertificate { file: String },
    #[error("the client certificate cannot be used")]
    ClientCertificate(#[source] rustls::Error),
    #[error("there is no certificate authority to trust: the system has none, and `ca` is not set")]
    NoRoots,
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// Returns TLS with the system's authorities, those in `ca`, and a client certificate if the server
/// asks for one.
pub fn client_config(
    ca: Option<&PemFile>,
    client: Option<&ClientCertificate>,
) -> Result<ClientConfig, TrustError> {
    let verifier = verifier(ca)?;
    // the verifier is the library's own, over the roots chosen here
    let builder = builder()?.dangerous().with_custom_certificate_verifier(verifier);
    finish(builder, client)
}

/// Checks certificates against the system's authorities and those in `ca`.
pub fn verifier(ca: Option<&PemFile>) -> Result<Arc<dyn ServerCertVerifier>, TrustError> {
    let mut roots = system_roots().clone();
    let listed = ca.map(certificates).transpose()?.unwrap_or_default();
    if let Some(ca) = ca {
        let before = roots.len();
        for certificate in &listed {
            roots
                .add(certificate.clone())
                .map_err(|_| TrustError::NoCertificate { file: ca.path.display().to_string() })?;
        }
        if roots.len() == before {
            return Err(TrustError::NoCertificate { file: ca.path.display().to_string() });
        }
    }
    if roots.is_empty() {
        return Err(TrustError::NoRoots);
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let verifier = verifier.map_err(|_| TrustError::NoRoots)?;
    Ok(Arc::new(RuledVerifier::new(verifier, ListedCertificates::of(listed))))
}

/// Returns client TLS with a verifier of the caller's, over [`verifier`].
pub fn client_config_with(
    verifier: Arc<dyn ServerCertVerifier>,
    client: Option<&ClientCertificate>,
) -> Result<ClientConfig, TrustError> {
    finish(builder()?.dangerous().with_custom_certificate_verifier(verifier), client)
}

/// Returns the end of a chain's first certificate, in seconds since 1970.
pub fn valid_until(chain: &[CertificateDer<'_>]) -> Option<u64> {
    let (_, certificate) = X509Certificate::from_der(chain.first()?).ok()?;
    u64::try_from(certificate.validity().not_after.timestamp()).ok()
}

/// Returns the number of authorities that the system brings.
pub fn system_root_count() -> usize {
    system_roots().len()
}

type Verified = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, TrustError> {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(TrustError::Setup)
}

fn finish(
    builder: Verified,
    client: Option<&ClientCertificate>,
) -> Result<ClientConfig, TrustError> {
    let Some(client) = client else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates(&client.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&client.key.content)
        .map_err(|source| pem_error(&client.key, source))?;
    builder.with_client_auth_cert(chain, key).map_err(TrustError::ClientCertificate)
}

fn certificates(file: &PemFile) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    CertificateDer::pem_slice_iter(&file.content)
        .collect::<Result<_, _>>()
        .map_err(|source| pem_error(file, source))
}

fn pem_error(file: &PemFile, source: rustls::pki_types::pem::Error) -> TrustError {
    TrustError::Pem { file: file.path.display().to_string(), source }
}

/// Returns the system's authorities. They are read once, because they are hundreds of files on some
/// machines.
fn system_roots() -> &'static RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!(
                target: "portcullis::trust",
                %error,
                "a part of the system's certificates cannot be read",
            );
        }
        let mut roots = RootCertStore::empty();
        let (_, unusable) = roots.add_parsable_certificates(found.certs);
        if unusable > 0 {
            tracing::debug!(
                target: "portcullis::trust",
                unusable,
                "certificates of the system that cannot be used",
            );
        }
        roots
    })
}
