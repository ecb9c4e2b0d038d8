//! Prometheus over the real program: the rules and dashboards of `deploy/` ask for nothing that is not there.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use regex::Regex;
use serde_json::Value;

use crate::support::client::{Client, Protocol};
use crate::support::collector::Collector;
use crate::support::config::{Config, api};
use crate::support::free_port::free_port;
use crate::support::origin::Origin;
use crate::support::password;
use crate::support::program::Program;
use crate::support::redis::Redis;
use crate::support::script::Script;
use crate::support::signer::Signer;
use crate::support::until;

/// Between two scrapes.
const INTERVAL: &str = "250ms";

/// The window that Grafana would choose: several scrapes.
const RATE: &str = "5s";

/// Far longer than a series needs to appear.
const PATIENCE: Duration = Duration::from_mins(1);

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

fn promtool(arguments: &[&str], folder: &Path, input: &str) -> Output {
    let mut child = Command::new("promtool")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool of the package prometheus");
    child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("written");
    child.wait_with_output().expect("it ends")
}

fn assert_success(output: &Output) {
    let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{}", said.join("\n"));
}

#[test]
fn the_rules_hold_what_their_own_tests_say() {
    let folder = deploy("prometheus");
    assert_success(&promtool(&["check", "rules", "portcullis.rules.yml"], &folder, ""));
    assert_success(&promtool(&["test", "rules", "portcullis.rules.test.yml"], &folder, ""));
}

/// The alerts of the rules file.
fn alerts() -> Vec<String> {
    let rules = fs::read_to_string(deploy("prometheus/portcullis.rules.yml")).unwrap();
    let name = Regex::new(r"(?m)^ *- alert: (\w+)$").unwrap();
    name.captures_iter(&rules).map(|found| found[1].to_owned()).collect()
}

#[test]
fn each_alert_is_tested_and_has_a_paragraph() {
    let manual = fs::read_to_string(deploy("../docs/operations.md")).unwrap();
    let rules = fs::read_to_string(deploy("prometheus/portcullis.rules.yml")).unwrap();
    let tests = fs::read_to_string(deploy("prometheus/portcullis.rules.test.yml")).unwrap();
    let alerts = alerts();
    assert!(alerts.len() > 20, "{alerts:?}");
    for alert in alerts {
        assert!(manual.contains(&format!("\n### {alert}\n\n")), "{alert} in the manual");
        let link = format!("runbook_url: docs/operations.md#{}\n", alert.to_lowercase());
        assert!(rules.contains(&link), "{link}");
        let tested = tests.matches(&format!("alertname: {alert}\n")).count();
        assert_eq!(tested, 2, "{alert} is tested where it fires and where it does not");
    }
}

/// A Prometheus in a folder of its own. Ends with its owner.
struct Prometheus {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    fn start(target: u16) -> Prometheus {
        let folder = tempfile::tempdir().expect("a folder");
        let rules = deploy("prometheus/portcullis.rules.yml");
        let config = format!(
            "global: {{ scrape_interval: {INTERVAL}, evaluation_interval: 1s }}\n\
             rule_files: [{rules:?}]\n\
             scrape_configs:\n  - job_name: portcullis\n    static_configs:\n\
             \x20     - targets: [\"127.0.0.1:{target}\"]\n"
        );
        fs::write(folder.path().join("prometheus.yml"), config).expect("written");
        let port = free_port();
        let child = Command::new("prometheus")
            .current_dir(folder.path())
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=error"])
            .arg("--enable-feature=exemplar-storage")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("prometheus of the package prometheus");
        Prometheus { child, port, _folder: folder }
    }

    async fn get(&self, path: &str) -> Value {
        let url = format!("http://127.0.0.1:{}/api/v1/{path}", self.port);
        let request = Request::get(url).body(Bytes::new()).unwrap();
        match Client::plain(Protocol::Http1).send(request).await {
            Ok(answer) => serde_json::from_slice(answer.body()).unwrap_or_default(),
            Err(_) => Value::Null,
        }
    }

