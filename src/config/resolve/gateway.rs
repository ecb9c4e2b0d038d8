//! Reads `[gateway]`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::problems::{At, Problems};
use crate::config::reader::{Placed, Table};
use crate::config::resolve::proxies;
use crate::config::resolve::root_tables::RootTables;
use crate::config::resolve::secret::secret_key;
use crate::config::source::Sources;
use crate::model::gateway::{Gateway, Workers};
use crate::model::proxies::TrustedProxies;

pub(super) fn gateway(roots: &RootTables<'_>, sources: &Sources) -> Gateway {
    let table = roots.once("gateway");
    let Some(table) = table else {
        return Gateway {
            name: host_name(),
            state_dir: state_dir(
                sources,
                "state",
                At::Span { file: 0, span: 0..0 },
                roots.problems,
            ),
            workers: Workers::Auto,
            token_cache_bytes: TOKEN_CACHE_BYTES,
            drain_delay: Duration::ZERO,
            drain_timeout: DRAIN_TIMEOUT,
            quarantine: false,
            reload_max_removed: REMOVED,
            dns_servers: Vec::new(),
            trusted_proxies: TrustedProxies::default(),
            remove_request_headers: proxies::default_removed(),
            dpop_nonce_key: None,
        };
    };
    let written = table.wanted("state_dir").map_or("state", |path| path.value);
    Gateway {
        name: table.wanted("name").map_or_else(host_name, |name| name.value.to_owned()),
        state_dir: state_dir(sources, written, table.at_key("state_dir"), table.problems()),
        workers: workers(&table),
        token_cache_bytes: table.bytes(
            "token_cache_bytes",
            0..=MOST_TOKEN_CACHE_BYTES,
            TOKEN_CACHE_BYTES,
        ),
        drain_delay: table.duration("drain_delay").map_or(Duration::ZERO, |found| found.value),
        quarantine: table.flag("quarantine", false),
        drain_timeout: table.duration("drain_timeout").map_or(DRAIN_TIMEOUT, |found| found.value),
        reload_max_removed: thousandths(&table, "reload_max_removed", REMOVED),
        dns_servers: dns_servers(&table),
        trusted_proxies: proxies::trusted_proxies(&table),
        remove_request_headers: proxies::removed_headers(&table),
        dpop_nonce_key: secret_key(&table, "dpop_nonce_key", sources),
    }
}

/// Returns the name of a gateway without a configured name.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Returns the state folder. Warns if its path is too long for the address of a socket in it.
fn state_dir(sources: &Sources, written: &str, at: At, problems: &Problems) -> PathBuf {
    /// The length of `sun_path` on Linux, without the 0 at its end.
    const MOST: usize = 107;
    /// The longest name of a socket in the folder.
    const SOCKET: usize = "/portcullis-4294967295.sock".len();
    let path = sources.resolve(written);
    let absolute = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
    let length = absolute.as_os_str().len();
    if length.saturating_add(SOCKET) > MOST {
        let message = format!(
            "the path of `state_dir` has {length} bytes, which is too long for a socket in it: {}",
            absolute.display()
        );
        let hint = format!("choose a path of at most {} bytes", MOST - SOCKET);
        problems.warning(at, message, Some(hint));
    }
    path
}

fn workers(table: &Table<'_>) -> Workers {
    match table.integer_or_text("workers") {
        None | Some(Placed { value: Err("auto"), .. }) => Workers::Auto,
        Some(Placed { value: Ok(count @ 1..=1024), .. }) => {
            Workers::Count(u16::try_from(count).unwrap_or(1))
        }
        Some(_) => {
            table.error(
                "workers",
                "`gateway.workers` must be \"auto\" or a number from 1 to 1024".to_owned(),
                None,
            );
            Workers::Auto
        }
    }
}

fn dns_servers(table: &Table<'_>) -> Vec<SocketAddr> {
    const DNS: u16 = 53;
    let mut servers = Vec::new();
    for text in table.texts("dns_servers").unwrap_or_default() {
        let address = text.value.parse().ok();
        match address
            .or_else(|| text.value.parse().ok().map(|address| SocketAddr::new(address, DNS)))
        {
            Some(server) => servers.push(server),
            None => {
                let hint = Some("write \"10.0.0.2\" or \"10.0.0.2:53\"".to_owned());
                table.problems().error(
                    text.at,
                    format!("{:?} is not the address of a DNS server", text.value),
                    hint,
                );
            }
        }
    }
    servers
}

/// Returns a share from 0 to 1 in thousandths.
fn thousandths(table: &Table<'_>, key: &str, default: u16) -> u16 {
    let share = table.share(key, f64::from(default) / 1000.0);
    (0..=1000)
        .rev()
        .find(|thousandths| f64::from(*thousandths) / 1000.0 <= share)
        .unwrap_or(default)
}

/// The default of `token_cache_bytes`: about 25,000 tokens of a usual size.
const TOKEN_CACHE_BYTES: u64 = 64 * 1024 * 1024;

const MOST_TOKEN_CACHE_BYTES: u64 = 64 * 1024 * 1024 * 1024;

/// The default of `drain_timeout`. Together with the last log lines and the end of the threads it
/// stays well below the 30 s that Kubernetes gives a pod.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// The default of `reload_max_removed`, in thousandths: one half.
const REMOVED: u16 = 500;
