//! Backends by name: every address is used, a changed answer is followed, the last good one outlives its server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

use crate::support::config::{Config, api};
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::script::Script;
use crate::support::until;

/// What a name has.
#[derive(Debug, Clone)]
pub(crate) enum Zone {
    Addresses(Vec<Ipv4Addr>),
    /// The same with one address of the other family.
    BothFamilies(Ipv4Addr, Ipv6Addr),
    /// Names, each with its address; no other name exists.
    Names(Vec<(&'static str, Ipv4Addr)>),
    /// Port of each, at 127.0.0.1.
    Service(Vec<u16>),
    ServerFailure,
    NoSuchName,
}

/// A DNS server on a free port whose one zone can be changed. All records live for a second.
pub(crate) struct Dns {
    pub(crate) address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    answered: Arc<AtomicUsize>,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Dns {
    pub(crate) fn start(zone: Zone) -> Dns {
        Dns::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), zone)
    }

    pub(super) fn start_at(address: SocketAddr, zone: Zone) -> Dns {
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let address = socket.local_addr().unwrap();
        let (zone, end) = (Arc::new(Mutex::new(zone)), Arc::new(AtomicBool::new(false)));
        let answered = Arc::new(AtomicUsize::new(0));
        let thread = std::thread::spawn({
            let (zone, end) = (Arc::clone(&zone), Arc::clone(&end));
            let answered = Arc::clone(&answered);
            move || {
                let mut bytes = [0; 1500];
                while !end.load(Ordering::Relaxed) {
                    let Ok((length, peer)) = socket.recv_from(&mut bytes) else { continue };
                    let Ok(query) = Message::from_vec(&bytes[..length]) else { continue };
                    let answer = answer(&query, &zone.lock().unwrap().clone());
                    let _ = socket.send_to(&answer, peer);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Dns { address, zone, answered, end, thread: Some(thread) }
    }

    pub(crate) fn becomes(&self, zone: Zone) {
        *self.zone.lock().unwrap() = zone;
    }

    /// How many questions it has answered.
    fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        let _ = self.thread.take().unwrap().join();
    }
}

fn answer(query: &Message, zone: &Zone) -> Vec<u8> {
    let question = query.queries.first().unwrap().clone();
    let (name, kind) = (question.name().clone(), question.query_type());
    let mut answer = query.clone();
    answer.metadata.message_type = MessageType::Response;
    answer.metadata.recursion_available = true;
    answer.additionals.clear();
    answer.edns = None;
    let mut add = |data: RData| answer.answers.push(Record::from_rdata(name.clone(), 1, data));
    match zone {
        Zone::Addresses(addresses) if kind == RecordType::A => {
            for address in addresses {
                add(RData::A(A(*address)));
            }
        }
        Zone::BothFamilies(address, _) if kind == RecordType::A => add(RData::A(A(*address))),
        Zone::BothFamilies(_, address) if kind == RecordType::AAAA => {
            add(RData::AAAA(AAAA(*address)));
        }
        Zone::Names(names) => {
            let asked = name.to_utf8().to_ascii_lowercase();
            match names.iter().find(|(name, _)| *name == asked) {
                Some((_, address)) if kind == RecordType::A => add(RData::A(A(*address))),
                Some(_) => {}
                None => answer.metadata.response_code = ResponseCode::NXDomain,
            }
        }
        Zone::Service(ports) if kind == RecordType::SRV => {
            for port in ports {
                add(RData::SRV(SRV::new(10, 1, *port, Name::from_str("host.bank.test.").unwrap())));
            }
            add(RData::SRV(SRV::new(20, 1, 1, Name::from_str("host.bank.test.").unwrap())));
        }
        Zone::Service(_) if kind == RecordType::A => add(RData::A(A(Ipv4Addr::LOCALHOST))),
        Zone::ServerFailure => answer.metadata.response_code = ResponseCode::ServFail,
        Zone::NoSuchName => answer.metadata.response_code = ResponseCode::NXDomain,
        Zone::Addresses(_) | Zone::Service(_) | Zone::BothFamilies(..) => {}
    }
    answer.to_vec().unwrap()
}

async fn open(dns: &Dns, url: &str) -> Gateway {
    open_with(dns, url, "").await
}

/// With further lines of the backend.
pub(super) async fn open_with(dns: &Dns, url: &str, lines: &str) -> Gateway {
    Config::new()
        .gateway(&format!("dns_servers = [\"{}\"]", dns.address))
        .api(api("any:1").open().to(url).production(lines))
        .start()
        .await
}

fn named(address: SocketAddr, name: &str) -> Origin {
    Origin::serving_at(address, Script::answer(200, &[], name))
}

async fn ask(gateway: &Gateway) -> String {
    let answer = gateway.get("/any/1/x", None).await;
    if answer.status() == 200 {
        String::from_utf8(answer.into_body().to_vec()).unwrap()
    } else {
        answer.status().to_string()
    }
}

async fn becomes(gateway: &Gateway, what: &str, wanted: impl Fn(&Vec<String>) -> bool) {
    let many = async || {
        let mut answers = Vec::new();
        // each worker has its own list: so many answers come from all of them
        for _ in 0..32 {
            answers.push(ask(gateway).await);
        }
        answers
    };
    until(what, many, wanted).await;
}

fn has(answers: &[String], name: &str) -> bool {
    answers.iter().any(|answer| answer == name)
}

#[tokio::test]
async fn every_address_is_used_and_a_changed_answer_is_followed() {
    let one = named(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), "one");
    let port = one.address().port();
    let second = Ipv4Addr::new(127, 0, 0, 2);
    let two = named(SocketAddr::from((IpAddr::V4(second), port)), "two");
    let dns = Dns::start(Zone::Addresses(vec![Ipv4Addr::LOCALHOST, second]));
    let gateway = open(&dns, &format!("http://api.bank.test:{port}")).await;
    becomes(&gateway, "both answer", |answers| has(answers, "one") && has(answers, "two")).await;
    assert_eq!(one.received()[0].values("host"), [format!("api.bank.test:{port}")]);
    dns.becomes(Zone::Addresses(vec![second]));
    becomes(&gateway, "the removed one is left", |answers| {
        answers.iter().all(|answer| answer == "two")
    })
    .await;
    dns.becomes(Zone::ServerFailure);
    let before = dns.answered();
    let ask = async || {
        assert_eq!(ask(&gateway).await, "two");
        dns.answered()
    };
    until("two failed questions", ask, |now| *now >= before + 2).await;
    becomes(&gateway, "the last good answer holds", |answers| {
        answers.iter().all(|answer| answer == "two")
    })
    .await;
    dns.becomes(Zone::Addresses(vec![Ipv4Addr::LOCALHOST]));
    becomes(&gateway, "a new answer is followed again", |answers| {
        answers.iter().all(|answer| answer == "one")
    })
    .await;
    dns.becomes(Zone::NoSuchName);
    becomes(&gateway, "a name that is gone is gone", |answers| {
        answers.iter().all(|answer| answer.starts_with("503"))
    })
    .await;
    drop(two);
}

#[tokio::test]
async fn service_records_name_hosts_and_ports() {
    let (one, two) = (
        named(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), "one"),
        named(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), "two"),
    );
    let dns = Dns::start(Zone::Service(vec![one.address().port(), two.address().port()]));
    let gateway = open(&dns, "srv+http://_orders._tcp.bank.test").await;
    becomes(&gateway, "both answer", |answers| has(answers, "one") && has(answers, "two")).await;
    assert_eq!(one.received()[0].values("host"), ["bank.test"]);
    dns.becomes(Zone::Service(vec![two.address().port()]));
    becomes(&gateway, "the removed one is left", |answers| {
        answers.iter().all(|answer| answer == "two")
    })
    .await;
}