    /// The series of a query; an error is none.
    async fn series(&self, query: &str) -> Vec<Value> {
        let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let answer = self.get(&format!("query?query={query}")).await;
        assert!(answer["status"] != "error", "{answer}");
        answer["data"]["result"].as_array().cloned().unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every query of a dashboard, as Grafana would send it.
fn dashboard_queries(text: &str) -> Vec<String> {
    let dashboard: Value = serde_json::from_str(text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("targets"));
    let queries = targets.map(|target| target["expr"].as_str().expect("a query").to_owned());
    queries
        .map(|query| query.replace("$__rate_interval", RATE).replace("$instance", ".*"))
        .collect()
}

/// What the queries of all dashboards and alerts ask for: whole queries, and names of metrics.
fn asked() -> (Vec<String>, BTreeSet<String>) {
    let mut queries = Vec::new();
    for file in fs::read_dir(deploy("grafana")).unwrap() {
        queries.extend(dashboard_queries(&fs::read_to_string(file.unwrap().path()).unwrap()));
    }
    assert!(queries.len() > 70, "{}", queries.len());
    let rules = fs::read_to_string(deploy("prometheus/portcullis.rules.yml")).unwrap();
    let metric = Regex::new(r"\b(portcullis_\w+|process_\w+|portcullis:[\w:]+)\b").unwrap();
    let names = metric.find_iter(&rules).map(|found| found.as_str().to_owned()).collect();
    (queries, names)
}

/// A certificate of its own for `localhost`.
fn write_certificate(folder: &Path) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(folder.join("own.crt"), made.cert.pem()).unwrap();
    fs::write(folder.join("own.key"), made.signing_key.serialize_pem()).unwrap();
}

/// A gateway that has something of everything.
fn program(origin: &Origin, key_sets: &Origin, collector: &Collector, redis: &Redis) -> Program {
    let tls = free_port();
    // a store is opened where somebody may sign in
    let hash = password::hash();
    let users =
        format!("users = [{{ name = \"anna\", password_hash = \"{hash}\", roles = [\"admin\"] }}]");
    let more = format!(
        "[[listeners]]\nname = \"https\"\naddress = \"127.0.0.1:{tls}\"\n\
         tls = {{ certificate = \"own.crt\", key = \"own.key\" }}\n\
         [revocation]\nchannel = \"{redis}\"\n\
         [throttling]\ncounters = \"{redis}\"\n\
         [telemetry]\nmetrics = {{ application_label = true }}\n\
         traces = {{ otlp = \"{}\", sample = 1.0 }}\n\
         [[throttling_policies]]\nname = \"Two\"\nlevel = \"advanced\"\nrequests = 2\nper = \"1m\"",
        collector.url(),
        redis = redis.address(""),
    );
    let fetched = format!(
        "issuer = \"https://fetched.example\"\ncertificates = {{ jwks = \"{}\" }}",
        key_sets.url()
    );
    let open = "method = \"GET\", path = \"/*\", auth = \"none\"";
    let busy = api("busy:1")
        .to(&origin.url())
        .production("health = { path = \"/\", interval = \"1s\" }")
        .operation(&format!("{open}, policy = \"Two\""));
    let dead = api("dead:1").open().to(&format!("http://{}", Origin::refusing_address()));
    let again = api("again:1")
        .open()
        .to(&format!("https://localhost:{tls}"))
        .production("tls = { ca = \"own.crt\" }");
    let change = |config: Config| {
        config
            .asking("opaque", &format!("{}/introspect", origin.url()), "")
            .key_manager("fetched", &fetched)
            .api(busy)
            .api(dead)
            .api(again)
    };
    let program = Program::of(&origin.url(), &format!("{users}\n{more}"), change);
    write_certificate(program.path());
    program
}

/// What clients do all the time: most of it passes, and some of it fails in each way that a panel shows.
async fn traffic(port: u16, token: String) {
    let paths = [
        ("/accounts/1.0.0/accounts/42", token.as_str()),
        ("/audience/1.0.0/x", token.as_str()),
        ("/accounts/1.0.0/accounts/42", "garbage"),
        ("/accounts/1.0.0/accounts/42", ""),
        ("/busy/1/x", ""),
        ("/dead/1/x", ""),
        ("/again/1/x", ""),
        ("/nowhere", ""),
    ];
    let client = Client::plain(Protocol::Http1);
    loop {
        for (path, token) in paths {
            let mut request = Request::get(format!("http://127.0.0.1:{port}{path}"));
            if !token.is_empty() {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let _ = client.send(request.body(Bytes::new()).unwrap()).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn every_query_of_the_dashboards_and_alerts_has_data() {
    let (origin, redis, collector) = (Origin::start(), Redis::start(), Collector::start().await);
    let jwks = Signer::new("key-9").jwks();
    let key_sets =
        Origin::serving(Script::answer(200, &[("content-type", "application/json")], jwks));
    let mut program = program(&origin, &key_sets, &collector, &redis);
    program.start();
    program.wait_until_ready();
    let mut clients = tokio::task::JoinSet::new();
    clients.spawn(traffic(program.port, program.token()));
    let prometheus = Prometheus::start(program.management);

    let (queries, names) = asked();
    let text = program.metrics().await;
    assert_success(&promtool(&["check", "metrics"], program.path(), &text));
    let started = Instant::now();
    let mut open: Vec<String> = queries.into_iter().chain(names).collect();
    while !open.is_empty() {
        let mut empty = Vec::new();
        for query in open {
            if prometheus.series(&query).await.is_empty() {
                empty.push(query);
            }
        }
        open = empty;
        assert!(started.elapsed() < PATIENCE, "without a series: {open:#?}");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let rules = prometheus.get("rules").await;
    let groups = rules["data"]["groups"].as_array().expect("groups");
    let each = groups.iter().flat_map(|group| group["rules"].as_array().expect("rules"));
    for rule in each {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    // what was scraped as OpenMetrics leads to a trace that the collector has
    let now = jsonwebtoken::get_current_timestamp();
    let range = format!("start={}&end={}", now - 600, now + 60);
    let query = format!("query_exemplars?query=portcullis_request_duration_seconds_bucket&{range}");
    let exemplars = async || prometheus.get(&query).await["data"][0]["exemplars"].clone();
    let found = until("exemplars", exemplars, |found| found[0].is_object()).await;
    let trace = found[0]["labels"]["trace_id"].clone();
    let known = async || collector.spans().iter().any(|span| span["trace"] == trace);
    until("the collector has it", known, |known| *known).await;
}
