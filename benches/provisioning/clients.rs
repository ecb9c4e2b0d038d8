//! Clients of the traffic, and the backend that they reach.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// Connections of the traffic; each has one exchange at a time.
const CONNECTIONS: u32 = 16;

/// Calls on all connections and returns the milliseconds of each: at this many a second, or as
/// many as there can be.
pub(crate) async fn calls(
    port: u16,
    tokens: &[String],
    rate: Option<f64>,
    lasts: Duration,
) -> Vec<f64> {
    let gap = rate.map(|rate| f64::from(CONNECTIONS) / rate);
    let threads = (0..CONNECTIONS).map(|number| {
        let requests: Vec<_> = tokens.iter().map(|token| request(token)).collect();
        thread::spawn(move || Connection::open(port).run(&requests, number, gap, lasts))
    });
    let threads: Vec<_> = threads.collect();
    let joined = move || threads.into_iter().flat_map(|own| own.join().expect("calls"));
    let all = tokio::task::spawn_blocking(move || joined().collect::<Vec<f64>>());
    all.await.expect("calls")
}

fn request(token: &str) -> Vec<u8> {
    format!(
        "GET /orders/1.0.0/x HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n"
    )
    .into_bytes()
}

/// A connection with one exchange at a time.
struct Connection(TcpStream);

impl Connection {
    fn open(port: u16) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the gateway listens");
        stream.set_nodelay(true).expect("a stream");
        Self(stream)
    }

    /// With random gaps of so many seconds on average. What waits for an answer before it counts
    /// from when it was due.
    fn run(
        mut self,
        requests: &[Vec<u8>],
        number: u32,
        gap: Option<f64>,
        lasts: Duration,
    ) -> Vec<f64> {
        let mut random = u64::from(number) * 2 + 1;
        let mut wait = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let share = (random >> 11) as f64 / (1_u64 << 53) as f64;
            Duration::from_secs_f64(gap.unwrap_or(0.0) * -(1.0 - share).ln())
        };
        let begun = Instant::now();
        let (mut due, mut free, mut times) = (begun + wait(), begun, Vec::new());
        for request in requests.iter().cycle().skip(number as usize) {
            if begun.elapsed() >= lasts {
                break;
            }
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let started = if gap.is_some() && free > due { due } else { Instant::now() };
            due += wait();
            self.exchange(request);
            free = Instant::now();
            times.push((free - started).as_secs_f64() * 1e3);
        }
        times
    }

    fn exchange(&mut self, request: &[u8]) {
        self.0.write_all(request).expect("sent");
        let mut answer = Vec::new();
        let mut piece = [0; 4096];
        // the backend's body is the two letters "ok"
        while !answer.ends_with(b"\r\n\r\nok") {
            let read = self.0.read(&mut piece).expect("an answer");
            assert_ne!(read, 0, "the gateway closed the connection");
            answer.extend_from_slice(&piece[..read]);
            let refused = answer.len() >= 12 && !answer.starts_with(b"HTTP/1.1 200");
            assert!(!refused, "{}", String::from_utf8_lossy(&answer));
        }
    }
}

/// A backend that answers each request; returns its port. It ends with the bench.
pub(crate) fn backend() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream));
        }
    });
    port
}

fn answer(mut stream: TcpStream) {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(read) = stream.read(&mut piece)
        && read > 0
    {
        request.extend_from_slice(&piece[..read]);
        // no request of the bench has a body
        if request.ends_with(b"\r\n\r\n") {
            request.clear();
            let said = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
            if said.is_err() {
                return;
            }
        }
    }
}
