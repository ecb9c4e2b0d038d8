//! Connections to the servers that hold the counters: one server, the primary behind sentinels, or
//! a cluster.

use std::collections::HashMap;
use std::time::Duration;

use redis::{Cmd, ErrorKind, Pipeline, RedisError, ServerErrorKind, Value, cmd};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::limiter::shared::error::CounterError;
use crate::limiter::shared::scripts::{Script, Scripts, whole};
use crate::limiter::shared::slots::{SlotMap, slot};
use crate::model::redis::{HostPort, RedisLayout, RedisServers};
use crate::redis_link::{BoundedConnection, connect, schedule};

/// The longest round of calls: a slower server counts as down. Requests wait far less.
const ROUND: Duration = Duration::from_secs(1);

/// The key with the format of the counters.
const VERSION_KEY: &str = "portcullis:counters:version";

/// The key of [`Servers::epoch`]. It lies in the slot of the counters that requests wait for.
const EPOCH_KEY: &str = "{portcullis}:counters:epoch";

/// The version of the format in which this build writes counters.
const VERSION: &str = "1";

/// One script on one key, or on several keys of one slot.
#[derive(Debug, Clone)]
pub(super) struct ScriptCall {
    pub(super) script: Script,
    pub(super) keys: Vec<Vec<u8>>,
    pub(super) arguments: Vec<Vec<u8>>,
}

/// The servers, with a connection to each that was needed so far.
#[derive(Debug)]
pub(super) struct Servers {
    settings: RedisServers,
    nodes: HashMap<HostPort, Node>,
    /// The server of all keys; in a cluster, the server that lists the slots.
    primary: HostPort,
    slots: Option<SlotMap>,
    /// The tasks of the connections; they end with their owner.
    drivers: JoinSet<()>,
}

#[derive(Debug, Clone)]
struct Node {
    link: BoundedConnection,
    scripts: Scripts,
}

