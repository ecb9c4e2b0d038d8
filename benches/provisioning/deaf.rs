//! A way to PostgreSQL on which no notification arrives.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// A message of the server: its type, and its length with that of the length itself.
const HEAD: usize = 5;

/// The type of a notification (PostgreSQL's protocol, NotificationResponse).
const NOTIFICATION: u8 = b'A';

/// Passes everything on but notifications, which it counts.
pub(crate) struct DeafProxy {
    pub(crate) port: u16,
    pub(crate) dropped: Arc<AtomicU64>,
}

impl DeafProxy {
    /// In front of the server at this port of this machine.
    pub(crate) async fn start(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let dropped = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&dropped);
        #[allow(clippy::disallowed_methods, reason = "ends with the bench")]
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await;
                let server = server.expect("the server listens");
                for stream in [&client, &server] {
                    stream.set_nodelay(true).expect("a stream");
                }
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(pass(from_client, to_server));
                tokio::spawn(filter(from_server, to_client, Arc::clone(&counted)));
            }
        });
        Self { port, dropped }
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let _ = copy(&mut from, &mut to).await;
}

/// Reads message by message: the gateway asks for no encryption on this machine.
async fn filter(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, dropped: Arc<AtomicU64>) {
    let mut head = [0; HEAD];
    while from.read_exact(&mut head).await.is_ok() {
        let [kind, length @ ..] = head;
        let rest = u32::from_be_bytes(length).saturating_sub(4);
        let mut message = head.to_vec();
        message.resize(HEAD + rest as usize, 0);
        if from.read_exact(&mut message[HEAD..]).await.is_err() {
            return;
        }
        if kind == NOTIFICATION {
            dropped.fetch_add(1, Ordering::Relaxed);
        } else if to.write_all(&message).await.is_err() {
            return;
        }
    }
}
