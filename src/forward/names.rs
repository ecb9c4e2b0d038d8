//! Addresses of backends' names.
//!
//! Decides when a name is asked for again (its time to live, within bounds) and what holds while nobody answers: the last
//! good answer. Each worker asks for itself; requests wait only for the first answer.

use std::cell::{Cell, OnceCell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use tokio::sync::Notify;
use tokio::task::spawn_local;

use crate::deadline::{Deadlines, ticks};
use crate::forward::failure::ForwardError;
use crate::model::backend::Target;
use crate::snapshot::backend::turns;

/// Answers hold at least and at most this long, whatever their time to live says.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(5);

/// After a failed question.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// More addresses of one name are not used.
const MOST_ADDRESSES: usize = 256;

/// Who answers a worker's questions.
#[derive(Debug)]
pub struct Names {
    /// Empty: the system's.
    servers: Vec<SocketAddr>,
    resolver: OnceCell<Option<TokioResolver>>,
}

/// The addresses of one target.
#[derive(Debug)]
pub(super) struct Addresses {
    host: String,
    service: Option<String>,
    port: u16,
    known: RefCell<Rc<[SocketAddr]>>,
    /// In ticks.
    good_until: Cell<u64>,
    asking: Cell<bool>,
    answered: Notify,
    failure: RefCell<Option<String>>,
    turn: Cell<usize>,
    deadlines: Rc<Deadlines>,
}

/// An answer, with how long it holds.
type Found = (Vec<SocketAddr>, Duration);

impl Names {
    pub fn new(servers: Vec<SocketAddr>) -> Self {
        Self { servers, resolver: OnceCell::new() }
    }

    /// `None` where the system's configuration cannot be read: then the C library is asked, which tells no time to live.
    fn resolver(&self) -> Option<&TokioResolver> {
        let made = self.resolver.get_or_init(|| {
            let builder = if self.servers.is_empty() {
                TokioResolver::builder_tokio()
            } else {
                let servers = self.servers.iter().map(|server| name_server(*server)).collect();
                let config = ResolverConfig::from_name_servers(servers);
                Ok(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
            };
            let made = builder.and_then(|mut builder| {
                let options = builder.options_mut();
                (options.timeout, options.attempts) = (Duration::from_secs(2), 2);
                (options.positive_max_ttl, options.negative_max_ttl) = (Some(LONGEST), Some(ASK_AGAIN));
                builder.build()
            });
            made.inspect_err(|error| tracing::warn!(target: "portcullis::forward", %error, "no DNS client; the system is asked")).ok()
        });
        made.as_ref()
    }

    async fn host(&self, host: &str, port: u16) -> Result<Found, Missing> {
        let Some(resolver) = self.resolver() else {
            let found = tokio::net::lookup_host((host, port))
                .await
                .map_err(|error| Missing::NoAnswer(error.to_string()))?;
            return Ok((found.collect(), Duration::from_secs(30)));
        };
        // names with a dot are whole: no search list makes another of them
        let whole = if host.contains('.') && !host.ends_with('.') {
            format!("{host}.")
        } else {
            host.to_owned()
        };
        let found = resolver.lookup_ip(whole.as_str()).await?;
        let left = found.valid_until().saturating_duration_since(Instant::now());
        Ok((found.iter().map(|address| SocketAddr::new(address, port)).collect(), left))
    }

    /// RFC 2782: the records of the lowest priority, as often as their weight says.
    async fn service(&self, service: &str) -> Result<Found, Missing> {
        let resolver =
            self.resolver().ok_or_else(|| Missing::NoAnswer("no DNS client".to_owned()))?;
        let answer = resolver.srv_lookup(format!("{service}.").as_str()).await?;
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
            Err(Missing::NoAnswer("no host of the service has an address".to_owned()))
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

/// Why there are no addresses.
#[derive(Debug)]
enum Missing {
    /// The name's own servers say that it is not there.
    NoSuchName,
    NoAnswer(String),
}

impl From<NetError> for Missing {
    fn from(error: NetError) -> Self {
        if error.is_nx_domain() || error.is_no_records_found() {
            Self::NoSuchName
        } else {
            Self::NoAnswer(error.to_string())
        }
    }
}

impl Addresses {
    pub(super) fn new(target: &Target, deadlines: Rc<Deadlines>) -> Rc<Self> {
        let literal = target.host.parse::<IpAddr>().ok().filter(|_| target.service.is_none());
        let known: Rc<[SocketAddr]> =
            literal.map(|address| SocketAddr::new(address, target.port)).into_iter().collect();
        let good_until = if literal.is_some() { u64::MAX } else { 0 };
        Rc::new(Self {
            host: target.host.clone(),
            service: target.service.clone(),
            port: target.port,
            known: RefCell::new(known),
            good_until: Cell::new(good_until),
            asking: Cell::new(false),
            answered: Notify::new(),
            failure: RefCell::default(),
            turn: Cell::new(0),
            deadlines,
        })
    }

    /// The addresses to try, the one whose turn it is first. Waits for the first answer only.
    pub(super) async fn get(
        self: &Rc<Self>,
        names: &Rc<Names>,
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
            let source = self.failure.borrow().clone().map(std::io::Error::other);
            return Err(ForwardError::Unresolved { host: name.clone(), source });
        }
        Ok(known)
    }

    /// What is known now; asks again, without waiting, when its time is over.
    pub(super) fn known(self: &Rc<Self>, names: &Rc<Names>) -> Rc<[SocketAddr]> {
        if self.good_until.get() <= self.deadlines.now() {
            self.ask(names);
        }
        self.kept()
    }

    pub(super) fn kept(&self) -> Rc<[SocketAddr]> {
        Rc::clone(&self.known.borrow())
    }

    /// Each address has its turn.
    pub(super) fn turn(&self) -> usize {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        turn
    }

    /// Asks in the background, once at a time.
    fn ask(self: &Rc<Self>, names: &Rc<Names>) {
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
            addresses.answer(found);
        });
    }

    fn answer(&self, found: Result<Found, Missing>) {
        let holds = match found {
            Ok((mut addresses, left)) => {
                if self.service.is_none() {
                    addresses.sort_unstable();
                    addresses.dedup();
                }
                addresses.truncate(MOST_ADDRESSES);
                *self.known.borrow_mut() = addresses.into();
                left.clamp(SHORTEST, LONGEST)
            }
            Err(Missing::NoSuchName) => {
                *self.failure.borrow_mut() =
                    Some("the name does not exist, or has no address".to_owned());
                *self.known.borrow_mut() = Rc::from([]);
                ASK_AGAIN
            }
            Err(Missing::NoAnswer(error)) => {
                let kept = self.known.borrow().len();
                tracing::warn!(target: "portcullis::forward", host = %self.host, error, kept, "no answer from DNS");
                *self.failure.borrow_mut() = Some(error);
                ASK_AGAIN
            }
        };
        self.good_until.set(self.deadlines.now().saturating_add(ticks(holds)));
        self.asking.set(false);
        self.answered.notify_waiters();
    }
}
