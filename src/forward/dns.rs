//! Addresses of backends' names. Decides when a name is resolved again (its time to live, within
//! bounds) and which answer holds while no server answers: the last good one. Each worker resolves
//! for itself. Requests wait only for the first answer.

use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::system_conf::read_system_conf;
use tokio::sync::Notify;
use tokio::task::spawn_local;

use crate::backend::{CompiledTarget, turns};
use crate::deadline::{Deadlines, ticks};
use crate::dial::is_own_shortage;
use crate::forward::dns_search::{SearchList, from_hosts_file};
use crate::forward::failure::ForwardError;
use crate::model::network::NetworkRule;

/// The shortest and the longest life of an answer, regardless of its time to live.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(5);

/// The time after a failed query.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// The most addresses of one name that are used.
const MOST_ADDRESSES: usize = 256;

/// The life of addresses of the hosts file, which has no time to live.
const HOSTS_FILE: Duration = Duration::from_secs(10);

/// Asks for the addresses of names, for one worker.
#[derive(Debug)]
pub struct NameCache {
    /// The servers to ask; empty for the system's.
    servers: Vec<SocketAddr>,
    client: OnceCell<Option<ResolverClient>>,
    /// Grows with each answer that changes something.
    changes: Cell<u64>,
}

#[derive(Debug)]
struct ResolverClient {
    resolver: TokioResolver,
    search: SearchList,
}

/// The addresses of one target.
#[derive(Debug)]
pub(super) struct Addresses {
    host: String,
    service: Option<String>,
    port: u16,
    /// The networks that may be called; `None` allows all. Each answer is checked, and connections
    /// are opened to addresses of the answer only.
    networks: Option<NetworkRule>,
    /// The last answer had addresses, and none of them in these networks.
    denied: Cell<bool>,
    known: RefCell<Rc<[SocketAddr]>>,
    /// The tick until which the answer holds.
    good_until: Cell<u64>,
    asking: Cell<bool>,
    answered: Notify,
    failure: RefCell<Option<io::Error>>,
    deadlines: Rc<Deadlines>,
}

/// An answer, with how long it holds.
type Found = (Vec<SocketAddr>, Duration);

impl NameCache {
    pub fn new(servers: Vec<SocketAddr>) -> Self {
        Self { servers, client: OnceCell::new(), changes: Cell::new(0) }
    }

    /// A number that is another one once any name has other addresses.
    pub(super) fn changes(&self) -> u64 {
        self.changes.get()
    }

    /// Returns `None` if the system's configuration cannot be read. Then the C library resolves,
    /// which tells no time to live.
    fn client(&self) -> Option<&ResolverClient> {
        let made = self.client.get_or_init(|| {
            let made = ResolverClient::new(&self.servers);
            made.inspect_err(|error| tracing::warn!(target: "portcullis::forward", %error, "no DNS client; the system is asked")).ok()
        });
        made.as_ref()
    }

    async fn host(&self, host: &str, port: u16) -> Result<Found, Missing> {
        let Some(client) = self.client() else {
            let found = tokio::net::lookup_host((host, port)).await.map_err(Missing::from)?;
            return Ok((found.collect(), Duration::from_secs(30)));
        };
        let written = from_hosts_file(host, port).await;
        if !written.is_empty() {
            return Ok((written, HOSTS_FILE));
        }
        let mut missing = Missing::NoSuchName;
        for name in client.search.candidates(host) {
            match client.resolver.lookup_ip(name.as_str()).await {
                Ok(found) => {
                    let left = found.valid_until().saturating_duration_since(Instant::now());
                    let addresses = found.iter().map(|address| SocketAddr::new(address, port));
                    return Ok((addresses.collect(), left));
                }
                Err(error) if is_server_failure(&error) => missing = error.into(),
                Err(error) => match Missing::from(error) {
                    Missing::NoSuchName => {}
                    // a server that does not answer will not answer for the other names either
                    other @ Missing::NoAnswer(_) => return Err(other),
                },
            }
        }
        Err(missing)
    }

