//! [`Origin`]: a backend of raw sockets. It records each request as it came, and answers by [`Script`].

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdTcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::peer::{Next, Peer};
use crate::support::free_port::free_port;
use crate::support::script::{RequestBody, Script};
use crate::support::within;

/// A scripted HTTP/1.1 backend on a free loopback port, on a thread of its own. Dropping it closes everything.
pub(crate) struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
    requests: watch::Receiver<usize>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What one connection sent.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// Which connection, counted from 1.
    pub(crate) connection: usize,
    /// Request line, fields and the empty line, byte for byte.
    pub(crate) head: Vec<u8>,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    /// Without its chunk framing.
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// The body ended as its head said; false: the peer went away first, or it was not read.
    pub(crate) complete: bool,
}

impl Received {
    /// All values of the field of that name.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }
}

struct Shared {
    received: Mutex<Vec<Received>>,
    /// For one request each, first come first served; then `always`.
    next: Mutex<VecDeque<Script>>,
    always: Mutex<Script>,
    close_after: AtomicUsize,
    connections: AtomicUsize,
    requests: watch::Sender<usize>,
}

impl Origin {
    /// Echoes until told otherwise.
    pub(crate) fn start() -> Origin {
        Origin::serving(Script::echo())
    }

    pub(crate) fn serving(script: Script) -> Origin {
        Origin::serving_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), script)
    }

    /// At this address: all of 127.0.0.0/8 is this machine.
    pub(crate) fn serving_at(address: SocketAddr, script: Script) -> Origin {
        let (counter, requests) = watch::channel(0);
        let shared = Arc::new(Shared {
            received: Mutex::default(),
            next: Mutex::default(),
            always: Mutex::new(script),
            close_after: AtomicUsize::new(usize::MAX),
            connections: AtomicUsize::new(0),
            requests: counter,
        });
        let listener = StdTcpListener::bind(address).expect("a free port");
        listener.set_nonblocking(true).expect("a non-blocking listener");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime");
                runtime.block_on(accept(listener, shared, stopped));
            }
        });
        Origin { address, shared, requests, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, for every request.
    pub(crate) fn always(&self, script: Script) {
        *self.shared.always.lock().unwrap() = script;
    }

    /// For one request, in the order of the calls.
    pub(crate) fn once(&self, script: Script) {
        self.shared.next.lock().unwrap().push_back(script);
    }

    /// Each connection is closed, without a word, after that many answers.
    pub(crate) fn close_after(&self, requests: usize) {
        self.shared.close_after.store(requests, Ordering::Relaxed);
    }

    /// What was received so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// Waits until `count` requests were received, and returns them.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Received> {
        let mut requests = self.requests.clone();
        within("requests at the backend", requests.wait_for(|seen| *seen >= count))
            .await
            .expect("the backend runs");
        self.received()
    }

    /// How many connections were accepted.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// An address where nobody listens yet: a server may start there, and so may anybody else.
    pub(crate) fn free_address() -> SocketAddr {
        (Ipv4Addr::LOCALHOST, free_port()).into()
    }

    /// An address that refuses connections, for as long as the tests run: nobody else gets a port that is bound, and
    /// nobody listens on it.
    pub(crate) fn refusing_address() -> SocketAddr {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
        let address = socket.local_addr().ok().and_then(|address| address.as_socket());
        std::mem::forget(socket);
        address.expect("an address")
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: StdTcpListener, shared: Arc<Shared>, mut stopped: oneshot::Receiver<()>) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let number = shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
                connections.spawn(serve(stream, number, Arc::clone(&shared)));
            }
        }
    }
}

async fn serve(stream: TcpStream, number: usize, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let mut peer = Peer::new(stream);
    let mut answered = 0;
    while let Some(mut request) = peer.head(number).await {
        let script = shared
            .next
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or_else(|| shared.always.lock().unwrap().clone());
        if script.body == RequestBody::Read {
            peer.body(&mut request).await;
        }
        let incomplete = script.body == RequestBody::Read && !request.complete;
        shared.received.lock().unwrap().push(request.clone());
        shared.requests.send_modify(|seen| *seen += 1);
        if incomplete || peer.play(&script, &request).await == Next::End {
            return;
        }
        answered += 1;
        if answered >= shared.close_after.load(Ordering::Relaxed) {
            return;
        }
    }
}
