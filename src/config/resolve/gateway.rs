//! The gateway's own settings.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::pem;
use crate::config::problems::Problems;
use crate::config::reader::{Placed, Table};
use crate::config::report::At;
use crate::config::resolve::secret::{secret, secret_key};
use crate::config::resolve::{Unique, Whole, proxies};
use crate::config::source::Sources;
use crate::model::gateway::{
    AccessLog, AccessLogTarget, ByteLimit, ClientAuth, ErrorFormat, Gateway, Limits, Listener,
    ListenerTls, Log, LogFormat, LogLevel, ManagementSettings, ManagementUser, NamedPair,
    Protocols, ProxyProtocol, Telemetry, UserRole, Workers,
};
use crate::model::proxies::TrustedProxies;
use crate::model::rate::Rate;

/// The default of `max_connections`.
const MAX_CONNECTIONS: i64 = 20_000;

/// The default of `token_cache_bytes`: about 25,000 tokens of a usual size.
const TOKEN_CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// The default of `max_forged_tokens`: one signature a second.
const FORGED_TOKENS: u32 = 60;

/// The default of `reload_max_removed`, in thousandths: half of what there is.
const REMOVED: u16 = 500;

/// The default of `unknown_tokens`: two a second, and a page that opens with many.
const UNKNOWN_TOKENS: Rate =
    Rate { requests: NonZeroU32::MIN.saturating_add(19), per: Duration::from_secs(10) };

const LONGEST_PER: Duration = Duration::from_hours(1);

const MOST_TOKEN_CACHE_BYTES: u64 = 64 * 1024 * 1024 * 1024;

/// With the last lines of the log and the threads' ends, well below the 30 s that Kubernetes gives a pod.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) fn gateway(whole: &Whole<'_>, sources: &Sources) -> Gateway {
    let table = whole.once("gateway");
    let Some(table) = table else {
        return Gateway {
            state_dir: state_dir(
                sources,
                "state",
                At::Span { file: 0, span: 0..0 },
                whole.problems,
            ),
            workers: Workers::Auto,
            token_cache_bytes: TOKEN_CACHE_BYTES,
            drain_delay: Duration::ZERO,
            drain_timeout: DRAIN_TIMEOUT,
            reload_max_removed: REMOVED,
            dns_servers: Vec::new(),
            trusted_proxies: TrustedProxies::default(),
            remove_request_headers: proxies::default_removed(),
            dpop_nonce_key: None,
        };
    };
    let written = table.wanted("state_dir").map_or("state", |path| path.value);
    Gateway {
        state_dir: state_dir(sources, written, table.at_key("state_dir"), table.problems()),
        workers: workers(&table),
        token_cache_bytes: table.bytes(
            "token_cache_bytes",
            0..=MOST_TOKEN_CACHE_BYTES,
            TOKEN_CACHE_BYTES,
        ),
        drain_delay: table.duration("drain_delay").map_or(Duration::ZERO, |found| found.value),
        drain_timeout: table.duration("drain_timeout").map_or(DRAIN_TIMEOUT, |found| found.value),
        reload_max_removed: thousandths(&table, "reload_max_removed", REMOVED),
        dns_servers: dns_servers(&table),
        trusted_proxies: proxies::trusted_proxies(&table),
        remove_request_headers: proxies::removed_headers(&table),
        dpop_nonce_key: secret_key(&table, "dpop_nonce_key", sources),
    }
}

/// A share from 0 to 1 as thousandths.
fn thousandths(table: &Table<'_>, key: &str, default: u16) -> u16 {
    let share = table.share(key, f64::from(default) / 1000.0);
    (0..=1000)
        .rev()
        .find(|thousandths| f64::from(*thousandths) / 1000.0 <= share)
        .unwrap_or(default)
}

