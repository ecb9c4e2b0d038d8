//! Traffic at a gateway with a SQLite store while its own REST API takes changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::JoinHandle;

use crate::PORTAL;
use crate::clients::calls;
use crate::processors::ProcessorTime;
use crate::running::{ADMINISTRATOR, Caller, Running};
use crate::traffic::{Figures, TrafficPlan, p99};

const PUBLISHER: &str = "/api/am/publisher/v4";

/// Connections that change subscriptions, one call at a time each.
const CALLERS: u32 = 16;

/// Calls a second of all of them.
const WANTED: u32 = 1_000;

/// `clients`: so many applications are those of the traffic.
pub(crate) async fn measure(
    gateway: &Running,
    tokens: &[String],
    clients: usize,
    plan: &TrafficPlan,
) {
    let most = calls(gateway.port, tokens, None, plan.part).await.len() as f64;
    let rate = Some(most / plan.part.as_secs_f64() / 5.0);
    let mut lists: Vec<Vec<String>> = vec![Vec::new(); CALLERS as usize];
    for (number, id) in subscriptions(gateway, clients).await.into_iter().enumerate() {
        lists[number % CALLERS as usize].push(id);
    }
    let mut figures = Figures::default();
    for _ in 0..plan.rounds {
        let began = ProcessorTime::of(gateway.id());
        let quiet = calls(gateway.port, tokens, rate, plan.part).await;
        let quiet_time = ProcessorTime::of(gateway.id()).since(began);
        let (began, started) = (ProcessorTime::of(gateway.id()), Instant::now());
        let changing = RestChanges::begin(gateway, &lists).await;
        let meanwhile = calls(gateway.port, tokens, rate, plan.part).await;
        let count = changing.end().await;
        let time = ProcessorTime::of(gateway.id()).since(began);
        figures.reached.push(count as f64 / started.elapsed().as_secs_f64());
        figures.change.push((time.others - quiet_time.others) * 1e6 / count as f64);
        figures.request.push(time.workers * 1e6 / meanwhile.len() as f64);
        figures.quiet_request.push(quiet_time.workers * 1e6 / quiet.len() as f64);
        figures.quiet.push(p99(quiet));
        figures.following.push(p99(meanwhile));
    }
    println!("changes by the REST API of a gateway with SQLite:");
    figures.tell();
}

/// Subscriptions of others than the traffic's clients.
async fn subscriptions(gateway: &Running, clients: usize) -> Vec<String> {
    let mut caller = gateway.caller(ADMINISTRATOR).await;
    let (_, apis) = caller.timed(&format!("GET {PORTAL}/apis"), &Value::Null).await;
    let api = apis["list"][0]["id"].as_str().expect("an API").to_owned();
    let line = format!("GET {PORTAL}/subscriptions?apiId={api}&limit=1000");
    let (_, found) = caller.timed(&line, &Value::Null).await;
    let all = found["list"].as_array().expect("a list").iter();
    let others = all.filter(|own| {
        let name = own["applicationInfo"]["name"].as_str().unwrap_or_default();
        let number = name.rsplit('-').next().and_then(|text| text.parse::<usize>().ok());
        number.is_some_and(|number| name.starts_with("application-") && number >= clients)
    });
    others.map(|own| own["subscriptionId"].as_str().expect("an id").to_owned()).collect()
}

struct RestChanges {
    stopping: Arc<AtomicBool>,
    made: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<()>>,
}

impl RestChanges {
    async fn begin(gateway: &Running, lists: &[Vec<String>]) -> Self {
        let (stopping, made) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let mut tasks = Vec::new();
        for own in lists {
            let caller = gateway.caller(ADMINISTRATOR).await;
            let (stopped, counted) = (Arc::clone(&stopping), Arc::clone(&made));
            #[allow(clippy::disallowed_methods, reason = "its owner waits for it")]
            tasks.push(tokio::spawn(change(caller, own.clone(), stopped, counted)));
        }
        Self { stopping, made, tasks }
    }

    async fn end(self) -> u64 {
        self.stopping.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("changes");
        }
        self.made.load(Ordering::Relaxed)
    }
}

/// Blocks all of these subscriptions, then unblocks all, and so on.
async fn change(
    mut caller: Caller,
    ids: Vec<String>,
    stopped: Arc<AtomicBool>,
    made: Arc<AtomicU64>,
) {
    let mut due = tokio::time::interval(Duration::from_secs(1) * CALLERS / WANTED);
    for turn in 0.. {
        let verb = if turn % 2 == 0 { "block" } else { "unblock" };
        let state = if turn % 2 == 0 { "&blockState=BLOCKED" } else { "" };
        for id in &ids {
            if stopped.load(Ordering::Relaxed) {
                return;
            }
            due.tick().await;
            let line = format!(
                "POST {PUBLISHER}/subscriptions/{verb}-subscription?subscriptionId={id}{state}"
            );
            caller.timed(&line, &Value::Null).await;
            made.fetch_add(1, Ordering::Relaxed);
        }
    }
}
