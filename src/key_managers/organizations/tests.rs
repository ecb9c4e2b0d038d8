//! Opened and displaced organizations, with a clock set by hand.

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::config;
use crate::model::clock::{Clock, UnixSeconds};
use crate::telemetry::Metrics;

const KEY: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"one","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// A clock that stands still until it is set.
#[derive(Debug)]
struct HandClock(AtomicU64);

impl Clock for HandClock {
    fn now(&self) -> UnixSeconds {
        UnixSeconds(self.0.load(Ordering::SeqCst))
    }
}

/// A server with keys for organizations whose name begins with `real`; it counts the requests for
/// keys.
struct Server {
    address: std::net::SocketAddr,
    asked: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Server {
    async fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let (mut tasks, count) = (JoinSet::new(), Arc::clone(&asked));
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = [0; 2048];
                let read = stream.read(&mut buffer).await.unwrap_or(0);
                let head = String::from_utf8_lossy(&buffer[..read]).into_owned();
                count.fetch_add(1, Ordering::SeqCst);
                let (status, body) = match head.split(' ').nth(1).unwrap_or_default() {
                    path if path.starts_with("/o/real") => ("200 OK", KEY),
                    path if path.starts_with("/o/broken") => ("500 Oops", ""),
                    _ => ("404 Not Found", ""),
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Server { address, asked, _tasks: tasks }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

struct Stage {
    folder: tempfile::TempDir,
    clock: Arc<HandClock>,
    server: Server,
}

impl Stage {
    async fn new() -> Stage {
        let clock = Arc::new(HandClock(AtomicU64::new(1_000_000)));
        Stage { folder: tempfile::tempdir().unwrap(), clock, server: Server::start().await }
    }

    fn organizations(&self, most: usize, new: u32) -> Organizations {
        let template = template(self.folder.path(), self.server.address, most, new);
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let starter = OnDemand::new(self.folder.path(), clock);
        Organizations::new(&template, &starter, &Metrics::new(1, 0).key_manager("t")).unwrap()
    }

    fn later(&self, seconds: u64) -> Moment {
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
        self.clock.moment()
    }
}

fn template(
    folder: &Path,
    server: std::net::SocketAddr,
    most: usize,
    new: u32,
) -> KeyManagerTemplate {
    let text = format!(
        "[[key_managers]]\nname = \"is\"\nissuer = \"https://is.example/o/{{org}}\"\n\
         certificates = {{ jwks = \"http://{server}/o/{{org}}/jwks\" }}\norganization_pattern = \"[a-z0-9-]+\"\n\
         max_organizations = {most}\nmax_new_organizations = {new}\njwks_min_refetch = \"1ms\"\n"
    );
    let path = folder.join("gateway.toml");
    std::fs::write(&path, text).unwrap();
    config::load(&path).unwrap_or_else(|report| panic!("{report}")).model.templates.remove(0)
}

fn issuer(organization: &str) -> String {
    format!("https://is.example/o/{organization}")
}

/// Serves a request with a good token that is let through.
async fn serve(
    organizations: &Organizations,
    organization: &str,
    now: Moment,
) -> Result<(), OrganizationClosed> {
    organizations.open(&issuer(organization), None).await?;
    organizations.find(&issuer(organization)).expect("open").note_use(now);
    Ok(())
}

fn event(organizations: &Organizations, name: &str) -> u64 {
    organizations.status().events.iter().find(|(event, _)| *event == name).unwrap().1
}

#[tokio::test]
async fn all_who_ask_for_one_share_one_fetch() {
    let stage = Stage::new().await;
    let organizations = Arc::new(stage.organizations(10, 10));
    let mut asking = JoinSet::new();
    for _ in 0..50 {
        let organizations = Arc::clone(&organizations);
        asking.spawn(async move { organizations.open(&issuer("real-a"), None).await });
    }
    while let Some(opened) = asking.join_next().await {
        assert_eq!(opened.unwrap(), Ok(()));
    }
    assert_eq!((stage.server.asked(), event(&organizations, "opened")), (1, 1));
    let open = organizations.find(&issuer("real-a")).unwrap();
    assert!(organizations.holds(&open) && open.definition.name.as_str() == "is/real-a");
    assert_eq!(open.definition.organization_id(), Some("real-a"));
    assert_eq!((open.definition.revocation_name(), open.definition.enabled), ("is", true));
}

#[tokio::test]
async fn whoever_names_made_up_ones_leaves_the_others_their_share() {
    let stage = Stage::new().await;
    let organizations = stage.organizations(20, 20);
    let client = |address: &str| Some(ClaimedClient::of(address.parse().unwrap()));
    let (liar, other) = (client("192.0.2.1"), client("198.51.100.7"));
    let mut absent = 0;
    for number in 0..100 {
        let outcome = organizations.open(&issuer(&format!("made-up-{number}")), liar).await;
        absent += u32::from(outcome == Err(OrganizationClosed::Absent));
    }
    assert_eq!((absent, stage.server.asked()), (5, 5));
    for number in 0..15 {
        let name = format!("real-{number}");
        assert_eq!(organizations.open(&issuer(&name), other).await, Ok(()), "{number}");
    }
    assert_eq!(organizations.budget().known, 2);
    stage.later(60);
    assert_eq!(
        organizations.open(&issuer("made-up-x"), liar).await,
        Err(OrganizationClosed::Absent)
    );
    organizations.tend(stage.later(60));
    assert_eq!(organizations.budget().known, 0);
}

#[tokio::test]
async fn whatever_is_asked_for_the_server_is_asked_so_often_and_no_more() {
    let stage = Stage::new().await;
    let organizations = stage.organizations(10, 5);
    let mut outcomes = Vec::new();
    for number in 0..200 {
        outcomes.push(organizations.open(&issuer(&format!("made-up-{number}")), None).await);
    }
    assert_eq!(
        outcomes.iter().filter(|outcome| **outcome == Err(OrganizationClosed::Absent)).count(),
        5
    );
    assert_eq!(outcomes[5], Err(OrganizationClosed::TooMany { retry_after: 12 }));
    assert_eq!(stage.server.asked(), 5);
    assert_eq!(
        organizations.open(&issuer("made-up-0"), None).await,
        Err(OrganizationClosed::KnownAbsent)
    );
    assert_eq!(
        organizations.known_closed(&issuer("made-up-0"), stage.clock.moment()),
        Some(OrganizationClosed::KnownAbsent)
    );
    assert_eq!(organizations.status().on_trial, 0, "what is not there takes no place");
    stage.later(30);
    assert_eq!(
        organizations.open(&issuer("made-up-1"), None).await,
        Err(OrganizationClosed::KnownAbsent)
    );
    assert_eq!(stage.server.asked(), 5);
    stage.later(31);
    assert_eq!(
        organizations.open(&issuer("made-up-1"), None).await,
        Err(OrganizationClosed::Absent),
        "asked again"
    );
    assert_eq!(stage.server.asked(), 6);
    assert!(
        organizations.status().closed <= 5,
        "what was forgotten is not kept: {:?}",
        organizations.status()
    );
}

#[tokio::test]
async fn a_server_in_trouble_is_not_an_absence() {
    let stage = Stage::new().await;
    let organizations = stage.organizations(10, 5);
    assert_eq!(
        organizations.open(&issuer("broken"), None).await,
        Err(OrganizationClosed::Unavailable)
    );
    assert_eq!(
        organizations.open(&issuer("broken"), None).await,
        Err(OrganizationClosed::Unavailable)
    );
    assert_eq!(stage.server.asked(), 1);
    stage.later(6);
    assert_eq!(
        organizations.open(&issuer("broken"), None).await,
        Err(OrganizationClosed::Unavailable)
    );
    assert_eq!((stage.server.asked(), event(&organizations, "unavailable")), (2, 2));
}

#[tokio::test]
async fn a_live_organization_is_pushed_out_by_nothing() {
    let stage = Stage::new().await;
    let organizations = stage.organizations(2, 4);
    let mut now = stage.clock.moment();
    for live in ["real-a", "real-b"] {
        serve(&organizations, live, now).await.unwrap();
    }
    organizations.tend(now);
    assert_eq!(organizations.status().live, 2);
    // real organizations that are named by forged tokens: opened, and never let through
    for number in 0..60 {
        now = stage.later(60);
        for live in ["real-a", "real-b"] {
            organizations
                .find(&issuer(live))
                .unwrap_or_else(|| panic!("{live} after {number}"))
                .note_use(now);
        }
        for more in 0..4 {
            organizations
                .open(&issuer(&format!("real-other-{number}-{more}")), None)
                .await
                .unwrap();
        }
        organizations.tend(now);
        let status = organizations.status();
        assert!(status.live == 2 && status.on_trial <= 4, "{status:?}");
    }
    assert!(event(&organizations, "evicted") > 200);
    // and even a good one waits while the live ones are in use
    now = stage.later(60);
    serve(&organizations, "real-new", now).await.unwrap();
    organizations.tend(now);
    organizations.tend(now);
    assert!(organizations.find(&issuer("real-new")).is_some(), "served, on trial");
    assert_eq!((organizations.status().live, event(&organizations, "full")), (2, 1));
    now = stage.later(IDLE.as_secs() - 60);
    organizations.find(&issuer("real-a")).unwrap().note_use(now);
    now = stage.later(60);
    organizations.tend(now);
    let open = |name: &str| {
        organizations
            .live()
            .iter()
            .any(|live| live.definition.name.as_str() == format!("is/{name}"))
    };
    assert!(
        open("real-a") && open("real-new") && !open("real-b"),
        "the one that nobody used for an hour goes"
    );
}

#[tokio::test]
async fn one_on_trial_lasts_for_as_many_as_may_be_opened_in_a_minute() {
    let stage = Stage::new().await;
    let organizations = stage.organizations(10, 5);
    organizations.open(&issuer("real-slow"), None).await.unwrap();
    for number in 0..4 {
        organizations.open(&issuer(&format!("real-{number}")), None).await.unwrap();
    }
    let mut seconds = 0;
    while organizations.find(&issuer("real-slow")).is_some() {
        stage.later(1);
        seconds += 1;
        let _ = organizations.open(&issuer(&format!("real-more-{seconds}")), None).await;
        assert!(seconds < 100, "never let go");
    }
    assert!(seconds >= 10, "{seconds}");
}

#[tokio::test]
async fn live_ones_are_open_again_after_a_restart_and_no_others() {
    let stage = Stage::new().await;
    let organizations = stage.organizations(10, 10);
    let now = stage.clock.moment();
    serve(&organizations, "real-live", now).await.unwrap();
    organizations.open(&issuer("real-trial"), None).await.unwrap();
    organizations.tend(now);
    drop(organizations);
    let again = stage.organizations(10, 10);
    assert!(
        again.find(&issuer("real-live")).is_some() && again.find(&issuer("real-trial")).is_none()
    );
    again.find(&issuer("real-live")).unwrap().keys.settled().await;
    assert!(again.find(&issuer("real-live")).unwrap().keys.current().keys.is_some());
    let files: Vec<String> = std::fs::read_dir(stage.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(
        files.iter().filter(|name| name.starts_with("organizations-")).count(),
        1,
        "{files:?}"
    );
    // a list that names organizations outside the pattern does not open them
    let list = files.iter().find(|name| name.starts_with("organizations-")).unwrap();
    std::fs::write(stage.folder.path().join(list), r#"["UPPER","../x","a/b","real-ok",""]"#)
        .unwrap();
    drop(again);
    let names: Vec<_> = stage
        .organizations(10, 10)
        .live()
        .iter()
        .map(|live| live.definition.name.to_string())
        .collect();
    assert_eq!(names, ["is/real-ok"]);
    std::fs::write(stage.folder.path().join(list), "{half").unwrap();
    assert_eq!(stage.organizations(10, 10).status().live, 0);
}

#[tokio::test]
async fn only_live_ones_leave_keys_on_disk_and_take_them_along() {
    let stage = Stage::new().await;
    let organizations = stage.organizations(1, 10);
    let mut now = stage.clock.moment();
    let kept = || {
        let entries =
            std::fs::read_dir(stage.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        entries.filter(|name| name.to_string_lossy().starts_with("keys-")).count()
    };
    for number in 0..5 {
        organizations.open(&issuer(&format!("real-{number}")), None).await.unwrap();
    }
    assert_eq!(kept(), 0, "named by a token, and no more");
    serve(&organizations, "real-0", now).await.unwrap();
    organizations.tend(now);
    organizations.find(&issuer("real-0")).unwrap().keys.settled().await;
    let started = std::time::Instant::now();
    while kept() == 0 {
        // a live one's next fetch is kept
        let _ = organizations
            .find(&issuer("real-0"))
            .unwrap()
            .keys
            .refetch(crate::jwks::RefetchCause::UnknownKey)
            .await;
        assert!(started.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    now = stage.later(IDLE.as_secs());
    serve(&organizations, "real-1", now).await.unwrap();
    organizations.tend(now);
    assert_eq!(kept(), 0, "gone with its organization");
}