impl Servers {
    /// Connects to the servers, and checks that they hold counters of this build, or none.
    pub(super) async fn connect(settings: &RedisServers) -> Result<Self, CounterError> {
        let mut last = CounterError::NoServer;
        for seed in &settings.seeds {
            match Self::connect_by(settings, seed).await {
                Ok(servers) => return Ok(servers),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn connect_by(settings: &RedisServers, seed: &HostPort) -> Result<Self, CounterError> {
        let mut servers = Self {
            settings: settings.clone(),
            nodes: HashMap::new(),
            primary: seed.clone(),
            slots: None,
            drivers: JoinSet::new(),
        };
        match &settings.layout {
            RedisLayout::Single => {}
            RedisLayout::Sentinel { name } => {
                servers.primary = ask_sentinel(settings, seed, name).await?;
            }
            RedisLayout::Cluster => servers.refresh_slots(seed).await?,
        }
        if !matches!(settings.layout, RedisLayout::Cluster) {
            let node = servers.node(&servers.primary.clone()).await?;
            role(node).await?;
        }
        servers.check_version().await?;
        Ok(servers)
    }

    /// The clock of the server that decides, in ms since 1970.
    pub(super) async fn time(&mut self) -> Result<u64, CounterError> {
        let answer: Value = self.ask(EPOCH_KEY, &cmd("TIME")).await?;
        let Value::Array(parts) = answer else { return Err(CounterError::Shape("TIME")) };
        let mut parts = parts.iter().map(whole);
        match (parts.next().flatten(), parts.next().flatten()) {
            (Some(seconds), Some(micros)) => Ok(seconds.saturating_mul(1000) + micros / 1000),
            _ => Err(CounterError::Shape("TIME")),
        }
    }

    /// Returns a value that changes when the servers lose their data.
    pub(super) async fn epoch(&mut self) -> Result<Vec<u8>, CounterError> {
        let set = cmd("SET").arg(EPOCH_KEY).arg(schedule::unique()).arg("NX").to_owned();
        self.ask(EPOCH_KEY, &set).await?;
        match self.ask(EPOCH_KEY, cmd("GET").arg(EPOCH_KEY)).await? {
            Value::BulkString(epoch) => Ok(epoch),
            _ => Err(CounterError::Shape("GET")),
        }
    }

    /// Asks the server that holds a key.
    async fn ask(&mut self, key: &str, command: &Cmd) -> Result<Value, CounterError> {
        let holder = match &self.slots {
            Some(slots) => slots.server(slot(key.as_bytes())).cloned(),
            None => Some(self.primary.clone()),
        };
        let node = self.node(&holder.ok_or(CounterError::Incomplete)?).await?;
        let asking = command.query_async::<Value>(&mut node.link);
        Ok(timeout(ROUND, asking).await.map_err(|_| CounterError::Late)??)
    }

    /// Runs all calls at once, each on the server that holds its keys. The answers have the order
    /// of the calls.
    pub(super) async fn run(&mut self, calls: &[ScriptCall]) -> Result<Vec<Value>, CounterError> {
        timeout(ROUND, self.run_all(calls)).await.map_err(|_| CounterError::Late)?
    }

    async fn run_all(&mut self, calls: &[ScriptCall]) -> Result<Vec<Value>, CounterError> {
        let mut answers = vec![Value::Nil; calls.len()];
        let all: Vec<usize> = (0..calls.len()).collect();
        let again = self.round(calls, &all, &mut answers).await?;
        if again.is_empty() {
            return Ok(answers);
        }
        // slots were moved: once more, at their present server
        let primary = self.primary.clone();
        self.refresh_slots(&primary).await?;
        let moved = self.round(calls, &again, &mut answers).await?;
        if moved.is_empty() { Ok(answers) } else { Err(CounterError::Moving) }
    }

    /// Asks each server for its part. Returns the calls that another server must answer.
    async fn round(
        &mut self,
        calls: &[ScriptCall],
        which: &[usize],
        answers: &mut [Value],
    ) -> Result<Vec<usize>, CounterError> {
        let mut parts: HashMap<HostPort, Vec<usize>> = HashMap::new();
        for position in which {
            let Some(call) = calls.get(*position) else { continue };
            parts.entry(self.holder(call)?).or_default().push(*position);
        }
        let mut asked = JoinSet::new();
        for (server, positions) in parts {
            let Node { mut link, scripts } = self.node(&server).await?.clone();
            let mut pipeline = Pipeline::new();
            for call in positions.iter().filter_map(|position| calls.get(*position)) {
                pipeline.add_command(call.command(&scripts));
            }
            pipeline.ignore_errors();
            asked.spawn(
                async move { (pipeline.query_async::<Vec<Value>>(&mut link).await, positions) },
            );
        }
        let mut again = Vec::new();
        while let Some(ended) = asked.join_next().await {
            let (values, positions) = ended.map_err(|_| CounterError::Closed)?;
            for (value, position) in values?.into_iter().zip(positions) {
                match value {
                    Value::ServerError(error) => {
                        match self.redirected(error.into(), calls, position).await? {
                            Some(value) => put(answers, position, value),
                            None => again.push(position),
                        }
                    }
                    value => put(answers, position, value),
                }
            }
        }
        Ok(again)
    }

    /// Follows `ASK` to the server that takes the slot over. Returns `None` if the slots must be
    /// read again.
    async fn redirected(
        &mut self,
        error: RedisError,
        calls: &[ScriptCall],
        position: usize,
    ) -> Result<Option<Value>, CounterError> {
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::TryAgain) => Ok(None),
            ErrorKind::Server(ServerErrorKind::Ask) => {
                let server = error.redirect_node().and_then(|(address, _)| self.place(address));
                let (Some(server), Some(call)) = (server, calls.get(position)) else {
                    return Err(error.into());
                };
                let Node { mut link, scripts } = self.node(&server).await?.clone();
                let mut pipeline = Pipeline::new();
                pipeline.cmd("ASKING").ignore().add_command(call.command(&scripts));
                let mut values = pipeline.query_async::<Vec<Value>>(&mut link).await?;
                Ok(values.pop())
            }
            _ => Err(error.into()),
        }
    }

    /// Reads an address as servers of a cluster write it.
    fn place(&self, address: &str) -> Option<HostPort> {
        let (host, port) = address.rsplit_once(':')?;
        let host = if host.is_empty() { &self.primary.host } else { host };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some(HostPort { host, port: port.parse().ok()? })
    }

    fn holder(&self, call: &ScriptCall) -> Result<HostPort, CounterError> {
        match (&self.slots, call.keys.first()) {
            (Some(slots), Some(key)) => {
                slots.server(slot(key)).cloned().ok_or(CounterError::Incomplete)
            }
            _ => Ok(self.primary.clone()),
        }
    }

    /// The connection to a server; opened when it is needed first.
    async fn node(&mut self, server: &HostPort) -> Result<&mut Node, CounterError> {
        if !self.nodes.contains_key(server) {
            let (mut link, driver) = connect(&self.settings.server(server)).await?;
            self.drivers.spawn(driver);
            let mut digests: [String; 2] = Default::default();
            for (script, digest) in Script::ALL.into_iter().zip(&mut digests) {
                *digest = script.load().query_async(&mut link).await?;
            }
            self.nodes.insert(server.clone(), Node { link, scripts: Scripts::new(digests) });
        }
        self.nodes.get_mut(server).ok_or(CounterError::Closed)
    }

    async fn refresh_slots(&mut self, server: &HostPort) -> Result<(), CounterError> {
        let node = self.node(server).await?;
        let answer: Value = cmd("CLUSTER").arg("SLOTS").query_async(&mut node.link).await?;
        let slots = SlotMap::read(&answer, server).ok_or(CounterError::Shape("CLUSTER SLOTS"))?;
        if !slots.is_complete() {
            return Err(CounterError::Incomplete);
        }
        self.slots = Some(slots);
        Ok(())
    }

    /// Refuses counters that another build wrote in another way; an empty server gets the number of
    /// this one.
    async fn check_version(&mut self) -> Result<(), CounterError> {
        let set = cmd("SET").arg(VERSION_KEY).arg(VERSION).arg("NX").to_owned();
        self.ask(VERSION_KEY, &set).await?;
        let found = self.ask(VERSION_KEY, cmd("GET").arg(VERSION_KEY)).await?;
        match found {
            Value::BulkString(found) if found == VERSION.as_bytes() => Ok(()),
            Value::BulkString(found) => Err(CounterError::Version(
                String::from_utf8_lossy(&found).chars().take(32).collect(),
            )),
            _ => Err(CounterError::Shape("GET")),
        }
    }
}

impl ScriptCall {
    fn command(&self, scripts: &Scripts) -> Cmd {
        let mut command = cmd("EVALSHA");
        command.arg(scripts.digest(self.script)).arg(self.keys.len());
        for word in self.keys.iter().chain(&self.arguments) {
            command.arg(word.as_slice());
        }
        command
    }
}

fn put(answers: &mut [Value], position: usize, value: Value) {
    if let Some(place) = answers.get_mut(position) {
        *place = value;
    }
}

/// Asks a sentinel for the server that takes writes now.
async fn ask_sentinel(
    settings: &RedisServers,
    sentinel: &HostPort,
    name: &str,
) -> Result<HostPort, CounterError> {
    let mut server = settings.server(sentinel);
    // sentinels have names, passwords and no databases of their own
    server.login.database = 0;
    server.login.username = None;
    server.login.password = None;
    let (mut link, driver) = connect(&server).await?;
    let asking = async {
        let mut ask = cmd("SENTINEL");
        ask.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
        Ok::<Value, CounterError>(ask.query_async(&mut link).await?)
    };
    let answer = tokio::select! {
        () = driver => return Err(CounterError::Closed),
        answer = timeout(ROUND, asking) => answer.map_err(|_| CounterError::Late)??,
    };
    match answer {
        Value::Nil => Err(CounterError::UnknownName(name.to_owned())),
        Value::Array(parts) => {
            let [Value::BulkString(host), Value::BulkString(port)] = parts.as_slice() else {
                return Err(CounterError::Shape("SENTINEL GET-MASTER-ADDR-BY-NAME"));
            };
            let port = std::str::from_utf8(port).ok().and_then(|port| port.parse().ok());
            let (Some(port), Ok(host)) = (port, String::from_utf8(host.clone())) else {
                return Err(CounterError::Shape("SENTINEL GET-MASTER-ADDR-BY-NAME"));
            };
            Ok(HostPort { host, port })
        }
        _ => Err(CounterError::Shape("SENTINEL GET-MASTER-ADDR-BY-NAME")),
    }
}

/// Refuses a replica: sentinels that have not seen a failover yet name the old primary.
async fn role(node: &mut Node) -> Result<(), CounterError> {
    let answer: Value = cmd("ROLE").query_async(&mut node.link).await?;
    match answer {
        Value::Array(parts) if matches!(parts.first(), Some(Value::BulkString(role)) if role == b"master") => {
            Ok(())
        }
        _ => Err(CounterError::Replica),
    }
}
