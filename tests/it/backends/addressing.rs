//! What a backend learns of the client's address (`preserve_host`, `forward_prefix`), and what the client learns of the
//! backend's (`rewrite_location`).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::config::{Config, api};
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::script::Script;

/// APIs at `/any/1` and `/any`, and at the root, with these lines for their production backend.
async fn open(settings: &str, backend: &str) -> Gateway {
    config(settings, backend).start().await
}

async fn change(gateway: &Gateway, settings: &str, backend: &str) {
    gateway.change(&config(settings, backend)).await.unwrap();
}

fn config(settings: &str, backend: &str) -> Config {
    let of =
        |reference: &str| api(reference).open().lines("default_version = true").production(backend);
    Config::new()
        .gateway(settings)
        .api(of("any:1"))
        .api(of("root:2").at("/").lines("hosts = [\"root.example\"]"))
}

async fn get(gateway: &Gateway, path: &str, fields: &[(&str, &str)]) -> Response<Bytes> {
    let mut request = Request::get(gateway.url(path));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    gateway.send(request.body(Bytes::new()).unwrap()).await
}

#[tokio::test]
async fn the_backend_gets_the_clients_host_where_it_is_preserved() {
    let origin = Origin::start();
    let gateway = open("", &format!("urls = [\"{}\"]", origin.url())).await;
    for (preserve, expected) in [
        ("", origin.address().to_string()),
        ("preserve_host = false", origin.address().to_string()),
        ("preserve_host = true", "shop.example:8443".to_owned()),
    ] {
        let backend = format!("urls = [\"{}/base\"]\n{preserve}", origin.url());
        change(&gateway, "", &backend).await;
        let seen = origin.received().len();
        get(&gateway, "/any/1/x", &[("host", "Shop.example:8443")]).await;
        assert_eq!(origin.wait_for(seen + 1).await[seen].values("host"), [expected], "{preserve}");
    }
}

#[tokio::test]
async fn a_preserved_host_is_the_believed_one_and_outlives_a_retry() {
    let (dead, origin) = (Origin::start(), Origin::start());
    let closed = dead.address();
    drop(dead);
    let proxies = "trusted_proxies = [\"127.0.0.1\"]\nforwarded_headers = [\"X-Forwarded-Host\"]";
    let backend =
        format!("urls = [\"http://{closed}\", \"{}\"]\npreserve_host = true", origin.url());
    let gateway = open(proxies, &backend).await;
    get(&gateway, "/any/1/x", &[("x-forwarded-host", "shop.example")]).await;
    assert_eq!(origin.wait_for(1).await[0].values("host"), ["shop.example"]);
}

/// A backend of HTTP/2 by prior knowledge that remembers `:authority` and `Host`. It serves until the set is dropped.
async fn http2_backend() -> (SocketAddr, Arc<Mutex<Vec<String>>>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, seen) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
    let record = Arc::clone(&seen);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let record = Arc::clone(&record);
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let authority = request.uri().authority().map(ToString::to_string);
                let host = request.headers().get("host").map(|host| format!("{host:?}"));
                record.lock().unwrap().push(format!("{authority:?} {host:?}"));
                async { Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::default())) }
            });
            let serving = http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service);
            connections.spawn(serving);
        }
    });
    (address, seen, tasks)
}

#[tokio::test]
async fn http2_has_the_host_in_its_authority() {
    let (address, seen, _tasks) = http2_backend().await;
    let gateway = open("", &format!("urls = [\"http://{address}\"]")).await;
    for (preserve, expected) in [
        ("", format!("Some(\"{address}\") None")),
        ("preserve_host = true", "Some(\"shop.example\") None".to_owned()),
    ] {
        let backend = format!("urls = [\"http://{address}\"]\nhttp2 = \"always\"\n{preserve}");
        change(&gateway, "", &backend).await;
        assert_eq!(get(&gateway, "/any/1/x", &[("host", "shop.example")]).await.status(), 200);
        assert_eq!(seen.lock().unwrap().pop(), Some(expected), "{preserve}");
    }
}

#[tokio::test]
async fn the_prefix_that_was_taken_off_is_told() {
    let origin = Origin::start();
    let proxies = "trusted_proxies = [\"127.0.0.1\"]\nforwarded_headers = [\"X-Forwarded-Prefix\"]";
    let told: &[(&str, &str)] = &[("x-forwarded-prefix", "/shop/")];
    let gateway = open("", &format!("urls = [\"{}\"]", origin.url())).await;
    let (silent, telling) = ("forward_prefix = false", "forward_prefix = true");
    for (settings, forward, path, fields, expected) in [
        ("", silent, "/any/1/x", &[][..], None),
        ("", silent, "/any/1/x", told, None),
        ("", telling, "/any/1/x", &[], Some("/any/1")),
        ("", telling, "/any/x", &[], Some("/any")),
        ("", telling, "/any/1/x", told, Some("/any/1")),
        (proxies, telling, "/any/1/x", told, Some("/shop/any/1")),
        (proxies, silent, "/any/1/x", told, None),
        ("", telling, "/x", &[("host", "root.example")], None),
    ] {
        change(&gateway, settings, &format!("urls = [\"{}\"]\n{forward}", origin.url())).await;
        let seen = origin.received().len();
        assert_eq!(get(&gateway, path, fields).await.status(), 200);
        let received = origin.wait_for(seen + 1).await.remove(seen);
        let values = received.values("x-forwarded-prefix");
        assert_eq!(values, Vec::from_iter(expected), "{settings} {forward} {path} {fields:?}");
    }
}

