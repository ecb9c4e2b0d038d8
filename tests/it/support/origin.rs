//! [`Origin`]: a backend of raw sockets. It records each request as it came, and answers by [`Script`].

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdTcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

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
        self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
    }
}

/// How one request is answered, step by step. After the last step the connection waits for the next request.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    steps: Vec<Step>,
    body: RequestBody,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequestBody {
    /// Read whole before the first step.
    Read,
    /// Left in the socket: the answer comes early, and the connection is closed after it.
    Ignored,
}

#[derive(Debug, Clone)]
enum Step {
    Echo,
    Answer { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
    Bytes(Vec<u8>),
    Drip { bytes: Vec<u8>, pause: Duration },
    Wait(Duration),
    Hang,
    Close,
    Reset,
}

impl Script {
    fn new(steps: Vec<Step>) -> Script {
        Script { steps, body: RequestBody::Read }
    }

    /// 200 with the request as JSON: method, target, headers, body.
    pub(crate) fn echo() -> Script {
        Script::new(vec![Step::Echo])
    }

    pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Script {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Script::new(vec![Step::Answer { status, headers, body: body.into() }])
    }

    /// 200 with these chunks and trailers.
    pub(crate) fn chunked(chunks: &[&str], trailers: &[(&str, &str)]) -> Script {
        use std::fmt::Write;
        let mut bytes = String::from("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n");
        if !trailers.is_empty() {
            let names: Vec<&str> = trailers.iter().map(|(name, _)| *name).collect();
            write!(bytes, "trailer: {}\r\n", names.join(", ")).unwrap();
        }
        bytes.push_str("\r\n");
        for chunk in chunks {
            write!(bytes, "{:x}\r\n{chunk}\r\n", chunk.len()).unwrap();
        }
        bytes.push_str("0\r\n");
        for (name, value) in trailers {
            write!(bytes, "{name}: {value}\r\n").unwrap();
        }
        bytes.push_str("\r\n");
        Script::bytes(bytes)
    }

    /// These bytes, whatever they are.
    pub(crate) fn bytes(bytes: impl Into<Vec<u8>>) -> Script {
        Script::new(vec![Step::Bytes(bytes.into())])
    }

    /// 200 with a body of which one byte comes at a time.
    pub(crate) fn drip(body: &str, pause: Duration) -> Script {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        Script::new(vec![Step::Bytes(head.into()), Step::Drip { bytes: body.into(), pause }])
    }

    /// 200 that promises `declared` bytes, sends `body` and closes.
    pub(crate) fn ends_early(declared: usize, body: &str) -> Script {
        Script::bytes(format!("HTTP/1.1 200 OK\r\ncontent-length: {declared}\r\n\r\n{body}")).then_close()
    }

    /// No byte, for ever.
    pub(crate) fn hang() -> Script {
        Script::new(vec![Step::Hang])
    }

    /// The connection ends before the head of an answer.
    pub(crate) fn close() -> Script {
        Script::new(vec![Step::Close])
    }

    /// A TCP reset before the head of an answer.
    pub(crate) fn reset() -> Script {
        Script::new(vec![Step::Reset])
    }

    pub(crate) fn then_close(self) -> Script {
        self.then(Step::Close)
    }

    /// A TCP reset after what came so far has had time to arrive.
    pub(crate) fn then_reset(self) -> Script {
        self.then(Step::Wait(Duration::from_millis(50))).then(Step::Reset)
    }

    pub(crate) fn then_hang(self) -> Script {
        self.then(Step::Hang)
    }

    /// The same, later.
    pub(crate) fn after(mut self, delay: Duration) -> Script {
        self.steps.insert(0, Step::Wait(delay));
        self
    }

    /// The same, without reading the request's body.
    pub(crate) fn early(mut self) -> Script {
        self.body = RequestBody::Ignored;
        self.then_close()
    }

    fn then(mut self, step: Step) -> Script {
        self.steps.push(step);
        self
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
        let (counter, requests) = watch::channel(0);
        let shared = Arc::new(Shared {
            received: Mutex::default(),
            next: Mutex::default(),
            always: Mutex::new(script),
            close_after: AtomicUsize::new(usize::MAX),
            connections: AtomicUsize::new(0),
            requests: counter,
        });
        let listener = StdTcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a non-blocking listener");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
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
        within("requests at the backend", requests.wait_for(|seen| *seen >= count)).await.expect("the backend runs");
        self.received()
    }

