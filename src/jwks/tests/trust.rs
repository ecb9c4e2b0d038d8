//! Servers whose certificates are trusted, and others.

use super::*;
use crate::listen::server_config;
use crate::model::gateway::{CertifiedPair, ClientAuth, ListenerTls, Protocols};
use crate::model::key_manager::PemFile;

/// Servers of the demo's certificate, on two addresses. It is valid for the first one only.
struct SecuredServers {
    ports: Vec<u16>,
    _tasks: JoinSet<()>,
}

impl SecuredServers {
    async fn start(folder: &Path) -> Self {
        crate::demo::certificates::make(folder, &SystemClock).unwrap();
        let read = |name: &str| PemFile {
            path: name.into(),
            content: std::fs::read(folder.join(name)).unwrap(),
        };
        let default = CertifiedPair { certificate: read("gateway.crt"), key: read("gateway.key") };
        let tls = ListenerTls { default, by_name: Vec::new(), clients: ClientAuth::None };
        let config = server_config(&tls, Protocols::Http1).unwrap();
        let (mut ports, mut tasks) = (Vec::new(), JoinSet::new());
        for address in ["127.0.0.1:0", "127.0.0.2:0"] {
            let listener = TcpListener::bind(address).await.unwrap();
            ports.push(listener.local_addr().unwrap().port());
            let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&config));
            tasks.spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                    let _ = stream.read(&mut [0; 2048]).await;
                    let _ = stream.write_all(keys(&[KEY_ONE]).as_bytes()).await;
                    let _ = stream.shutdown().await;
                }
            });
        }
        Self { ports, _tasks: tasks }
    }
}

#[tokio::test]
async fn a_strange_certificate_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let servers = SecuredServers::start(folder.path()).await;
    let lines = |host: &str, port: u16| {
        format!(
            "issuer = \"https://i\"\ncertificates = {{ jwks = \"https://{host}:{port}/jwks\" }}\n"
        )
    };
    let trusting = format!("ca = \"{}\"\n", folder.path().join("dev-ca.crt").display());
    let mut stage = Stage::new();
    let known = lines("localhost", servers.ports[0]);
    let refused = stage.run(&known);
    refused.settled().await;
    let failure = refused.status().last_failure.unwrap();
    assert!(
        failure.contains("the server presented") && failure.contains("set ca to trust another"),
        "{failure}"
    );
    let trusted = stage.run(&format!("{known}{trusting}"));
    trusted.settled().await;
    assert_eq!(kids(&trusted), ["one"], "{:?}", trusted.status());
    // signed by a trusted authority, for another host
    let other = stage.run(&format!("{}{trusting}", lines("127.0.0.2", servers.ports[1])));
    other.settled().await;
    assert!(
        kids(&other).is_empty() && other.status().fetches.iter().any(|(label, _)| *label == "tls"),
        "{:?}",
        other.status()
    );
}
