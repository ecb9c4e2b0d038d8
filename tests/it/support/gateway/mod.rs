//! [`Gateway`]: the gateway itself, started in process from a `gateway.toml`, on free ports.

pub(crate) mod bank;
pub(crate) mod config;
pub(crate) mod password;
pub(crate) mod program;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use portcullis::management::{ReloadOutcome, ReloadRequest, Removals};
use portcullis::supervise::inherited::Inherited;
use portcullis::supervise::start::start;
use serde_json::Value;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};

use crate::support::client::{Client, Protocol};
use crate::support::config::Config;
use crate::support::credentials::basic;
use crate::support::{DEADLINE, until, within};

/// A gateway on threads of its own. Dropping it drains it.
pub(crate) struct Gateway {
    folder: PathBuf,
    _kept: Option<tempfile::TempDir>,
    addresses: Vec<(String, SocketAddr)>,
    management: Option<SocketAddr>,
    reload: mpsc::Sender<ReloadRequest>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Started {
    addresses: Vec<(String, SocketAddr)>,
    management: Option<SocketAddr>,
    reload: mpsc::Sender<ReloadRequest>,
}

impl Gateway {
    /// Starts a gateway of the `gateway.toml` in this folder; panics with the report if it does not start.
    pub(crate) async fn start_in(folder: &Path, kept: Option<tempfile::TempDir>) -> Gateway {
        let (sender, started) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let path = folder.join("gateway.toml");
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let running = match start(&path, None, Inherited::default()).await {
                    Ok(running) => running,
                    Err(error) => {
                        let _ = sender.send(Err(error.describe()));
                        return;
                    }
                };
                let addresses = ["http", "https", "more"]
                    .into_iter()
                    .filter_map(|name| Some((name.to_owned(), running.address(name)?)));
                let _ = sender.send(Ok(Started {
                    addresses: addresses.collect(),
                    management: running.management_address(),
                    reload: running.reload_requests(),
                }));
                running
                    .run_until(async {
                        let _ = stopped.await;
                    })
                    .await;
            });
        });
        let started = within("the gateway starts", started).await.expect("an outcome");
        let Started { addresses, management, reload } =
            started.unwrap_or_else(|report| panic!("{report}"));
        Gateway {
            folder: folder.to_owned(),
            _kept: kept,
            addresses,
            management,
            reload,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a listener named "http", "https" or "more" is.
    pub(crate) fn at(&self, listener: &str) -> SocketAddr {
        self.addresses
            .iter()
            .find(|(name, _)| name == listener)
            .map(|(_, address)| *address)
            .expect("a listener")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.at("http")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// A GET with this bearer token.
    pub(crate) async fn get(&self, path: &str, token: Option<&str>) -> Response<Bytes> {
        self.request("GET", path, token, Bytes::new()).await
    }

    /// The status of a GET with this bearer token.
    pub(crate) async fn status(&self, path: &str, token: &str) -> u16 {
        self.get(path, Some(token)).await.status().as_u16()
    }

    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Bytes,
    ) -> Response<Bytes> {
        let mut request = Request::builder().method(method).uri(self.url(path));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.send(request.body(body).expect("a request")).await
    }

    pub(crate) async fn send(&self, request: Request<Bytes>) -> Response<Bytes> {
        within("an answer", Client::plain(Protocol::Http1).send(request)).await.expect("an answer")
    }

    pub(crate) fn management_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.management.expect("management"))
    }

    /// A call of the management listener.
    pub(crate) async fn management(&self, method: &str, path: &str) -> Response<Bytes> {
        let address = self.management.expect("management");
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{address}{path}"))
            .body(Bytes::new());
        self.send(request.expect("a request")).await
    }

    /// A call of the management listener by this user, with more headers and a body of JSON.
    pub(crate) async fn management_as(
        &self,
        user: &str,
        line: (&str, &str),
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Response<Bytes> {
        let mut request = Request::builder()
            .method(line.0)
            .uri(self.management_url(line.1))
            .header("authorization", basic(user, "secret"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        self.send(request.body(Bytes::from(body)).expect("a request")).await
    }

    pub(crate) async fn metrics(&self) -> String {
        String::from_utf8(self.management("GET", "/metrics").await.into_body().to_vec())
            .expect("text")
    }

    /// The sum of all series of a metric, `name` or `name{label="value",..}` with some of its labels; panics without one.
    pub(crate) async fn metric(&self, wanted: &str) -> u64 {
        let text = self.metrics().await;
        sum(&text, wanted).unwrap_or_else(|| panic!("no {wanted} in {text}"))
    }

    /// The same, but 0 for a series that is not there before it is counted.
    pub(crate) async fn metric_or_zero(&self, wanted: &str) -> u64 {
        sum(&self.metrics().await, wanted).unwrap_or(0)
    }

    /// Waits until a metric has this value.
    pub(crate) async fn metric_becomes(&self, wanted: &str, value: u64) {
        let what = format!("{wanted} is {value}");
        until(&what, async || self.metric_or_zero(wanted).await, |seen| *seen == value).await;
    }

    /// Waits until a metric has at least this value.
    pub(crate) async fn metric_reaches(&self, wanted: &str, value: u64) {
        let what = format!("{wanted} is at least {value}");
        until(&what, async || self.metric_or_zero(wanted).await, |seen| *seen >= value).await;
    }

    /// Waits until every key manager has keys.
    pub(crate) async fn ready(&self) {
        let started = Instant::now();
        while self.management("GET", "/readyz").await.status() != 200 {
            assert!(started.elapsed() < DEADLINE, "never ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Writes this file and what belongs beside it, and reloads.
    pub(crate) async fn change(&self, config: &Config) -> Result<u64, String> {
        config.write_to(&self.folder);
        self.reload(&config.to_string()).await
    }

    /// The reports with which these files are refused, as they read in any folder: one snapshot shows them all.
    pub(crate) async fn reports(&self, files: impl IntoIterator<Item = String>) -> String {
        let folder = format!("{}/", self.folder.display());
        let mut reports = Vec::new();
        for file in files {
            match self.reload(&file).await {
                Ok(_) => panic!("it is taken: {file}"),
                Err(report) => reports.push(report.replace(&folder, "").trim_end().to_owned()),
            }
        }
        reports.join("\n\n----\n\n")
    }

    /// Writes this text as the whole `gateway.toml`, and reloads.
    pub(crate) async fn reload(&self, text: &str) -> Result<u64, String> {
        fs::write(self.folder.join("gateway.toml"), text).expect("written");
        // tests replace whole files
        let (request, outcome) = ReloadRequest::new(Removals::Confirmed);
        self.reload.send(request).await.expect("a running gateway");
        match within("a reload", outcome).await.expect("an outcome") {
            ReloadOutcome::Applied { generation } => Ok(generation),
            ReloadOutcome::Refused { report } => Err(report),
            ReloadOutcome::Planned { plan } => panic!("nobody asked for {plan}"),
        }
    }

    /// The access log's lines, once there are this many; by their time, for each worker writes its own when it comes to it.
    pub(crate) async fn log(&self, lines: usize) -> Vec<Value> {
        let started = Instant::now();
        loop {
            let text = fs::read_to_string(self.folder.join("access.log")).unwrap_or_default();
            let mut read: Vec<Value> =
                text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            if read.len() >= lines {
                read.sort_by_key(|line| line["time"].as_str().map(str::to_owned));
                return read;
            }
            assert!(started.elapsed() < DEADLINE, "only {} lines: {text}", read.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Gateway {
    /// Waits until the access log has a line with this reason, and returns the first.
    pub(crate) async fn logged(&self, reason: &str) -> Value {
        let line = async || {
            let lines = self.log(1).await;
            lines.into_iter().find(|line| line["reason"] == reason)
        };
        until(reason, line, Option::is_some).await.expect("a line")
    }
}

impl Gateway {
    /// Drains the gateway and waits for its end; its folder stays.
    pub(crate) fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.end();
    }
}

/// The sum of the samples of a metric in the text format, of all its series that have these labels.
fn sum(text: &str, wanted: &str) -> Option<u64> {
    let (name, labels) = wanted.trim_end_matches('}').split_once('{').unwrap_or((wanted, ""));
    let labels: Vec<&str> = labels.split(',').filter(|label| !label.is_empty()).collect();
    let samples = text.lines().filter_map(|line| {
        let (series, value) = line.strip_prefix(name)?.rsplit_once(' ')?;
        let fits = series.is_empty() || series.starts_with('{');
        let has = |label: &&str| {
            series.contains(&format!("{{{label}")) || series.contains(&format!(",{label}"))
        };
        (fits && labels.iter().all(has)).then(|| value.parse::<u64>().expect("a whole number"))
    });
    samples.reduce(|one, two| one + two)
}

/// A body as JSON.
pub(crate) fn json(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body())
        .unwrap_or_else(|_| panic!("not JSON: {:?}", response.body()))
}
