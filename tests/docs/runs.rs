//! Runs what the pages say about a gateway: the file of getting-started.md, and each marked command beside it.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use portcullis::demo::certificates;
use portcullis::supervise::clock::SystemClock;

use crate::journeys::postgres::free_port::free_port;
use crate::pages::{page, pages};

/// Far longer than anything on loopback takes.
const DEADLINE: Duration = Duration::from_secs(15);

const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"one","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// A shell in which the program has its name, and a failed call ends it.
pub(crate) const PRELUDE: &str = r#"set -eu
portcullis() { "$PORTCULLIS" "$@"; }
curl() { command curl -fsS --max-time 15 "$@"; }
"#;

/// The ports of this test, instead of those on the pages.
pub(crate) struct Ports(pub(crate) [(&'static str, u16); 3]);

impl Ports {
    pub(crate) fn put(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (written, port)| {
            text.replace(&format!(":{written}"), &format!(":{port}"))
        })
    }
}

/// The gateway's process; it ends with its owner.
pub(crate) struct Gateway(Child);

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_marked_commands_work() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let backend = server.local_addr().unwrap().port();
    std::thread::spawn(move || server.incoming().flatten().for_each(|stream| answer(stream, KEYS)));
    let ports = Ports([("8080", backend), ("8280", free_port()), ("9443", free_port())]);
    let folder = tempfile::tempdir().unwrap();
    certificates::make(&folder.path().join("certs"), &SystemClock).unwrap();
    let file = page("getting-started.md").blocks("toml").into_iter();
    let file = file.filter(|block| block.mark == "run: file").map(|block| block.text);
    let file: String = file.collect();
    assert!(!file.is_empty());
    // the other pages' key manager
    let text = format!(
        "{file}\n[[key_managers]]\nname = \"is7\"\nissuer = \"https://is7.bank.example\"\n\
         certificates = {{ jwks = \"http://127.0.0.1:8080/jwks\" }}\n"
    );
    fs::write(folder.path().join("gateway.toml"), ports.put(&text)).unwrap();
    let gateway = start(folder.path(), &[]);
    let mut ran = 0;
    for page in pages() {
        for block in page.blocks("sh").iter().filter(|block| block.mark == "run: in the folder") {
            let script = format!("{PRELUDE}{}", ports.put(&block.text));
            let output = shell(folder.path(), &script);
            assert!(output.status.success(), "{}:\n{}\n{output:?}", page.name(), block.text);
            ran += 1;
        }
    }
    assert!(ran >= 8, "{ran}");
    drop(gateway);
}

pub(crate) fn shell(folder: &Path, script: &str) -> std::process::Output {
    let mut command = Command::new("bash");
    command.args(["-c", script]).current_dir(folder).env_remove("PORTCULLIS_CONFIG");
    command.env("PORTCULLIS", env!("CARGO_BIN_EXE_portcullis")).output().unwrap()
}

/// Starts the program in a folder, with these variables.
pub(crate) fn start(folder: &Path, variables: &[(&str, &str)]) -> Gateway {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.arg("run").current_dir(folder).env_remove("PORTCULLIS_CONFIG");
    command.envs(variables.iter().copied());
    let log = fs::File::create(folder.join("log")).unwrap();
    let mut gateway = Gateway(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
    let log = || fs::read_to_string(folder.join("log")).unwrap_or_default();
    let started = Instant::now();
    let exports = variables.iter().map(|(name, value)| format!("export {name}='{value}'\n"));
    let check = format!("{PRELUDE}{}portcullis healthcheck", exports.collect::<String>());
    while !shell(folder, &check).status.success() {
        assert!(gateway.0.try_wait().unwrap().is_none(), "it ended: {}", log());
        assert!(started.elapsed() < DEADLINE, "never ready: {}", log());
        std::thread::sleep(Duration::from_millis(20));
    }
    gateway
}

/// A backend and an authorization server: answers every request with this key set.
pub(crate) fn answer(mut stream: TcpStream, body: &str) {
    let _ = stream.set_read_timeout(Some(DEADLINE));
    let mut head = Vec::new();
    let mut bytes = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut bytes) {
            Ok(read @ 1..) => head.extend_from_slice(&bytes[..read]),
            _ => return,
        }
    }
    // closing with unread bytes would reset the connection before the answer is read
    let mut left = unread(&head);
    while left > 0 {
        match stream.read(&mut bytes) {
            Ok(read @ 1..) => left = left.saturating_sub(read),
            _ => return,
        }
    }
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
}

/// The bytes of a request's body that have not come with its head.
fn unread(received: &[u8]) -> usize {
    let text = String::from_utf8_lossy(received).to_ascii_lowercase();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text.as_str(), ""));
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.map_or(0, |own| own.trim().parse().unwrap_or(0));
    length.saturating_sub(body.len())
}