    /// Returns the records of the lowest priority, each as often as its weight (RFC 2782).
    async fn service(&self, service: &str) -> Result<Found, Missing> {
        let client =
            self.client().ok_or_else(|| Missing::NoAnswer(io::Error::other("no DNS client")))?;
        let answer = client.resolver.srv_lookup(format!("{service}.").as_str()).await?;
        let records = answer.answers().iter().filter_map(|record| match &record.data {
            RData::SRV(record) => Some(record),
            _ => None,
        });
        let records: Vec<_> = records.collect();
        let first =
            records.iter().map(|record| record.priority).min().ok_or(Missing::NoSuchName)?;
        let records: Vec<_> =
            records.into_iter().filter(|record| record.priority == first).collect();
        let mut left = answer.valid_until().saturating_duration_since(Instant::now());
        let mut hosts = Vec::new();
        for record in &records {
            let host = record.target.to_utf8();
            if let Ok((addresses, for_host)) = self.host(&host, record.port).await {
                left = left.min(for_host);
                hosts.push((addresses, u32::from(record.weight).max(1)));
            }
        }
        let weights: Vec<u32> = hosts.iter().map(|(_, weight)| *weight).collect();
        let in_turn = turns(&weights);
        let addresses = in_turn
            .iter()
            .filter_map(|position| hosts.get(usize::from(*position)))
            .flat_map(|(addresses, _)| addresses);
        let addresses: Vec<_> = addresses.copied().take(MOST_ADDRESSES).collect();
        if addresses.is_empty() {
            Err(Missing::NoAnswer(io::Error::other("no host of the service has an address")))
        } else {
            Ok((addresses, left))
        }
    }
}

fn name_server(server: SocketAddr) -> NameServerConfig {
    let mut config = NameServerConfig::udp_and_tcp(server.ip());
    for connection in &mut config.connections {
        connection.port = server.port();
    }
    config
}

impl ResolverClient {
    fn new(servers: &[SocketAddr]) -> Result<Self, NetError> {
        let system = read_system_conf();
        // the search list is the system's, even for other servers
        let search = system.as_ref().map_or_else(
            |_| SearchList::none(),
            |(config, options)| SearchList::of_system(config, options),
        );
        let (config, mut options) = if servers.is_empty() {
            system?
        } else {
            let servers = servers.iter().map(|server| name_server(*server)).collect();
            (ResolverConfig::from_name_servers(servers), ResolverOpts::default())
        };
        (options.timeout, options.attempts) = (Duration::from_secs(2), 2);
        (options.positive_max_ttl, options.negative_max_ttl) = (Some(LONGEST), Some(ASK_AGAIN));
        // read here, before names are completed
        options.use_hosts_file = ResolveHosts::Never;
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(config, provider);
        *builder.options_mut() = options;
        Ok(Self { resolver: builder.build()?, search })
    }
}

/// Tells whether a server failed to answer; then getaddrinfo tries the next name of the list.
fn is_server_failure(error: &NetError) -> bool {
    matches!(error, NetError::Dns(DnsError::ResponseCode(ResponseCode::ServFail)))
}

/// The reason for which there are no addresses.
#[derive(Debug)]
enum Missing {
    /// The name's own servers answer that it does not exist.
    NoSuchName,
    NoAnswer(io::Error),
}

impl From<NetError> for Missing {
    fn from(error: NetError) -> Self {
        match error {
            error if error.is_nx_domain() || error.is_no_records_found() => Self::NoSuchName,
            NetError::Io(source) => Self::from(match source.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => io::Error::other(source.to_string()),
            }),
            error => Self::NoAnswer(io::Error::other(error.to_string())),
        }
    }
}

impl From<io::Error> for Missing {
    fn from(error: io::Error) -> Self {
        Self::NoAnswer(error)
    }
}

impl Addresses {
    pub(super) fn new(target: &CompiledTarget, deadlines: Rc<Deadlines>) -> Rc<Self> {
        let definition = &target.definition;
        let literal =
            definition.host.parse::<IpAddr>().ok().filter(|_| definition.service.is_none());
        let literal = literal.map(|address| SocketAddr::new(address, definition.port));
        let good_until = if literal.is_some() { u64::MAX } else { 0 };
        let denied = literal.is_some_and(|address| !target.permits(address));
        Rc::new(Self {
            host: definition.host.clone(),
            service: definition.service.clone(),
            port: definition.port,
            networks: target.networks.clone(),
            denied: Cell::new(denied),
            known: RefCell::new(literal.into_iter().filter(|_| !denied).collect()),
            good_until: Cell::new(good_until),
            asking: Cell::new(false),
            answered: Notify::new(),
            failure: RefCell::default(),
            deadlines,
        })
    }

