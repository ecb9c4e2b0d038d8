//! A server of the channel that answers without end costs a connection, and no memory.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::DEADLINE;
use crate::support::bank::Bank;

/// What the gateway may read, and what the system's buffers hold on both sides.
const MOST: u64 = 40 * 1024 * 1024;

/// Accepts connections until it is dropped, and counts what was taken of each.
struct Endless {
    port: u16,
    stop: Arc<AtomicBool>,
    /// Connections that were closed by the other side, and the most that one has read.
    closed: Arc<AtomicU64>,
    most: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Endless {
    /// Says this first to whatever is asked, and then numbers for as long as they are read.
    fn start(first: &'static str) -> Endless {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        listener.set_nonblocking(true).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (closed, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let parts = (Arc::clone(&stop), Arc::clone(&closed), Arc::clone(&most));
        let thread = std::thread::spawn(move || {
            let (stop, closed, most) = parts;
            let mut serving = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let Ok((mut stream, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(10));
                    continue;
                };
                let (stop, closed, most) =
                    (Arc::clone(&stop), Arc::clone(&closed), Arc::clone(&most));
                serving.push(std::thread::spawn(move || {
                    stream.set_nonblocking(false).unwrap();
                    stream.set_read_timeout(Some(DEADLINE)).unwrap();
                    stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
                    let mut asked = [0; 4096];
                    let _ = stream.read(&mut asked);
                    let _ = stream.write_all(first.as_bytes());
                    let numbers = ":1234567\r\n".repeat(6000);
                    let mut written = 0_u64;
                    while !stop.load(Ordering::Relaxed) && written < 4 * MOST {
                        match stream.write(numbers.as_bytes()) {
                            Ok(bytes) => written += bytes as u64,
                            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                            Err(_) => break,
                        }
                        most.fetch_max(written, Ordering::Relaxed);
                    }
                    closed.fetch_add(1, Ordering::Relaxed);
                }));
            }
            for thread in serving {
                thread.join().unwrap();
            }
        });
        Endless { port, stop, closed, most, thread: Some(thread) }
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[tokio::test]
async fn what_a_server_answers_is_read_within_a_bound() {
    // an array that never ends, and simple answers that nobody asked for
    for first in ["*1000000000\r\n", ""] {
        let server = Endless::start(first);
        let channel = format!("[revocation]\nchannel = \"redis://127.0.0.1:{}\"\n", server.port);
        let bank = Bank::with(&channel).await;
        let started = Instant::now();
        while server.closed.load(Ordering::Relaxed) < 2 {
            assert!(started.elapsed() < DEADLINE, "the connection is not given up");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let most = server.most.load(Ordering::Relaxed);
        assert!(most < MOST, "{most} bytes were read");
        assert_eq!(bank.gateway.management("GET", "/livez").await.status(), 200);
        let metrics = bank.gateway.metrics().await;
        assert!(metrics.contains("portcullis_revocation_channel_up 0\n"), "{metrics}");
    }
}
