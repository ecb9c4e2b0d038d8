//! Conformance of HTTP/2, as h2spec sees it: every case of its strict mode, over plain TCP and over TLS.
//!
//! `tests/run` installs h2spec below `target/tools`. The report must hold no failure but those of [`KNOWN`], and those
//! must fail: a case that passes again comes off the list.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use portcullis::demo::certificates;
use portcullis::supervise::clock::SystemClock;

use crate::support::config::{Config, api};
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::script::Script;

/// A failure that is right as it is, or not the gateway's to mend; with why.
struct Known {
    listener: &'static str,
    /// Section and what the case does, as the report names them.
    case: (&'static str, &'static str),
    reason: &'static str,
}

/// RFC 9113 section 3.4 lets a server close without a GOAWAY here: who sends another preface does not speak HTTP/2.
const PREFACE: (&str, &str) = ("http2/3.5", "Sends invalid connection preface");

const KNOWN: &[Known] = &[
    Known {
        listener: "http",
        case: PREFACE,
        reason: "where both protocols are spoken its text is a bad HTTP/1 request, and gets the 400 of that protocol",
    },
    Known {
        listener: "more",
        case: PREFACE,
        reason: "the h2 crate reads no further than a preface is long, so that closing resets the connection, which h2spec takes for an error",
    },
];

/// As many cases as the pinned version has: fewer means that a part did not run.
const CASES: usize = 147;

/// All cases together take about a second; one that waits in vain takes [`PATIENCE`] more.
const H2SPEC_DEADLINE: Duration = Duration::from_mins(2);

/// Seconds that a case waits for what it expects: much, because other tests run beside it.
const PATIENCE: &str = "5";

/// An API at `/` without a token, and each kind of listener.
fn config(backend: &str) -> Config {
    let root = api("root:1.0.0").at("/").to(backend).lines("default_version = true");
    Config::new()
        .tls_listener("https", "")
        .tables("[[listeners]]\nname = \"more\"\naddress = \"127.0.0.1:0\"\nprotocols = [\"h2\"]")
        .api(root.operation("method = \"*\", path = \"/\", auth = \"none\""))
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Skipped,
    /// What was expected, and what came.
    Failed(String),
}

#[derive(Debug)]
struct Case {
    section: String,
    description: String,
    outcome: Outcome,
}

#[tokio::test]
async fn http2_conforms_where_only_http2_is_spoken() {
    conforms("more", &[]).await;
}

#[tokio::test]
async fn http2_conforms_where_http1_is_spoken_too() {
    conforms("http", &[]).await;
}

#[tokio::test]
async fn http2_conforms_over_tls() {
    conforms("https", &["--tls", "--insecure"]).await;
}

async fn conforms(listener: &str, arguments: &[&'static str]) {
    // flow control is tested with bodies of a few bytes; this one also takes more than one frame
    let origin = Origin::serving(Script::answer(
        200,
        &[("content-type", "text/plain")],
        "conformance ".repeat(2000),
    ));
    let folder = tempfile::tempdir().unwrap();
    certificates::make(&folder.path().join("certs"), &SystemClock).unwrap();
    config(&origin.url()).write_to(folder.path());
    let gateway = Gateway::start_in(folder.path(), None).await;
    let mut command =
        Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/h2spec"));
    let port = gateway.at(listener).port().to_string();
    command
        .args(["--strict", "--host", "127.0.0.1", "--port", &port, "--timeout", PATIENCE])
        .args(arguments);
    let path = folder.path().join("report.xml");
    let report = tokio::task::spawn_blocking(move || h2spec(command, &path)).await.unwrap();
    compare(listener, &read(&report));
}

/// Runs h2spec and returns its report.
fn h2spec(mut command: Command, report: &Path) -> String {
    command
        .arg("--junit-report")
        .arg(report)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let child = command
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; tests/run installs h2spec"));
    let mut running = Running(child);
    let started = Instant::now();
    // its exit code tells only whether all cases passed
    while running.0.try_wait().expect("a child").is_none() {
        assert!(started.elapsed() < H2SPEC_DEADLINE, "h2spec does not end");
        std::thread::sleep(Duration::from_millis(50));
    }
    fs::read_to_string(report).expect("h2spec writes a report")
}

/// Ended by its id, whatever the test comes to.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Each of what failed is known, and each of what is known failed.
fn compare(listener: &str, cases: &[Case]) {
    assert_eq!(cases.len(), CASES, "not all cases ran, or others: {cases:#?}");
    let mut known: Vec<&Known> = KNOWN.iter().filter(|known| known.listener == listener).collect();
    let mut wrong = Vec::new();
    for case in cases {
        let listed = known
            .iter()
            .position(|known| known.case == (&*case.section, &*case.description))
            .map(|at| known.swap_remove(at));
        match (&case.outcome, listed) {
            (Outcome::Passed, None) | (Outcome::Failed(_), Some(_)) => {}
            (Outcome::Passed, Some(known)) => {
                wrong
                    .push(format!("passes, and is on the list because {}: {case:?}", known.reason));
            }
            (Outcome::Skipped | Outcome::Failed(_), _) => wrong.push(format!("{case:?}")),
        }
    }
    wrong.extend(known.iter().map(|Known { case, .. }| format!("there is no such case: {case:?}")));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Reads the report, which has one element for each case.
fn read(report: &str) -> Vec<Case> {
    report
        .split("<testcase ")
        .skip(1)
        .map(|element| {
            let element = element.split_once("</testcase>").expect("an end").0;
            let (start, content) = element.split_once('>').expect("a start tag");
            let outcome = match content.trim() {
                "" => Outcome::Passed,
                content if content.starts_with("<skipped") => Outcome::Skipped,
                content => Outcome::Failed(unescape(content)),
            };
            Case {
                section: attribute(start, "package"),
                description: attribute(start, "classname"),
                outcome,
            }
        })
        .collect()
}

fn attribute(tag: &str, name: &str) -> String {
    let value = tag
        .split_once(&format!("{name}=\""))
        .and_then(|(_, rest)| rest.split_once('"'))
        .expect("an attribute")
        .0;
    unescape(value)
}

fn unescape(text: &str) -> String {
    text.replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}