/// What a client is told where the backend says `{backend}...`.
async fn told(gateway: &Gateway, origin: &Origin, path: &str, location: &str) -> String {
    origin.once(Script::answer(302, &[("location", location), ("content-location", location)], ""));
    let answer = get(
        gateway,
        path,
        &[("host", if path.starts_with("/any") { "api.example" } else { "root.example" })],
    )
    .await;
    assert_eq!(answer.headers()["location"], answer.headers()["content-location"]);
    answer.headers()["location"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn without_the_setting_the_inner_address_passes() {
    let origin = Origin::start();
    let gateway = open("", &format!("urls = [\"{}/base\"]", origin.url())).await;
    let inner = format!("{}/base/x", origin.url());
    assert_eq!(told(&gateway, &origin, "/any/1/y", &inner).await, inner);
    assert_eq!(told(&gateway, &origin, "/any/1/y", "/base/x").await, "/base/x");
}

#[tokio::test]
async fn a_location_that_names_the_backend_is_given_the_clients_address() {
    let (origin, other) = (Origin::start(), Origin::start());
    let (at, beside) = (origin.url(), other.url());
    let backend =
        format!("urls = [\"{at}/base\"]\nfailover = [\"{beside}/more\"]\nrewrite_location = true");
    let gateway = open("", &backend).await;
    let authority = origin.address().to_string();
    for (path, location, expected) in [
        ("/any/1/y", format!("{at}/base/x?a=b#c"), "http://api.example/any/1/x?a=b#c"),
        ("/any/y", format!("{at}/base/x"), "http://api.example/any/x"),
        ("/any/1/y", format!("{at}/base"), "http://api.example/any/1"),
        ("/any/1/y", format!("{at}/base?a"), "http://api.example/any/1?a"),
        ("/any/1/y", format!("HTTP://{authority}/base/"), "http://api.example/any/1/"),
        ("/any/1/y", format!("//{authority}/base/x"), "http://api.example/any/1/x"),
        ("/any/1/y", format!("{beside}/more/x"), "http://api.example/any/1/x"),
        ("/any/1/y", "/base/x".to_owned(), "/any/1/x"),
        ("/any/1/y", "/base/any/1/x".to_owned(), "/any/1/any/1/x"),
        ("/any/1/y", "/base".to_owned(), "/any/1"),
        ("/y", format!("{at}/base/x"), "http://root.example/x"),
        ("/y", "/base".to_owned(), "/"),
        ("/2/y", "/base/x".to_owned(), "/2/x"),
    ] {
        assert_eq!(told(&gateway, &origin, path, &location).await, expected, "{location}");
    }
    for untouched in [
        "https://elsewhere.example/base/x".to_owned(),
        format!("https://{authority}/base/x"),
        format!("http://user@{authority}/base/x"),
        format!("{at}/other/x"),
        format!("{at}/base2"),
        format!("{at}/base/../x"),
        "/base/%2e%2E/x".to_owned(),
        "/other".to_owned(),
        "x".to_owned(),
        "../x".to_owned(),
        "?page=2".to_owned(),
        "mailto:a@b".to_owned(),
        String::new(),
    ] {
        assert_eq!(told(&gateway, &origin, "/any/1/y", &untouched).await, untouched);
    }
    // a path that would begin a host at the root
    assert_eq!(told(&gateway, &origin, "/y", "/base//evil.example").await, "/base//evil.example");
}

#[tokio::test]
async fn proxies_in_front_and_told_backends_are_taken_into_account() {
    let origin = Origin::start();
    let at = origin.url();
    let proxies = "trusted_proxies = [\"127.0.0.1\"]\n\
                   forwarded_headers = [\"X-Forwarded-Proto\", \"X-Forwarded-Host\", \"X-Forwarded-Prefix\"]";
    let fields = [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "shop.example"),
        ("x-forwarded-prefix", "/shop"),
    ];
    let ask = async |gateway: &Gateway, location: &str| {
        origin.once(Script::answer(201, &[("location", location)], ""));
        let answer = get(gateway, "/any/1/y", &fields).await;
        answer.headers()["location"].to_str().unwrap().to_owned()
    };
    let gateway = open(proxies, &format!("urls = [\"{at}\"]\nrewrite_location = true")).await;
    assert_eq!(ask(&gateway, &format!("{at}/x")).await, "https://shop.example/shop/any/1/x");
    assert_eq!(ask(&gateway, "/x").await, "/shop/any/1/x");
    assert_eq!(ask(&gateway, "/shop/any/1/x").await, "/shop/any/1/shop/any/1/x", "its own path");

    let both = format!(
        "urls = [\"{at}\"]\nrewrite_location = true\nforward_prefix = true\npreserve_host = true"
    );
    change(&gateway, proxies, &both).await;
    assert_eq!(ask(&gateway, "/shop/any/1/x").await, "/shop/any/1/x", "it was told");
    assert_eq!(ask(&gateway, "/x").await, "/shop/any/1/x");
    assert_eq!(ask(&gateway, "http://shop.example/x").await, "https://shop.example/shop/any/1/x");
    assert_eq!(
        ask(&gateway, "http://shop.example/shop/any/1/x").await,
        "https://shop.example/shop/any/1/x"
    );
}
