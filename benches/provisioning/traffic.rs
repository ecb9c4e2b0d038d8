//! Traffic at a fixed rate, quiet and while subscriptions change.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use portcullis::store::{Change, Kind, PostgresStore, Query, Record, Store};
use serde_json::json;
use uuid::Uuid;

use crate::running::Running;
use crate::write;

/// Connections of the traffic; each has one exchange at a time.
const CONNECTIONS: u32 = 16;

/// Changes a second, in transactions of so many: waiting writes share a commit.
const CHANGES_PER_SECOND: u32 = 1_000;
const AT_ONCE: u32 = 20;

/// A gateway that needs longer has lost changes.
const PATIENCE: Duration = Duration::from_mins(1);

/// Subscriptions that change in turn.
const CHANGING: usize = 5_000;

pub(crate) struct TrafficPlan {
    rounds: usize,
    /// Of one half of a round, and of the search for the capacity.
    half: Duration,
}

impl TrafficPlan {
    pub(crate) fn measured() -> Self {
        Self { rounds: 7, half: Duration::from_secs(5) }
    }

    pub(crate) fn tried() -> Self {
        Self { rounds: 1, half: Duration::from_millis(300) }
    }
}

pub(crate) struct Traffic<'t> {
    pub(crate) gateway: &'t Running,
    pub(crate) store: Arc<PostgresStore>,
    pub(crate) tokens: Vec<String>,
    /// Those of the tokens' clients.
    pub(crate) applications: HashSet<Uuid>,
    pub(crate) plan: TrafficPlan,
}

impl Traffic<'_> {
    pub(crate) async fn measure(self) {
        let most = self.sent(None).await.len() as f64 / self.plan.half.as_secs_f64();
        let rate = most / 5.0;
        println!("traffic: {most:.0} requests a second at most; {rate:.0} a second from here on");
        let mut changing = self.subscriptions().await;
        let (mut ratios, mut quiet, mut disturbed) = (Vec::new(), Vec::new(), Vec::new());
        let (mut reached, mut behind) = (Vec::new(), Vec::new());
        for _ in 0..self.plan.rounds {
            let before = p99(self.sent(Some(rate)).await);
            let began = Instant::now();
            let changes = Changes::begin(Arc::clone(&self.store), changing);
            let meanwhile = p99(self.sent(Some(rate)).await);
            let Made { count, revision, records } = changes.end().await;
            reached.push(count as f64 / began.elapsed().as_secs_f64());
            behind.push(self.catches_up(revision).await);
            changing = records;
            ratios.push(meanwhile / before);
            quiet.push(before);
            disturbed.push(meanwhile);
        }
        println!(
            "p99 of traffic, quiet and with {:.0} changes a second: {:.2} ms, {:.2} ms; the ratio of each round: \
             median {:.2}, from {:.2} to {:.2}; behind at the end: {:.0} ms",
            median(reached),
            median(quiet),
            median(disturbed),
            median(ratios.clone()),
            ratios.iter().copied().fold(f64::INFINITY, f64::min),
            ratios.iter().copied().fold(0.0, f64::max),
            median(behind),
        );
    }

    /// Subscriptions of others than the traffic's clients.
    async fn subscriptions(&self) -> Vec<Record> {
        let mut found = Vec::new();
        let mut next = Some(Query::of(Kind::Subscription));
        while let Some(query) = next.filter(|_| found.len() < CHANGING) {
            let page = self.store.list(&query).await.expect("a page");
            next = query.after(&page);
            let others = page.items.into_iter().filter(|own| !self.is_of_traffic(own));
            found.extend(others);
        }
        found.truncate(CHANGING);
        found
    }

    fn is_of_traffic(&self, subscription: &Record) -> bool {
        subscription.parent.is_some_and(|parent| self.applications.contains(&parent))
    }

    /// Waits until the gateway has a revision in force; returns the milliseconds.
    async fn catches_up(&self, revision: u64) -> f64 {
        let began = Instant::now();
        while self.gateway.revision().await < revision {
            assert!(began.elapsed() < PATIENCE, "the gateway never has revision {revision}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        began.elapsed().as_secs_f64() * 1e3
    }

    /// Calls on all connections and returns the milliseconds of each: at this many a second, or as
    /// many as there can be.
    async fn sent(&self, rate: Option<f64>) -> Vec<f64> {
        let gap = rate.map(|rate| f64::from(CONNECTIONS) / rate);
        let (port, half) = (self.gateway.port, self.plan.half);
        let threads = (0..CONNECTIONS).map(|number| {
            let requests: Vec<_> = self.tokens.iter().map(|token| request(token)).collect();
            thread::spawn(move || Connection::open(port).run(&requests, number, gap, half))
        });
        let threads: Vec<_> = threads.collect();
        let joined = move || threads.into_iter().flat_map(|own| own.join().expect("calls"));
        let all = tokio::task::spawn_blocking(move || joined().collect::<Vec<f64>>());
        all.await.expect("calls")
    }
}

/// Subscriptions that are blocked and unblocked until somebody ends it.
struct Changes {
    stopping: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Made>,
}

struct Made {
    count: u64,
    revision: u64,
    records: Vec<Record>,
}

impl Changes {
    fn begin(store: Arc<PostgresStore>, mut records: Vec<Record>) -> Self {
        let stopping = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stopping);
        #[allow(clippy::disallowed_methods, reason = "its owner waits for it")]
        let task = tokio::spawn(async move {
            let (mut count, mut revision, mut place) = (0, 0, 0);
            let mut due =
                tokio::time::interval(Duration::from_secs(1) * AT_ONCE / CHANGES_PER_SECOND);
            while !stopped.load(Ordering::Relaxed) {
                due.tick().await;
                let mut changes = Vec::new();
                for _ in 0..AT_ONCE {
                    let record = &mut records[place];
                    let blocked = record.declared.get("status") == Some(&json!("blocked"));
                    let status = if blocked { "unblocked" } else { "blocked" };
                    record.declared.insert("status".to_owned(), json!(status));
                    changes.push(Change::Update { record: record.clone(), expected: None });
                    place = (place + 1) % records.len();
                }
                revision = write(&*store, changes).await;
                count += u64::from(AT_ONCE);
            }
            Made { count, revision, records }
        });
        Self { stopping, task }
    }

    async fn end(self) -> Made {
        self.stopping.store(true, Ordering::Relaxed);
        self.task.await.expect("changes")
    }
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

fn p99(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() * 99 / 100).copied().expect("there was traffic")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