/// The folder; a warning where a socket in it could have no address.
fn state_dir(sources: &Sources, written: &str, at: At, problems: &Problems) -> PathBuf {
    /// `sun_path` of Linux, without the 0 at its end.
    const MOST: usize = 107;
    /// The longest name that a socket in the folder has.
    const SOCKET: usize = "/portcullis-4294967295.sock".len();
    let path = sources.resolve(written);
    let whole = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
    let length = whole.as_os_str().len();
    if length.saturating_add(SOCKET) > MOST {
        let message = format!(
            "the path of state_dir is {length} bytes long, too long for a socket in it: {}",
            whole.display()
        );
        let hint = format!("choose a path of at most {} bytes", MOST - SOCKET);
        problems.warning(at, message, Some(hint));
    }
    path
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

pub(super) fn listeners(whole: &Whole<'_>, sources: &Sources) -> Vec<Listener> {
    let mut names = Unique::default();
    let mut addresses = Unique::default();
    let mut listeners = Vec::new();
    for table in whole.every("listeners") {
        let tls_written = table.has("tls");
        let tls = table.table("tls").and_then(|tls| listener_tls(&tls, sources));
        let (name, address) = (table.needed("name"), address(&table, "address", None));
        let protocols = protocols(&table, tls_written);
        let (Some(name), Some(address)) = (name, address) else { continue };
        let fresh = names.claim(name.value, &name.at, "listener", table.problems());
        // the system chooses a port for 0, each time another
        if fresh && address.value.port() != 0 {
            addresses.claim(&address.value.to_string(), &address.at, "address", table.problems());
        }
        let max_connections = table.integer("max_connections", 1..=10_000_000, MAX_CONNECTIONS);
        // behind a balancer that hides its clients all connections have one address, so the bound must be asked for
        let per_address =
            table.integer("max_connections_per_address", 1..=10_000_000, max_connections);
        let proxy_protocol = match table.choice("proxy_protocol", &["off", "optional", "required"])
        {
            Some("optional") => ProxyProtocol::Optional,
            Some("required") => ProxyProtocol::Required,
            _ => ProxyProtocol::Off,
        };
        if tls_written && tls.is_none() {
            continue;
        }
        listeners.push(Listener {
            name: name.value.to_owned(),
            address: address.value,
            protocols,
            proxy_protocol,
            max_connections_per_address: usize::try_from(per_address).unwrap_or(usize::MAX),
            max_connections: usize::try_from(max_connections).unwrap_or(usize::MAX),
            tls,
            place: sources.place(&table.at()),
        });
    }
    listeners
}

fn protocols(table: &Table<'_>, tls: bool) -> Protocols {
    let Some(written) = table.texts("protocols") else {
        return if tls { Protocols::Both } else { Protocols::Http1 };
    };
    let (mut http1, mut http2) = (false, false);
    for protocol in &written {
        match protocol.value {
            "h2" => http2 = true,
            "http/1.1" => http1 = true,
            _ => table.not_a_choice("protocols", protocol, &["h2", "http/1.1"]),
        }
    }
    match (http1, http2) {
        (true, true) => Protocols::Both,
        (false, true) => Protocols::Http2,
        (true, false) => Protocols::Http1,
        (false, false) => {
            if written.is_empty() {
                table.error(
                    "protocols",
                    "a listener that speaks nothing serves nobody".to_owned(),
                    Some("leave `protocols` out".to_owned()),
                );
            }
            Protocols::Http1
        }
    }
}

fn listener_tls(table: &Table<'_>, sources: &Sources) -> Option<ListenerTls> {
    let default = pem::pair(table, sources);
    let mut by_name = Vec::new();
    for named in table.tables("sni") {
        let names: Vec<String> = named
            .texts("names")
            .unwrap_or_default()
            .iter()
            .map(|name| name.value.to_ascii_lowercase())
            .collect();
        if names.is_empty() {
            named.problems().error(
                named.at(),
                "`listeners.tls.sni.names` names no server".to_owned(),
                None,
            );
        }
        if let Some(pair) = pem::pair(&named, sources) {
            by_name.push(NamedPair { names, pair });
        }
    }
    let clients = client_auth(table, sources);
    Some(ListenerTls { default: default?, by_name, clients: clients? })
}

fn client_auth(table: &Table<'_>, sources: &Sources) -> Option<ClientAuth> {
    let wanted = table.choice("client_auth", &["none", "optional", "required"]);
    if matches!(wanted, None | Some("none")) {
        if table.wanted("client_ca").is_some() {
            let hint = Some(
                "write `client_auth = \"required\"` or \"optional\", or take it out".to_owned(),
            );
            let message =
                "`client_ca` does nothing while clients are not asked for a certificate".to_owned();
            table.problems().warning(table.at_key("client_ca"), message, hint);
        }
        return Some(ClientAuth::None);
    }
    if table.wanted("client_ca").is_none() {
        table.error(
            "client_auth",
            "`client_auth` needs `client_ca`: whose certificates are believed".to_owned(),
            None,
        );
        return None;
    }
    let authorities = pem::authorities(table, "client_ca", sources)?;
    Some(if wanted == Some("required") {
        ClientAuth::Required(authorities)
    } else {
        ClientAuth::Optional(authorities)
    })
}

fn address(
    table: &Table<'_>,
    key: &str,
    default: Option<SocketAddr>,
) -> Option<Placed<SocketAddr>> {
    if let (false, Some(value)) = (table.has(key), default) {
        return Some(Placed { value, at: table.at() });
    }
    let text = table.needed(key)?;
    if let Ok(value) = text.value.parse() {
        return Some(Placed { value, at: text.at });
    }
    let hint = Some(
        "an IP address and a port: \"0.0.0.0:8243\", \"[::]:8243\", \"127.0.0.1:9443\"".to_owned(),
    );
    table.problems().error(
        text.at,
        format!("`{}` is not an address: {:?}", table.path(key), text.value),
        hint,
    );
    None
}

pub(super) fn limits(whole: &Whole<'_>) -> Limits {
    let mut limits = Limits {
        header_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_mins(1),
        max_header_bytes: 32 * 1024,
        max_headers: 100,
        max_body_bytes: ByteLimit::None,
        body_stall_timeout: Duration::from_secs(30),
        max_token_bytes: 16 * 1024,
        max_forged_tokens: NonZeroU32::new(FORGED_TOKENS),
        unknown_tokens: UNKNOWN_TOKENS,
        max_streams: 100,
        max_loop_delay: Some(Duration::from_secs(1)),
    };
    let Some(table) = whole.once("limits") else { return limits };
    let bytes = |key, range, default: usize| {
        usize::try_from(table.bytes(key, range, default as u64)).unwrap_or(default)
    };
    limits.header_timeout = table.time("header_timeout", limits.header_timeout);
    limits.idle_timeout = table.time("idle_timeout", limits.idle_timeout);
    limits.max_header_bytes =
        bytes("max_header_bytes", 1024..=1024 * 1024, limits.max_header_bytes);
    limits.max_headers =
        usize::try_from(table.integer("max_headers", 8..=1000, 100)).unwrap_or(100);
    limits.max_body_bytes =
        table.size("max_body_bytes").map_or(limits.max_body_bytes, |found| found.value);
    limits.body_stall_timeout = table.time("body_stall_timeout", limits.body_stall_timeout);
    limits.max_streams =
        u32::try_from(table.integer("max_streams", 1..=10_000, 100)).unwrap_or(100);
    limits.max_loop_delay = table.optional_time("max_loop_delay", limits.max_loop_delay);
    limits.max_forged_tokens = forged_tokens(&table, limits.max_forged_tokens);
    limits.unknown_tokens = unknown_tokens(&table).unwrap_or(UNKNOWN_TOKENS);
    limits.max_token_bytes = bytes("max_token_bytes", 256..=1024 * 1024, limits.max_token_bytes);
    limits
}

fn unknown_tokens(table: &Table<'_>) -> Option<Rate> {
    let rate = table.table("unknown_tokens")?;
    let (requests, per) =
        (rate.integer("requests", 1..=1_000_000, 20), rate.time("per", UNKNOWN_TOKENS.per));
    if per > LONGEST_PER {
        let hint = Some(
            "such a budget would lock a client out for longer than anybody remembers why"
                .to_owned(),
        );
        rate.error("per", format!("`{}` must be at most one hour", rate.path("per")), hint);
    }
    let requests = u32::try_from(requests).ok().and_then(NonZeroU32::new)?;
    Some(Rate { requests, per: per.min(LONGEST_PER) })
}

fn forged_tokens(table: &Table<'_>, default: Option<NonZeroU32>) -> Option<NonZeroU32> {
    let Some(written) = table.integer_or_text("max_forged_tokens") else { return default };
    let count = match written.value {
        Err("none") => return None,
        Ok(number) => u32::try_from(number)
            .ok()
            .filter(|number| *number <= 1_000_000)
            .and_then(NonZeroU32::new),
        Err(_) => None,
    };
    if count.is_none() {
        let hint = Some("\"none\" verifies whatever comes".to_owned());
        table.problems().error(
            written.at,
            "`limits.max_forged_tokens` must be from 1 to 1000000, or \"none\"".to_owned(),
            hint,
        );
    }
    count.or(default)
}

pub(super) fn management(whole: &Whole<'_>, sources: &Sources) -> Option<ManagementSettings> {
    let table = whole.once("management")?;
    let default = SocketAddr::from(([127, 0, 0, 1], 9443));
    let address = address(&table, "address", Some(default))?;
    let tls = match table.table("tls") {
        // a broken pair is no reason to answer in the clear
        Some(tls) => Some(pem::pair(&tls, sources)?),
        None => None,
    };
    Some(ManagementSettings {
        address: address.value,
        tls,
        users: users(&table, sources),
        hosts: table
            .texts("hosts")
            .unwrap_or_default()
            .iter()
            .map(|host| host.value.to_owned())
            .collect(),
        place: sources.place(&table.at()),
    })
}

fn users(table: &Table<'_>, sources: &Sources) -> Vec<ManagementUser> {
    let mut names = Unique::default();
    let mut users = Vec::new();
    for user in table.tables("users") {
        let name = user.needed("name");
        if !user.has("password_hash") {
            user.problems().error(
                user.at(),
                "`management.users.password_hash` is missing".to_owned(),
                None,
            );
        }
        let hash = secret(&user, "password_hash", sources);
        let (Some(name), Some(password_hash)) = (name, hash) else { continue };
        if !password_hash.reveal().starts_with("$argon2") {
            let hint = Some("such as $argon2id$v=19$m=19456,t=2,p=1$...: `argon2` of the package of that name makes one".to_owned());
            user.error(
                "password_hash",
                "the hash of a password is an Argon2 PHC string".to_owned(),
                hint,
            );
            continue;
        }
        if names.claim(name.value, &name.at, "user", user.problems()) {
            let roles = roles(&user);
            users.push(ManagementUser { name: name.value.to_owned(), password_hash, roles });
        }
    }
    users
}

fn roles(user: &Table<'_>) -> Vec<UserRole> {
    let written = user.texts("roles").unwrap_or_default();
    let mut roles = Vec::new();
    for text in &written {
        match UserRole::named(text.value) {
            Some(role) => roles.push(role),
            None => user.not_a_choice("roles", text, UserRole::NAMES),
        }
    }
    if written.is_empty() {
        let message = "the user has no role, and may do nothing".to_owned();
        let hint = format!("roles are {}", UserRole::NAMES.join(", "));
        user.problems().warning(user.at(), message, Some(hint));
    }
    roles
}

pub(super) fn errors(whole: &Whole<'_>) -> ErrorFormat {
    let table = whole.once("errors");
    match table.and_then(|table| table.choice("format", &["wso2", "problem"])) {
        Some("problem") => ErrorFormat::Problem,
        _ => ErrorFormat::Wso2,
    }
}

pub(super) fn telemetry(whole: &Whole<'_>, sources: &Sources) -> Telemetry {
    let table = whole.once("telemetry");
    let log = table.as_ref().and_then(|table| table.table("log"));
    let log = Log {
        level: log.as_ref().map_or(LogLevel::Info, level),
        format: log.as_ref().map_or(LogFormat::Json, format),
    };
    let access = table.as_ref().and_then(|table| table.table("access_log"));
    let target = access.as_ref().and_then(|table| table.wanted("path")).map_or(
        AccessLogTarget::Stdout,
        |path| match path.value {
            "off" => AccessLogTarget::Off,
            "stdout" => AccessLogTarget::Stdout,
            "stderr" => AccessLogTarget::Stderr,
            file => AccessLogTarget::File(sources.resolve(file)),
        },
    );
    let access_log = AccessLog {
        target,
        format: access.as_ref().map_or(LogFormat::Json, format),
        sample: access.as_ref().map_or(1.0, |table| table.share("sample", 1.0)),
    };
    let metrics = table.as_ref().and_then(|table| table.table("metrics"));
    let max_series =
        metrics.map_or(10_000, |table| table.integer("max_series", 100..=10_000_000, 10_000));
    Telemetry { log, access_log, max_series: usize::try_from(max_series).unwrap_or(10_000) }
}

fn level(table: &Table<'_>) -> LogLevel {
    match table.choice("level", &["error", "warn", "info", "debug", "trace"]) {
        Some("error") => LogLevel::Error,
        Some("warn") => LogLevel::Warn,
        Some("debug") => LogLevel::Debug,
        Some("trace") => LogLevel::Trace,
        _ => LogLevel::Info,
    }
}

fn format(table: &Table<'_>) -> LogFormat {
    match table.choice("format", &["json", "text"]) {
        Some("text") => LogFormat::Text,
        _ => LogFormat::Json,
    }
}
