//! Completes names as the system does (resolv.conf(5)): the search list, `ndots`, and the hosts
//! file first.
//!
//! The order is that of getaddrinfo in glibc: a name that ends with a dot is complete. A name with
//! `ndots` dots or more is tried as it is first, one with fewer is completed first.

use std::env;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use hickory_resolver::Hosts;
use hickory_resolver::config::{ResolverConfig, ResolverOpts};
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::task::spawn_blocking;

/// The most dots that glibc counts.
const MOST_DOTS: usize = 15;

/// The domains that complete short names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SearchList {
    /// The domains without a final dot; empty for the root.
    domains: Vec<String>,
    ndots: usize,
}

impl SearchList {
    /// The rules under which no name is completed.
    pub(super) fn none() -> Self {
        Self { domains: Vec::new(), ndots: 1 }
    }

    /// The system's: its file, and the two variables that glibc reads.
    pub(super) fn of_system(config: &ResolverConfig, options: &ResolverOpts) -> Self {
        // the domain of the machine's own name counts only if nothing is configured
        let written = config.search().iter();
        let own = config.domain().into_iter().filter(|_| config.search().is_empty());
        let mut list = Self {
            domains: written.chain(own).map(|name| without_dot(&name.to_utf8())).collect(),
            ndots: options.ndots,
        };
        if let Ok(domains) = env::var("LOCALDOMAIN") {
            list.domains = domains.split_whitespace().map(without_dot).collect();
        }
        let options = env::var("RES_OPTIONS").unwrap_or_default();
        let ndots = options.split_whitespace().filter_map(|option| option.strip_prefix("ndots:"));
        if let Some(ndots) = ndots.filter_map(|ndots| ndots.parse().ok()).next_back() {
            list.ndots = ndots;
        }
        list.ndots = list.ndots.min(MOST_DOTS);
        list
    }

    /// The whole names to ask for, in this order; each ends with a dot.
    pub(super) fn candidates(&self, host: &str) -> Vec<String> {
        if host.ends_with('.') {
            return vec![host.to_owned()];
        }
        let dots = host.bytes().filter(|byte| *byte == b'.').count();
        let as_it_is = format!("{host}.");
        let mut names: Vec<String> = self
            .domains
            .iter()
            .map(
                |domain| {
                    if domain.is_empty() { as_it_is.clone() } else { format!("{host}.{domain}.") }
                },
            )
            .collect();
        let position = if dots >= self.ndots { 0 } else { names.len() };
        names.insert(position, as_it_is);
        names
    }
}

fn without_dot(domain: &str) -> String {
    domain.trim_end_matches('.').to_owned()
}

/// The addresses that the hosts file has for a name, if it has any. Read anew each time, as the
/// system does.
pub(super) async fn from_hosts_file(host: &str, port: u16) -> Vec<SocketAddr> {
    let Ok(name) = Name::from_str(host) else { return Vec::new() };
    // a small file, but a file
    let read = spawn_blocking(Hosts::from_system).await;
    let Ok(Ok(hosts)) = read else { return Vec::new() };
    addresses(&hosts, &name).into_iter().map(|address| SocketAddr::new(address, port)).collect()
}

fn addresses(hosts: &Hosts, name: &Name) -> Vec<IpAddr> {
    // the file's names are compared as written, and none ends with a dot
    if name.is_fqdn() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for kind in [RecordType::A, RecordType::AAAA] {
        if let Some(lookup) = hosts.lookup_static_host(&Query::query(name.clone(), kind)) {
            found.extend(lookup.answers().iter().filter_map(|record| record.data.ip_addr()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(domains: &[&str], ndots: usize) -> SearchList {
        SearchList { domains: domains.iter().map(|domain| (*domain).to_owned()).collect(), ndots }
    }

    #[test]
    fn names_are_completed_as_in_a_pod() {
        let pod = list(&["shop.svc.cluster.local", "svc.cluster.local"], 5);
        assert_eq!(
            pod.candidates("orders.shop"),
            [
                "orders.shop.shop.svc.cluster.local.",
                "orders.shop.svc.cluster.local.",
                "orders.shop."
            ]
        );
        assert_eq!(pod.candidates("orders.shop."), ["orders.shop."]);
        assert_eq!(
            pod.candidates("a.b.c.d.e.f"),
            [
                "a.b.c.d.e.f.",
                "a.b.c.d.e.f.shop.svc.cluster.local.",
                "a.b.c.d.e.f.svc.cluster.local."
            ]
        );
    }

    #[test]
    fn elsewhere_a_dot_makes_a_name_whole_at_first() {
        let office = list(&["bank.example"], 1);
        assert_eq!(office.candidates("orders"), ["orders.bank.example.", "orders."]);
        assert_eq!(office.candidates("orders.shop"), ["orders.shop.", "orders.shop.bank.example."]);
        assert_eq!(list(&[], 5).candidates("orders"), ["orders."]);
        assert_eq!(list(&[""], 1).candidates("orders"), ["orders.", "orders."]);
    }

    #[test]
    fn the_hosts_file_has_names_as_they_are() {
        let mut hosts = Hosts::default();
        hosts.read_hosts_conf(&b"10.0.0.7 orders.shop # ours\n::7 orders.shop\n"[..]).unwrap();
        let name = |text| Name::from_str(text).unwrap();
        let found = addresses(&hosts, &name("orders.shop"));
        assert_eq!(found, ["10.0.0.7".parse::<IpAddr>().unwrap(), "::7".parse().unwrap()]);
        assert_eq!(addresses(&hosts, &name("orders.shop.")), Vec::<IpAddr>::new());
        assert_eq!(addresses(&hosts, &name("orders")), Vec::<IpAddr>::new());
    }
}
