//! A new connection to a backend: TLS, then HTTP/1.1 or HTTP/2.

use std::sync::Arc;

use tokio_rustls::TlsConnector;

use crate::backend::{CompiledTarget, TargetTls};
use crate::fetch::trust;
use crate::forward::counted_stream::CountedStream;
use crate::forward::failure::ForwardError;
use crate::forward::http1_connection::{self, Http1Connection};
use crate::forward::multiplexed::{self, Http2Connection};
use crate::model::backend::Http2;

/// A connection that requests can be sent on.
#[derive(Debug)]
pub(super) enum Connected {
    Http1(Box<Http1Connection>),
    Http2(Http2Connection),
}

/// Makes a new connection one that requests can be sent on: TLS, and the protocol that was agreed.
pub(super) async fn open(
    target: &CompiledTarget,
    stream: CountedStream,
    upgrade: bool,
) -> Result<Connected, ForwardError> {
    let Some(TargetTls { config, server_name }) = &target.tls else {
        return if target.http2 == Http2::Always {
            multiplexed::open(target, stream, upgrade).await.map(Connected::Http2)
        } else {
            http1_connection::open(target, stream, upgrade).await.map(Connected::Http1)
        };
    };
    let mut connector = TlsConnector::from(Arc::clone(config));
    if upgrade && target.http2 != Http2::Always {
        // if there is a choice, upgrades need a connection of HTTP/1.1
        let mut config = (**config).clone();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        connector = TlsConnector::from(Arc::new(config));
    }
    let stream = connector.connect(server_name.clone(), stream).await;
    let stream = stream.map_err(|source| tls_failed(target, source))?;
    let shown = stream.get_ref().1.peer_certificates();
    if let Some(until) = shown.and_then(trust::valid_until) {
        target.healths.note_certificate(until);
    }
    let agreed = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    if agreed || target.http2 == Http2::Always {
        multiplexed::open(target, stream, upgrade).await.map(Connected::Http2)
    } else {
        http1_connection::open(target, stream, upgrade).await.map(Connected::Http1)
    }
}

fn tls_failed(target: &CompiledTarget, source: std::io::Error) -> ForwardError {
    ForwardError::Tls { target: target.label.to_string(), source: trust::explained(source) }
}
