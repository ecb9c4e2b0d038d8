//! The real program with few file descriptors: its own reserve, the clients' share and the backends'.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::support::config::api;
use crate::support::frames::{self, Frames, kind};
use crate::support::origin::Origin;
use crate::support::program::{Program, wait_until};
use crate::support::script::Script;
use crate::support::within;

const PATH: &str = "/slow/1.0.0/x";

fn program(origin: &Origin) -> Program {
    let program = Program::of(&origin.url(), "", |config| {
        config.api(api("slow:1.0.0").open().to(&origin.url()))
    });
    program.edit("name = \"http\"\n", "name = \"http\"\nmax_connections = 20000\n");
    program
}

fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    (!answer.is_empty()).then_some(answer)
}

fn status(port: u16, path: &str) -> Option<String> {
    get(port, path)?.split(' ').nth(1).map(str::to_owned)
}

#[test]
fn probes_are_answered_however_many_clients_there_are() {
    let origin = Origin::start();
    let mut program = program(&origin);
    program.start_limited(256, 256);
    program.wait_until_ready();
    program.wait_for_log("LimitNOFILE=");
    // all that connect; most of them are closed again
    let clients: Vec<_> =
        (0..300).filter_map(|_| TcpStream::connect(("127.0.0.1", program.port)).ok()).collect();
    assert_eq!(clients.len(), 300);
    wait_until("some are refused", || {
        get(program.management, "/metrics").unwrap_or_default().lines().any(|line| {
            line.starts_with(
                "portcullis_connections_refused_total{listener=\"http\",reason=\"descriptors\"} ",
            ) && !line.ends_with(" 0")
        })
    });
    for path in ["/readyz", "/livez", "/metrics"] {
        assert_eq!(status(program.management, path).as_deref(), Some("200"), "{path}");
    }
    assert!(!program.log().contains("cannot accept"), "{}", program.log());
    // those that were let in are served, backends and all
    let served = clients.iter().filter(|client| {
        let mut client: &TcpStream = client;
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let request =
            b"GET /accounts/1.0.0/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let mut answer = Vec::new();
        let _ = client.write_all(request);
        let _ = client.read_to_end(&mut answer);
        let _ = client.shutdown(Shutdown::Both);
        answer.starts_with(b"HTTP/1.1 200")
    });
    let served = served.count();
    assert!((50..150).contains(&served), "{served} of 300 with 256 descriptors");
    assert_eq!(status(program.port, "/accounts/1.0.0/status").as_deref(), Some("200"));
}

#[tokio::test]
async fn one_http2_client_does_not_take_all_connections_to_backends() {
    let origin = Origin::start();
    let mut program = program(&origin);
    program.edit("name = \"http\"\n", "name = \"http\"\nprotocols = [\"h2\", \"http/1.1\"]\n");
    program.start_limited(256, 256);
    program.wait_until_ready();
    origin.always(Script::hang());
    let address = ([127, 0, 0, 1], program.port).into();
    let mut client = Frames::open(address, &[]).await.unwrap();
    let flags = frames::END_STREAM | frames::END_HEADERS;
    for number in 0..100_u32 {
        client.send(frames::request(2 * number + 1, flags, "GET", PATH, &[])).await.unwrap();
    }
    let mut refused = 0;
    while refused < 50 {
        assert!(client.next_of(kind::HEADERS).await.is_some(), "after {refused}");
        refused += 1;
    }
    let held = origin.wait_for(20).await.len();
    assert!(held < 50, "{held}");
    origin.always(Script::echo());
    let port = program.port;
    let others = tokio::task::spawn_blocking(move || {
        (0..20).map(|_| status(port, PATH)).collect::<Vec<_>>()
    });
    let others = within("the others", others).await.unwrap();
    assert!(others.iter().all(|status| status.as_deref() == Some("200")), "{others:?}");
    let metrics = get(program.management, "/metrics").unwrap();
    assert!(metrics.contains("reason=\"own_shortage\""), "{metrics}");
    assert!(!program.log().contains("ejected"), "{}", program.log());
}

#[test]
fn the_soft_limit_is_raised_and_check_says_what_does_not_fit() {
    let origin = Origin::start();
    let mut program = program(&origin);
    program.edit("max_connections = 20000\n", "max_connections = 10000000\n");
    let told = program.command(&["check"]);
    let text = String::from_utf8_lossy(&told.stderr).into_owned();
    assert_eq!(told.status.code(), Some(0), "{text}");
    assert!(text.contains("max_connections") && text.contains("LimitNOFILE="), "{text}");
    program.edit("max_connections = 10000000\n", "max_connections = 100\n");
    let told = program.command(&["check"]);
    let text = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(!text.contains("LimitNOFILE"), "{text}");
    program.start_limited(64, 2000);
    program.wait_until_ready();
    let metrics = get(program.management, "/metrics").unwrap();
    assert!(metrics.contains("process_max_fds 2000"), "{metrics}");
    assert!(!program.log().contains("LimitNOFILE"), "{}", program.log());
}