    /// Tells whether the target leads to networks only that may not be called.
    pub(super) fn is_denied(&self) -> bool {
        self.denied.get()
    }

    /// Returns the addresses to try, starting with the next in turn. Waits for the first answer
    /// only.
    pub(super) async fn get(
        self: &Rc<Self>,
        names: &Rc<NameCache>,
    ) -> Result<Rc<[SocketAddr]>, ForwardError> {
        let known = self.known(names);
        if !known.is_empty() {
            return Ok(known);
        }
        while self.asking.get() {
            self.answered.notified().await;
        }
        let known = self.kept();
        if known.is_empty() {
            let name = self.service.as_ref().unwrap_or(&self.host);
            if self.denied.get() {
                return Err(ForwardError::Denied { host: name.clone() });
            }
            let source = self.failure.borrow().as_ref().map(again);
            if let Some(source) = source.as_ref().filter(|source| is_own_shortage(source)) {
                return Err(ForwardError::OwnShortage {
                    target: name.clone(),
                    source: again(source),
                });
            }
            return Err(ForwardError::Unresolved { host: name.clone(), source });
        }
        Ok(known)
    }

    /// Returns the known addresses. If their time is over, it starts a new query without waiting
    /// for it.
    pub(super) fn known(self: &Rc<Self>, names: &Rc<NameCache>) -> Rc<[SocketAddr]> {
        if self.good_until.get() <= self.deadlines.now() {
            self.ask(names);
        }
        self.kept()
    }

    pub(super) fn kept(&self) -> Rc<[SocketAddr]> {
        Rc::clone(&self.known.borrow())
    }

    /// Asks in the background, once at a time.
    fn ask(self: &Rc<Self>, names: &Rc<NameCache>) {
        if self.asking.replace(true) {
            return;
        }
        let (addresses, names) = (Rc::clone(self), Rc::clone(names));
        // owned by the worker's runtime; ends with the resolver's own time limit
        spawn_local(async move {
            let found = match &addresses.service {
                Some(service) => names.service(service).await,
                None => names.host(&addresses.host, addresses.port).await,
            };
            addresses.answer(found, &names);
        });
    }

    fn answer(&self, found: Result<Found, Missing>, names: &NameCache) {
        let holds = match found {
            Ok((mut addresses, left)) => {
                self.leave_out(&mut addresses);
                if self.service.is_none() {
                    addresses.sort_unstable();
                    addresses.dedup();
                }
                addresses.truncate(MOST_ADDRESSES);
                self.learn(addresses, names);
                left.clamp(SHORTEST, LONGEST)
            }
            Err(Missing::NoSuchName) => {
                *self.failure.borrow_mut() =
                    Some(io::Error::other("the name does not exist, or has no address"));
                self.denied.set(false);
                self.learn(Vec::new(), names);
                ASK_AGAIN
            }
            Err(Missing::NoAnswer(error)) => {
                let kept = self.known.borrow().len();
                tracing::warn!(target: "portcullis::forward", host = %self.host, %error, kept, "no answer from DNS");
                *self.failure.borrow_mut() = Some(error);
                ASK_AGAIN
            }
        };
        self.good_until.set(self.deadlines.now().saturating_add(ticks(holds)));
        self.asking.set(false);
        self.answered.notify_waiters();
    }

    /// Leaves out addresses of networks that may not be called.
    fn leave_out(&self, addresses: &mut Vec<SocketAddr>) {
        let Some(networks) = &self.networks else { return };
        let found = addresses.len();
        addresses.retain(|address| networks.permits(address.ip()));
        let denied = addresses.is_empty() && found > 0;
        if denied && !self.denied.get() {
            tracing::warn!(
                target: "portcullis::forward",
                host = %self.host,
                "the backend of an API of the store leads to a network that may not be called; \
                 `management.allowed_networks` lists exceptions"
            );
        }
        self.denied.set(denied);
    }

    fn learn(&self, addresses: Vec<SocketAddr>, names: &NameCache) {
        if **self.known.borrow() != *addresses {
            *self.known.borrow_mut() = addresses.into();
            names.changes.set(names.changes.get().wrapping_add(1));
        }
    }
}

/// Copies an error, for one more request.
fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::other(error.to_string()),
    }
}
