//! [`Collector`]: the OpenTelemetry Collector's own receiver of traces (`tests/collector`), in a process of its own.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;

use crate::support::until;

/// Ends with its owner.
pub(crate) struct Collector {
    address: SocketAddr,
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Collector {
    /// Starts one on a free port, and waits until it listens.
    pub(crate) async fn start() -> Collector {
        let port = crate::support::free_port::free_port();
        let collector = Collector::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        collector.wait_until_ready().await;
        collector
    }

    pub(crate) fn start_at(address: SocketAddr) -> Collector {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/otlp-receiver");
        let mut child = Command::new(&path)
            .arg(address.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; tests/run builds it", path.display()));
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&lines);
        let reader = std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                kept.lock().unwrap().push(line);
            }
        });
        Collector { address, child, lines, reader: Some(reader) }
    }

    pub(crate) async fn wait_until_ready(&self) {
        let first = async || self.lines.lock().unwrap().first().cloned();
        until("the collector listens", first, |line| line.as_deref() == Some("ready")).await;
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The spans so far, one object each.
    pub(crate) fn spans(&self) -> Vec<Value> {
        let lines = self.lines.lock().unwrap();
        let spans = lines.iter().filter(|line| line.starts_with('{'));
        spans.map(|line| serde_json::from_str(line).expect("an object")).collect()
    }

    /// Waits for that many spans.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Value> {
        until("spans arrive", async || self.spans(), |spans| spans.len() >= count).await
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // it ends with its input
        drop(self.child.stdin.take());
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}