    /// How many connections were accepted.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// An address that refuses connections.
    pub(crate) fn refusing_address() -> SocketAddr {
        StdTcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).expect("a free port")
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

/// What happens to the connection after an answer.
#[derive(PartialEq, Eq)]
enum Next {
    KeepAlive,
    End,
}

async fn serve(stream: TcpStream, number: usize, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let mut peer = Peer { stream, unread: Vec::new() };
    let mut answered = 0;
    while let Some(mut request) = peer.head(number).await {
        let script = shared.next.lock().unwrap().pop_front().unwrap_or_else(|| shared.always.lock().unwrap().clone());
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

struct Peer {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Peer {
    async fn head(&mut self, connection: usize) -> Option<Received> {
        let end = self.find(b"\r\n\r\n").await?;
        let head = self.take(end + 4);
        let text = String::from_utf8_lossy(&head).into_owned();
        let mut lines = text.lines();
        let mut request_line = lines.next()?.split(' ');
        Some(Received {
            connection,
            method: request_line.next()?.to_owned(),
            target: request_line.next()?.to_owned(),
            headers: lines.filter_map(parse_field).collect(),
            head,
            body: Vec::new(),
            trailers: Vec::new(),
            complete: false,
        })
    }

    async fn body(&mut self, request: &mut Received) {
        if request.values("expect").iter().any(|value| value.eq_ignore_ascii_case("100-continue")) {
            let _ = self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await;
        }
        if request.values("transfer-encoding").iter().any(|value| value.eq_ignore_ascii_case("chunked")) {
            request.complete = self.chunks(request).await.is_some();
            return;
        }
        let length = request.values("content-length").first().and_then(|value| value.parse().ok()).unwrap_or(0);
        while self.unread.len() < length && self.more().await {}
        request.complete = self.unread.len() >= length;
        request.body = self.take(length);
    }

    async fn chunks(&mut self, request: &mut Received) -> Option<()> {
        loop {
            let end = self.find(b"\r\n").await?;
            let line = self.take(end + 2);
            let size = usize::from_str_radix(std::str::from_utf8(&line).ok()?.trim().split(';').next()?, 16).ok()?;
            if size == 0 {
                break;
            }
            while self.unread.len() < size + 2 && self.more().await {}
            let whole = self.unread.len() >= size + 2;
            let chunk = self.take(size + 2);
            request.body.extend(&chunk[..size.min(chunk.len())]);
            if !whole {
                return None;
            }
        }
        loop {
            let end = self.find(b"\r\n").await?;
            let line = self.take(end + 2);
            if end == 0 {
                return Some(());
            }
            request.trailers.extend(parse_field(&String::from_utf8_lossy(&line)));
        }
    }

    async fn play(&mut self, script: &Script, request: &Received) -> Next {
        for step in &script.steps {
            let written = match step {
                Step::Echo => self.stream.write_all(&echo(request)).await,
                Step::Answer { status, headers, body } => self.stream.write_all(&render(*status, headers, body, &request.method)).await,
                Step::Bytes(bytes) => self.stream.write_all(bytes).await,
                Step::Drip { bytes, pause } => self.drip(bytes, *pause).await,
                Step::Wait(delay) => {
                    tokio::time::sleep(*delay).await;
                    Ok(())
                }
                Step::Hang => {
                    while self.more().await {}
                    return Next::End;
                }
                Step::Close => return Next::End,
                Step::Reset => {
                    let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
                    return Next::End;
                }
            };
            if written.is_err() {
                return Next::End;
            }
        }
        Next::KeepAlive
    }

    async fn drip(&mut self, bytes: &[u8], pause: Duration) -> std::io::Result<()> {
        for byte in bytes {
            self.stream.write_all(&[*byte]).await?;
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    async fn find(&mut self, pattern: &[u8]) -> Option<usize> {
        loop {
            if let Some(position) = self.unread.windows(pattern.len()).position(|window| window == pattern) {
                return Some(position);
            }
            if !self.more().await {
                return None;
            }
        }
    }

    async fn more(&mut self) -> bool {
        self.stream.read_buf(&mut self.unread).await.is_ok_and(|read| read > 0)
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.unread.split_off(count.min(self.unread.len()));
        std::mem::replace(&mut self.unread, rest)
    }
}

fn parse_field(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    Some((name.to_owned(), value.trim().to_owned()))
}

fn echo(request: &Received) -> Vec<u8> {
    let Received { method, target, headers, body, .. } = request;
    let said = json!({ "method": method, "target": target, "headers": headers, "body": String::from_utf8_lossy(body) });
    render(200, &[("content-type".to_owned(), "application/json".to_owned())], said.to_string().as_bytes(), method)
}

fn render(status: u16, headers: &[(String, String)], body: &[u8], method: &str) -> Vec<u8> {
    let reason = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Scripted");
    let mut head = format!("HTTP/1.1 {status} {reason}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if status != 204 && status != 304 {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    let body = if method == "HEAD" { &[] } else { body };
    [head.as_bytes(), b"\r\n", body].concat()
}
