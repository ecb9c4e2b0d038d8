//! TLS: the server's certificate is checked, by name and by issuer.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::*;
use crate::model::key_manager::PemFile;

/// Returns the authority's certificate after putting one of the server's into its folder.
fn certify(server: &PostgresProcess) -> PemFile {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    for (name, text) in [("server.crt", certificate.pem()), ("server.key", key.serialize_pem())] {
        let path = server.folder().join(name);
        std::fs::write(&path, text).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, private).unwrap();
        PostgresProcess::own(&path);
    }
    PemFile { path: PathBuf::from("ca.pem"), content: authority.pem().into_bytes() }
}

#[test]
fn the_certificate_of_the_server_is_checked() {
    let mut server = PostgresProcess::prepared(&[
        "ssl=on",
        "ssl_cert_file=../server.crt",
        "ssl_key_file=../server.key",
    ]);
    let ca = certify(&server);
    server.run();
    let url = server.database("tls");
    runtime().block_on(async {
        let with = |ca| PostgresServer { ca, tls: PostgresTls::Required, ..settings(url.clone()) };
        let trusted = PostgresStore::new(&with(Some(ca.clone())), None).unwrap();
        create(&trusted, "one").await.unwrap();
        let used = server.sql("tls", "SELECT count(*) FROM pg_stat_ssl WHERE ssl");
        assert_ne!(used, "0");
        let unknown = PostgresStore::new(&with(None), None).unwrap();
        let refused = unknown.head().await.unwrap_err().to_string();
        assert!(refused.contains("certificate"), "{refused}");
    });
}

#[test]
fn a_server_without_tls_is_refused_where_tls_is_required() {
    let server = PostgresProcess::with(&["ssl=off"]);
    let url = server.database("plain");
    runtime().block_on(async {
        let required = PostgresServer { tls: PostgresTls::Required, ..settings(url) };
        let store = PostgresStore::new(&required, None).unwrap();
        let refused = store.head().await.unwrap_err().to_string();
        assert!(refused.contains("TLS"), "{refused}");
    });
}
