//! Reads the files that a configuration names, and checks their form.

use std::io;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::config::plain_file;
use crate::config::problems::Problems;
use crate::config::reader::{Placed, Table};
use crate::config::source::Sources;
use crate::model::gateway::CertifiedPair;
use crate::model::key_manager::{ClientCertificate, PemFile};

/// The largest file: certificates, keys and key sets are small.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// Reads a file that a key names.
pub(super) fn file(
    named: &Placed<&str>,
    sources: &Sources,
    problems: &Problems,
) -> Option<PemFile> {
    let path = sources.resolve(named.value);
    problems.watch(path.clone());
    match plain_file::read(&path, MOST_BYTES).map(without_mark) {
        Ok(content) => Some(PemFile { path, content }),
        Err(error) => {
            let hint = match error.kind() {
                io::ErrorKind::NotFound => Some(
                    "`portcullis demo` makes development certificates; relative paths start \
                          at the folder of gateway.toml"
                        .to_owned(),
                ),
                io::ErrorKind::PermissionDenied => Some(
                    "the gateway's user must be able to read \
                    it"
                    .to_owned(),
                ),
                _ => None,
            };
            problems.error(
                named.at.clone(),
                format!("{} cannot be read: {error}", path.display()),
                hint,
            );
            None
        }
    }
}

/// Removes the byte order mark that some editors write: "-----BEGIN" must begin a line.
fn without_mark(mut content: Vec<u8>) -> Vec<u8> {
    const MARK: &[u8] = b"\xEF\xBB\xBF";
    if content.starts_with(MARK) {
        content.drain(..MARK.len());
    }
    content
}

/// Reads a file of certificate authorities.
pub(super) fn authorities(table: &Table<'_>, key: &str, sources: &Sources) -> Option<PemFile> {
    let named = table.wanted(key)?;
    let found = file(&named, sources, table.problems())?;
    if certificates(&found.content) == 0 {
        table.problems().error(
            named.at,
            format!("{} holds no PEM certificate", found.path.display()),
            None,
        );
        return None;
    }
    Some(found)
}

/// Reads a file with certificates or public keys to verify tokens with.
pub(super) fn verification_keys(
    named: &Placed<&str>,
    sources: &Sources,
    problems: &Problems,
) -> Option<PemFile> {
    let found = file(named, sources, problems)?;
    holds_keys(&found.content, &found.path.display().to_string(), named, problems).then_some(found)
}

/// Reads certificates or public keys that stand in the configuration itself.
pub(super) fn inline_keys(text: &Placed<&str>, problems: &Problems) -> Option<Vec<u8>> {
    let content = text.value.as_bytes().to_vec();
    holds_keys(&content, "`pem_text`", text, problems).then_some(content)
}

/// Tells whether a content has something to verify tokens with, and reports it if not.
fn holds_keys(content: &[u8], holder: &str, at: &Placed<&str>, problems: &Problems) -> bool {
    let mut usable = 0_usize;
    let mut private = false;
    for section in <(SectionKind, Vec<u8>) as PemObject>::pem_slice_iter(content).flatten() {
        match section.0 {
            SectionKind::Certificate | SectionKind::PublicKey => usable = usable.saturating_add(1),
            SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey => {
                private = true;
            }
            _ => {}
        }
    }
    if usable == 0 {
        let hint = private.then(|| {
            "it is a private key; the gateway needs the public key or the certificate".to_owned()
        });
        let message = format!("{holder} holds no PEM certificate or public key");
        problems.error(at.at.clone(), message, hint);
    }
    usable > 0
}

/// Reads a certificate chain and its key; both are required.
pub(super) fn pair(table: &Table<'_>, sources: &Sources) -> Option<CertifiedPair> {
    let (certificate_name, key_name) = (table.needed("certificate"), table.needed("key"));
    let (certificate_name, key_name) = (certificate_name?, key_name?);
    let (certificate, key) = (
        file(&certificate_name, sources, table.problems()),
        file(&key_name, sources, table.problems()),
    );
    let pair = CertifiedPair { certificate: certificate?, key: key? };
    check(&pair, &certificate_name, &key_name, table.problems()).then_some(pair)
}

/// Reads the certificate with which the gateway authenticates.
pub(super) fn client_certificate(
    table: &Table<'_>,
    sources: &Sources,
) -> Option<ClientCertificate> {
    pair(table, sources)
        .map(|pair| ClientCertificate { certificate: pair.certificate, key: pair.key })
}

fn check(
    pair: &CertifiedPair,
    certificate_name: &Placed<&str>,
    key_name: &Placed<&str>,
    problems: &Problems,
) -> bool {
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(&pair.certificate.content).collect();
    let chain = chain.unwrap_or_default();
    if chain.is_empty() {
        problems.error(
            certificate_name.at.clone(),
            format!("{} holds no PEM certificate", pair.certificate.path.display()),
            None,
        );
        return false;
    }
    let Ok(key) = PrivateKeyDer::from_pem_slice(&pair.key.content) else {
        let hint = Some("write an unencrypted private key in PEM".to_owned());
        problems.error(
            key_name.at.clone(),
            format!("{} holds no PEM private key", pair.key.path.display()),
            hint,
        );
        return false;
    };
    match CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()) {
        Ok(_) => true,
        Err(rustls::Error::InconsistentKeys(_)) => {
            let message = format!(
                "{} is not the key of the first certificate in {}",
                pair.key.path.display(),
                pair.certificate.path.display()
            );
            problems.error(
                key_name.at.clone(),
                message,
                Some("the gateway's own certificate must come first in the chain".to_owned()),
            );
            false
        }
        Err(error) => {
            problems.error(
                certificate_name.at.clone(),
                format!("{} cannot be used: {error}", pair.certificate.path.display()),
                None,
            );
            false
        }
    }
}

fn certificates(content: &[u8]) -> usize {
    CertificateDer::pem_slice_iter(content).flatten().count()
}
