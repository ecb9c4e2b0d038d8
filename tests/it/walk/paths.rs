//! Paths: the backend gets what the client sent and what was matched, and no spelling reaches an operation by another rule.

use crate::support::client::RawConnection;
use crate::support::config::{Config, api};
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;

/// One API at `/t` with these lines and operations, in front of an origin.
async fn serving(lines: &str, operations: &[&str]) -> (Gateway, Origin) {
    let origin = Origin::start();
    let mut api = api("t:1.0.0").without_subscription().to(&origin.url()).lines(lines);
    for operation in operations {
        api = api.operation(operation);
    }
    (Config::new().api(api).start().await, origin)
}

const OPEN: &str = "method = \"*\", path = \"/*\", auth = \"none\"";

/// The status of a request for this target below the API, byte for byte as it stands here.
async fn ask(gateway: &Gateway, target: &str) -> u16 {
    let mut raw = RawConnection::open(gateway.address()).await.unwrap();
    let head = format!("GET /t/1.0.0{target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    raw.send(head).await.unwrap();
    let answer = String::from_utf8_lossy(&raw.rest().await.unwrap()).into_owned();
    answer.get(9..12).and_then(|status| status.parse().ok()).expect("a status")
}

/// Each target is answered with 200, and the backend is asked for the second one.
async fn passes(gateway: &Gateway, origin: &Origin, targets: &[(&str, &str)]) {
    let before = origin.received().len();
    for (position, (target, expected)) in targets.iter().enumerate() {
        assert_eq!(ask(gateway, target).await, 200, "{target}");
        let received = origin.wait_for(before + position + 1).await;
        assert_eq!(received[before + position].target, *expected, "{target}");
    }
}

async fn are_refused(gateway: &Gateway, targets: &[&str]) {
    for target in targets {
        assert_eq!(ask(gateway, target).await, 400, "{target}");
    }
}

#[tokio::test]
async fn reserved_characters_reach_the_backend_as_sent() {
    let (gateway, origin) = serving("", &[OPEN]).await;
    let as_sent = [
        "/users/a%2Cb,c",
        "/users/a%2Bb%26c%3Dd%3Ae",
        "/%24%40%21%27%28%29%2A",
        "/a+b&c=d:e",
        "/a%3Bb",
        "/caf%C3%A9%20au%20lait%25",
    ];
    passes(&gateway, &origin, &as_sent.map(|target| (target, target))).await;
    let in_normal_form = [("/%61%2d%7E", "/a-~"), ("/a%2cb%c3%a9", "/a%2Cb%C3%A9")];
    passes(&gateway, &origin, &in_normal_form).await;
}

#[tokio::test]
async fn a_literal_is_matched_however_it_is_spelled() {
    let operations = [
        "method = \"GET\", path = \"/items:all\", auth = \"none\"",
        "method = \"GET\", path = \"/users/@me\"",
        "method = \"GET\", path = \"/users/{id}\", auth = \"none\"",
        "method = \"GET\", path = \"/lists/@all\", auth = \"none\"",
        "method = \"GET\", path = \"/lists/{id}\"",
    ];
    let (gateway, origin) = serving("", &operations).await;
    let spellings =
        [("/items:all", "/items:all"), ("/items%3aall", "/items%3Aall"), ("/users/7", "/users/7")];
    passes(&gateway, &origin, &spellings).await;
    assert_eq!(ask(&gateway, "/users/@me").await, 401);
    assert_eq!(ask(&gateway, "/users/%40me").await, 401);
    // a backend that does not decode reads an operation here that asks for a token
    are_refused(&gateway, &["/lists/%40all"]).await;
    assert_eq!(origin.received().len(), spellings.len());
}

#[tokio::test]
async fn characters_that_browsers_send_raw_are_encoded() {
    let (gateway, origin) = serving("", &[OPEN]).await;
    let raw = [
        ("/filter[name]|x", "/filter%5Bname%5D%7Cx"),
        ("/{id}^2/\"a\"?q=[1]|{2}", "/%7Bid%7D%5E2/%22a%22?q=[1]|{2}"),
    ];
    passes(&gateway, &origin, &raw).await;
    are_refused(&gateway, &["/a\\b", "/a\\..\\b"]).await;
    assert_eq!(origin.received().len(), raw.len());
}

#[tokio::test]
async fn encoded_slashes_are_kept_where_an_api_says_so() {
    let targets = [
        "/api/v4/projects/group%2Fproject/issues",
        "/@scope%2Fpkg",
        "/repositories/https%3A%2F%2Fgit.example%2Fa",
        "/a%252Fb",
        "/100%2525",
    ];
    let (gateway, origin) = serving("", &[OPEN]).await;
    are_refused(&gateway, &targets).await;
    assert!(origin.received().is_empty());

    let (gateway, origin) = serving("encoded_slashes = \"keep\"", &[OPEN]).await;
    passes(&gateway, &origin, &targets.map(|target| (target, target))).await;
    passes(&gateway, &origin, &[("/a%2fb//c", "/a%2Fb/c")]).await;
    let refused = [
        "/a%2F..%2Fb",
        "/a/..%2fb",
        "/%252e%252e%252Fb",
        "/a%2Fb/../c",
        "/a%5Cb",
        "/a%255Cb",
        "/a%2500",
        "/a%2F..;x/b",
    ];
    are_refused(&gateway, &refused).await;
    assert_eq!(origin.received().len(), targets.len() + 1);
}

#[tokio::test]
async fn doubled_slashes_are_kept_where_an_api_says_so() {
    let (gateway, origin) = serving("", &[OPEN]).await;
    passes(&gateway, &origin, &[("//a///b//", "/a/b/")]).await;

    let (gateway, origin) = serving("merge_slashes = false", &[OPEN]).await;
    passes(&gateway, &origin, &[("//a///b//", "//a///b//"), ("/a/../b", "/b"), ("//", "//")]).await;
    are_refused(&gateway, &["/a//../b", "//./b", "//a%2Fb", "//..;/b"]).await;
    assert_eq!(origin.received().len(), 3);
}

#[tokio::test]
async fn what_is_kept_reaches_no_operation_by_a_weaker_rule() {
    let operations = [
        OPEN,
        "method = \"GET\", path = \"/open/{id}/list\", auth = \"none\"",
        "method = \"GET\", path = \"/users/{id}/secret\"",
        "method = \"GET\", path = \"/admin\"",
    ];
    let both = "encoded_slashes = \"keep\"\nmerge_slashes = false";
    let (gateway, origin) = serving(both, &operations).await;
    are_refused(
        &gateway,
        &[
            "/users%2F1%2Fsecret",
            "/users%252F1%252Fsecret",
            "/users/1%2Fsecret",
            "//users/1/secret",
            "/users//1/secret",
            "//admin",
            "/%2Fadmin",
            "/%2561dmin",
            "/%2Fadmin;v=1",
        ],
    )
    .await;
    assert!(origin.received().is_empty());
    let harmless = ["/open%2F1%2Flist", "//open/1/list", "/users/1%2Fname", "//x/admin"];
    passes(&gateway, &origin, &harmless.map(|target| (target, target))).await;
}

#[tokio::test]
async fn a_context_ends_where_it_ends_however_it_is_spelled() {
    let origin = Origin::start();
    let gateway = Config::new().api(api("s:1,0").at("/s@x").open().to(&origin.url())).start().await;
    for (position, base) in ["/s@x/1,0", "/s%40x/1%2c0", "/s@x/1%2C0"].iter().enumerate() {
        let answer = gateway.get(&format!("{base}/a%40b"), None).await;
        assert_eq!(answer.status(), 200, "{base}");
        assert_eq!(origin.wait_for(position + 1).await[position].target, "/a%40b", "{base}");
    }
}
