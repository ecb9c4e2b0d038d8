//! A listener's certificates: the one that a client sees, and the handshake's offers.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;

use crate::model::gateway::{CertifiedPair, ClientAuth, ListenerTls, Protocols};
use crate::model::key_manager::PemFile;

/// A certificate or key that cannot be used; `config` reports it first, with its place.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{file} is not a PEM file")]
    Pem {
        file: String,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("{file} cannot be used")]
    Pair {
        file: String,
        #[source]
        source: rustls::Error,
    },
    #[error("{file} holds no certificate authority that can be used")]
    Authorities { file: String },
    #[error("TLS cannot be set up")]
    Protocol(#[source] rustls::Error),
}

/// Picks the certificate by the name that the client asks for.
#[derive(Debug)]
struct ByName {
    exact: Vec<(String, Arc<CertifiedKey>)>,
    /// `*.example`, kept as `.example`: exactly one label before it.
    wildcard: Vec<(String, Arc<CertifiedKey>)>,
    default: Arc<CertifiedKey>,
}

/// The TLS side of a listener, or of the management listener.
pub fn server_config(
    tls: &ListenerTls,
    protocols: Protocols,
) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut by_name =
        ByName { exact: Vec::new(), wildcard: Vec::new(), default: certified(&tls.default)? };
    for named in &tls.by_name {
        let key = certified(&named.pair)?;
        for name in &named.names {
            let name = name.to_ascii_lowercase();
            match name.strip_prefix('*') {
                Some(suffix) => by_name.wildcard.push((suffix.to_owned(), Arc::clone(&key))),
                None => by_name.exact.push((name, Arc::clone(&key))),
            }
        }
    }
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(TlsError::Protocol)?;
    let builder = match &tls.clients {
        ClientAuth::None => builder.with_no_client_auth(),
        ClientAuth::Optional(authorities) => {
            builder.with_client_cert_verifier(client_verifier(authorities, false)?)
        }
        ClientAuth::Required(authorities) => {
            builder.with_client_cert_verifier(client_verifier(authorities, true)?)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(by_name));
    config.alpn_protocols = match protocols {
        Protocols::Http1 => vec![b"http/1.1".to_vec()],
        Protocols::Http2 => vec![b"h2".to_vec()],
        Protocols::Both => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
    };
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(TlsError::Protocol)?;
    Ok(Arc::new(config))
}

/// Accepts certificates that these authorities signed. Any other certificate ends the handshake,
/// even if none is required.
fn client_verifier(
    authorities: &PemFile,
    required: bool,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let error = || TlsError::Authorities { file: authorities.path.display().to_string() };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&authorities.content) {
        let certificate = certificate.map_err(|source| TlsError::Pem {
            file: authorities.path.display().to_string(),
            source,
        })?;
        roots.add(certificate).map_err(|_| error())?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots),
        Arc::new(aws_lc_rs::default_provider()),
    );
    let builder = if required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|_| error())
}

fn certified(pair: &CertifiedPair) -> Result<Arc<CertifiedKey>, TlsError> {
    let file = || pair.certificate.path.display().to_string();
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(&pair.certificate.content).collect();
    let chain = chain.map_err(|source| TlsError::Pem { file: file(), source })?;
    let key = PrivateKeyDer::from_pem_slice(&pair.key.content)
        .map_err(|source| TlsError::Pem { file: pair.key.path.display().to_string(), source })?;
    let certified = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider());
    certified.map(Arc::new).map_err(|source| TlsError::Pair { file: file(), source })
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        let found = name.and_then(|name| {
            let exact = self.exact.iter().find(|(known, _)| *known == name);
            exact.or_else(|| {
                let (_, parent) = name.split_once('.')?;
                self.wildcard.iter().find(|(suffix, _)| suffix.strip_prefix('.') == Some(parent))
            })
        });
        Some(Arc::clone(found.map_or(&self.default, |(_, key)| key)))
    }
}
