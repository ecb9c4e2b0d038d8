//! [`Peers`]: real WebSocket and gRPC servers and clients, in a process of their own, as `tests/peers` runs them.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// The longest that one command may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// One process. It ends with this value.
pub(crate) struct Peers {
    process: Child,
    line: Arc<Mutex<(ChildStdin, Receiver<Value>)>>,
}

impl Peers {
    pub(crate) fn start() -> Peers {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers");
        let node = std::env::var_os("NODE").unwrap_or_else(|| "node".into());
        let mut command = Command::new(node);
        command.arg("peers.mjs").current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process =
            command.spawn().expect("node runs: install Node 20, and `npm ci --prefix tests/peers`");
        let (input, output) =
            (process.stdin.take().expect("its input"), process.stdout.take().expect("its output"));
        let (sender, answers) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Ok(answer) = serde_json::from_str(&line) {
                    let _ = sender.send(answer);
                }
            }
        });
        Peers { process, line: Arc::new(Mutex::new((input, answers))) }
    }

    /// Tells the process what to do and waits for its answer. One command at a time.
    pub(crate) async fn call(&self, command: &str, mut parameters: Value) -> Value {
        parameters["command"] = json!(command);
        parameters["id"] = json!(1);
        let line = Arc::clone(&self.line);
        let waiting = tokio::task::spawn_blocking(move || {
            let mut line = line.lock().unwrap();
            let (input, answers) = &mut *line;
            writeln!(input, "{parameters}").expect("the process listens");
            input.flush().expect("the process listens");
            let answer = answers
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("no answer to {parameters}"));
            assert!(answer.get("error").is_none(), "{parameters}: {answer}");
            answer["result"].clone()
        });
        waiting.await.expect("an answer")
    }

    /// The port of a server that was just started.
    pub(crate) async fn serve(&self, command: &str) -> u64 {
        self.call(command, json!({})).await["port"].as_u64().expect("a port")
    }

    /// What the servers saw of this kind, once there is something.
    pub(crate) async fn saw(&self, kind: &str) -> Vec<Value> {
        for _ in 0..100 {
            let seen = self.call("seen", json!({})).await;
            let found: Vec<Value> = seen
                .as_array()
                .expect("a list")
                .iter()
                .filter(|seen| seen["kind"] == kind)
                .cloned()
                .collect();
            if !found.is_empty() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no server saw {kind}");
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
