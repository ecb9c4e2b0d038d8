//! Development certificates: made once, and good for a handshake.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use crate::demo::certificates::{CertificateError, GeneratedFile, make};
use crate::demo::tests::WallClock;

#[test]
fn certificates_are_made_once_and_verify() {
    let folder = tempfile::tempdir().unwrap();
    let certs = folder.path().join("certs");
    let made = make(&certs, &WallClock).unwrap();
    assert_eq!(made.len(), 4);
    assert!(made.iter().all(|file| matches!(file, GeneratedFile::Made(_))), "{made:?}");
    for name in ["dev-ca.key", "gateway.key"] {
        assert_eq!(fs::metadata(certs.join(name)).unwrap().permissions().mode() & 0o777, 0o600);
    }
    handshake(&certs);

    let content = |name: &str| fs::read(certs.join(name)).unwrap();
    let before = (content("gateway.crt"), content("gateway.key"), content("dev-ca.crt"));
    assert!(
        make(&certs, &WallClock).unwrap().iter().all(|file| matches!(file, GeneratedFile::Kept(_)))
    );
    assert_eq!(before, (content("gateway.crt"), content("gateway.key"), content("dev-ca.crt")));

    fs::remove_file(certs.join("gateway.crt")).unwrap();
    assert!(matches!(make(&certs, &WallClock), Err(CertificateError::HalfAPair { .. })));
    fs::remove_file(certs.join("gateway.key")).unwrap();
    let again = make(&certs, &WallClock).unwrap();
    assert!(matches!(
        again.as_slice(),
        [
            GeneratedFile::Kept(_),
            GeneratedFile::Kept(_),
            GeneratedFile::Made(_),
            GeneratedFile::Made(_)
        ]
    ));
    assert_eq!(before.2, content("dev-ca.crt"));
    handshake(&certs);
}

#[test]
fn somebody_elses_authority_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["theirs".to_owned()]).unwrap();
    fs::write(folder.path().join("dev-ca.crt"), other.cert.pem()).unwrap();
    fs::write(folder.path().join("dev-ca.key"), other.signing_key.serialize_pem()).unwrap();
    assert!(matches!(
        make(folder.path(), &WallClock),
        Err(CertificateError::ForeignAuthority { .. })
    ));
    assert!(!folder.path().join("gateway.key").exists());
}

/// Makes a TLS handshake in memory with the pair of `certs`, for each name. It trusts only the
/// authority beside them.
fn handshake(certs: &std::path::Path) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certs.join("dev-ca.crt")).unwrap()).unwrap();
    let chain = vec![CertificateDer::from_pem_file(certs.join("gateway.crt")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(certs.join("gateway.key")).unwrap();
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let server = Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let client = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
    for name in ["localhost", "127.0.0.1", "::1"] {
        let mut client =
            rustls::ClientConnection::new(Arc::clone(&client), ServerName::try_from(name).unwrap())
                .unwrap();
        let mut server = rustls::ServerConnection::new(Arc::clone(&server)).unwrap();
        for _ in 0..10 {
            let mut wire = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut wire).unwrap();
            }
            let mut rest = wire.as_slice();
            while !rest.is_empty() {
                server.read_tls(&mut rest).unwrap();
                server.process_new_packets().unwrap();
            }
            wire = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut wire).unwrap();
            }
            let mut rest = wire.as_slice();
            while !rest.is_empty() {
                client.read_tls(&mut rest).unwrap();
                client.process_new_packets().unwrap();
            }
        }
        assert!(!client.is_handshaking(), "{name}");
    }
}
