//! Names are resolved as the system resolves them: search list, `ndots`, the hosts file. And a key manager with a silent
//! address.
//!
//! The system's files can be others only in a namespace of one's own, so each test runs itself again in one (`unshare`).

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::process::Command;

use super::names::{Dns, Zone};
use crate::support::config::{Config, api};
use crate::support::origin::Origin;
use crate::support::script::Script;
use crate::support::silent::Silent;

/// Runs an ignored test of this file as root of its own network and files; `hosts` is its hosts file.
fn run_inside(test: &str, hosts: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(file("hosts"), hosts).unwrap();
    std::fs::write(file("resolv.conf"), "nameserver 127.0.0.1\n").unwrap();
    let script = "ip link set lo up && mount --bind \"$1\" /etc/hosts \
                  && mount --bind \"$2\" /etc/resolv.conf && shift 2 && exec \"$@\"";
    let own = std::env::current_exe().unwrap();
    let inside = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--mount", "sh", "-ec", script, "sh"])
        .args([&file("hosts"), &file("resolv.conf")])
        .arg(own)
        .args(["--exact", &format!("backends::search_list::{test}"), "--ignored", "--nocapture"])
        .env_remove("LOCALDOMAIN")
        .env_remove("RES_OPTIONS")
        .output()
        .expect("unshare runs");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&inside.stdout),
        String::from_utf8_lossy(&inside.stderr)
    );
    assert!(inside.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn names_are_resolved_as_getaddrinfo_resolves_them() {
    run_inside("a_matrix_of_names", "127.0.0.1 localhost\n127.0.1.9 written.shop written\n");
}

#[test]
fn a_silent_address_of_a_key_manager_keeps_no_keys_away() {
    run_inside("a_key_manager_with_a_silent_address", "127.0.2.1 keys.test\n127.0.2.2 keys.test\n");
}

const ZONE: [(&str, [u8; 4]); 9] = [
    ("orders.shop.svc.cluster.local.", [127, 0, 1, 1]),
    ("orders.shop.", [127, 0, 1, 2]),
    ("orders.bank.example.", [127, 0, 1, 3]),
    ("orders.shop.bank.example.", [127, 0, 1, 4]),
    ("a.b.c.d.e.f.", [127, 0, 1, 5]),
    ("orders.", [127, 0, 1, 6]),
    ("written.shop.svc.cluster.local.", [127, 0, 1, 7]),
    ("only.search.shop.svc.cluster.local.", [127, 0, 1, 8]),
    ("x.y.svc.cluster.local.svc.cluster.local.", [127, 0, 1, 10]),
];

const FILES: [&str; 5] = [
    "search shop.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n",
    "search bank.example\n",
    "domain bank.example\n",
    "",
    "search svc.cluster.local. bank.example\noptions ndots:2\n",
];

const NAMES: [&str; 13] = [
    "orders",
    "orders.shop",
    "orders.shop.",
    "orders.shop.svc",
    "orders.shop.svc.cluster.local",
    "orders.bank.example",
    "a.b.c.d.e.f",
    "only.search",
    "x.y.svc.cluster.local",
    "written.shop",
    "written",
    "missing",
    "missing.shop.",
];

#[tokio::test]
#[ignore = "runs in a namespace of its own"]
async fn a_matrix_of_names() {
    let zone = ZONE.map(|(name, address)| (name, Ipv4Addr::from(address)));
    let _dns = Dns::start_at(SocketAddr::from(([127, 0, 0, 1], 53)), Zone::Names(zone.to_vec()));
    let first = Origin::serving_at(SocketAddr::from((zone[0].1, 0)), answer(zone[0].1));
    let port = first.address().port();
    let hosts = Ipv4Addr::new(127, 0, 1, 9);
    let others = zone.iter().skip(1).map(|(_, address)| *address).chain([hosts]);
    let _origins: Vec<_> = others
        .map(|address| Origin::serving_at(SocketAddr::from((address, port)), answer(address)))
        .collect();
    let config = NAMES.iter().enumerate().fold(Config::new(), |config, (number, name)| {
        let named = api(&format!("n{number}:1")).open();
        config.api(named.to(&format!("http://{name}:{port}")))
    });
    for file in FILES {
        std::fs::write("/etc/resolv.conf", format!("nameserver 127.0.0.1\n{file}")).unwrap();
        let gateway = config.start().await;
        for (number, name) in NAMES.iter().enumerate() {
            let system = (*name, port).to_socket_addrs().ok().and_then(|mut found| found.next());
            let wanted = system.map_or("none".to_owned(), |address| address.ip().to_string());
            let answer = gateway.get(&format!("/n{number}/1/x"), None).await;
            let found = String::from_utf8_lossy(answer.body()).into_owned();
            let found = if answer.status() == 200 { found } else { "none".to_owned() };
            assert_eq!(found, wanted, "{name} with {file:?}: {:?}", answer.status());
        }
    }
}

fn answer(address: Ipv4Addr) -> Script {
    Script::answer(200, &[], address.to_string())
}

#[tokio::test]
#[ignore = "runs in a namespace of its own"]
async fn a_key_manager_with_a_silent_address() {
    let silent = Silent::start(Ipv4Addr::new(127, 0, 2, 1));
    let port = silent.address().port();
    let keys = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","alg":"EdDSA","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let server = Origin::serving_at(
        SocketAddr::from(([127, 0, 2, 2], port)),
        Script::answer(200, &[("content-type", "application/json")], keys),
    );
    let lines = format!(
        "type = \"CustomKeyManager\"\nissuer = \"https://keys.test\"\nallow_http = true\n\
         proxy = \"none\"\ncertificates = {{ jwks = \"http://keys.test:{port}/jwks\" }}"
    );
    let gateway = Config::least().key_manager("silent", &lines).start().await;
    gateway.ready().await;
    assert_eq!(server.received()[0].target, "/jwks");
}
