//! The operation of a host, a path and a method.

use proptest::prelude::*;

use super::*;
use crate::model::api::{
    AuthorizationForwarding, HostPattern, OperationMethod, QueryTokenRule, SubscriptionRule,
};
use crate::model::identity::Identities;
use crate::model::names::{ApiName, Scope, Version};
use crate::model::provenance::Provenance;
use crate::model::template::{Tail, Template};

mod properties;

fn api(base_path: &str, operations: &[(&str, &str)]) -> Api {
    Api {
        identity: Identities::default().api("api:1"),
        name: ApiName::try_from("api").unwrap(),
        version: Version::try_from("1").unwrap(),
        context: base_path.to_owned(),
        base_path: base_path.to_owned(),
        default_base_path: None,
        hosts: Vec::new(),
        key_managers: Vec::new(),
        audiences: Vec::new(),
        subscription: SubscriptionRule::Required,
        binding: crate::model::api::BindingRule::NotRequired,
        refusals: crate::model::api::RefusalMode::Enforced,
        dpop_nonce: false,
        backend_jwt: false,
        authorization_header: "authorization".to_owned(),
        query_token: QueryTokenRule::Never,
        authorization: AuthorizationForwarding::Remove,
        lifecycle: Lifecycle::Published,
        paths: PathRules::default(),
        max_body_bytes: None,
        body_stall: crate::model::api::BodyStall::Limits,
        concurrency: None,
        policies: crate::model::api::ApiPolicies::default(),
        close_on_token_expiry: true,
        cors: None,
        request_headers: crate::model::api::HeaderRules::default(),
        response_headers: crate::model::api::HeaderRules::default(),
        production: None,
        sandbox: None,
        operations: operations
            .iter()
            .map(|(method, template)| operation(method, template))
            .collect(),
        place: Provenance::default(),
    }
}

fn operation(method: &str, template: &str) -> Operation {
    Operation {
        method: if method == "*" {
            OperationMethod::Any
        } else {
            OperationMethod::Exact(method.parse().unwrap())
        },
        template: Template::try_from(template).unwrap(),
        auth: AuthScheme::Required,
        scopes: Vec::new(),
        policy: crate::model::policy::PolicyIndex::UNLIMITED,
        observe: false,
        place: Provenance::default(),
    }
}

/// Builds the table of these APIs, whose slots are their positions.
fn built(apis: &[Api]) -> RouteTable {
    let identities = Identities::default();
    let of = |(position, api): (usize, &Api)| Api {
        identity: identities.api(&position.to_string()),
        ..api.clone()
    };
    let apis: Vec<Api> = apis.iter().enumerate().map(of).collect();
    RouteTable::build(&apis)
}

fn at(mut api: Api, hosts: &[HostPattern]) -> Api {
    api.hosts = hosts.to_vec();
    api
}

fn exact(name: &str) -> HostPattern {
    HostPattern::Exact(name.to_owned())
}

fn below(suffix: &str) -> HostPattern {
    HostPattern::Below(suffix.to_owned())
}

fn find(table: &RouteTable, method: &str, path: &str) -> Result<u32, NotFound> {
    let path = normalize(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    table.find("", &path, &method.parse().unwrap()).map(|found| found.operation)
}

/// Returns the position of the API, or none.
fn find_api(table: &RouteTable, host: &str, path: &str) -> Option<(u32, usize)> {
    let found = table.find(host, &normalize(path).unwrap(), &Method::GET);
    found.ok().map(|found| (found.api.0, found.base_length))
}

#[test]
fn the_most_specific_template_wins() {
    let table = built(&[api(
        "",
        &[
            ("GET", "/users/{id}"),
            ("GET", "/users/me"),
            ("GET", "/users/*"),
            ("GET", "/users/{id}/orders"),
            ("POST", "/users/me/notes"),
            ("*", "/users/{id}/notes"),
            ("GET", "/"),
            ("GET", "/x%2A/@"),
        ],
    )]);
    for (path, expected) in [
        ("/users/7", 0),
        ("/users/7/", 0),
        ("/users/me", 1),
        ("/users/m%65", 1),
        ("/users/me/", 1),
        ("/users/ME", 0),
        ("/users/me.", 0),
        ("/users/me%20", 0),
        ("/users", 2),
        ("/users/", 2),
        ("/users/7/8/9", 2),
        ("/users/me/orders", 3),
        ("/users/7/orders", 3),
        // the literal "me" does not offer GET: back to the parameter
        ("/users/me/notes", 5),
        ("/", 6),
        ("/x*/%40", 7),
    ] {
        assert_eq!(find(&table, "GET", path), Ok(expected), "{path}");
    }
    assert_eq!(find(&table, "POST", "/users/me/notes"), Ok(4));
    assert_eq!(find(&table, "GET", "/other"), Err(NotFound::Operation { api: ApiSlot(0) }));
}

#[test]
fn a_trailing_slash_is_below_only_where_that_is_written() {
    let table = built(&[api(
        "/b",
        &[("GET", "/a"), ("GET", "/a/*"), ("GET", "/c"), ("GET", "/d/*"), ("*", "/")],
    )]);
    for (path, expected) in [
        ("/b/a", 0),
        ("/b/a/", 1),
        ("/b/a/x/", 1),
        ("/b/c", 2),
        ("/b/c/", 2),
        ("/b/d", 3),
        ("/b/d/", 3),
        ("/b", 4),
        ("/b/", 4),
    ] {
        assert_eq!(find(&table, "GET", path), Ok(expected), "{path}");
    }
    // the operation below does not offer POST, and the exact one does not either
    assert!(matches!(find(&table, "POST", "/b/a/"), Err(NotFound::Method { .. })));
}

#[test]
fn methods_are_exact_before_any() {
    let table = built(&[api(
        "",
        &[
            ("*", "/a"),
            ("GET", "/a"),
            ("HEAD", "/b"),
            ("GET", "/b"),
            ("GET", "/c"),
            ("POST", "/c"),
            ("PUT", "/{x}"),
            ("BREW", "/c"),
        ],
    )]);
    assert_eq!(find(&table, "GET", "/a"), Ok(1));
    assert_eq!(find(&table, "HEAD", "/a"), Ok(1));
    assert_eq!(find(&table, "PATCH", "/a"), Ok(0));
    assert_eq!(find(&table, "HEAD", "/b"), Ok(2));
    assert_eq!(find(&table, "HEAD", "/c"), Ok(4));
    let allowed =
        ["GET", "HEAD", "POST", "BREW", "PUT"].map(|method| method.parse().unwrap()).to_vec();
    assert_eq!(find(&table, "DELETE", "/c"), Err(NotFound::Method { api: ApiSlot(0), allowed }));
}

#[test]
fn parameters_are_cut_and_never_choose_the_operation() {
    let table = built(&[api(
        "/p",
        &[("GET", "/users/me"), ("GET", "/users/{id}"), ("GET", "/files/*"), ("POST", "/{any}/me")],
    )]);
    assert_eq!(find(&table, "GET", "/p/users/7;v=1"), Ok(1));
    assert_eq!(find(&table, "GET", "/p/users/7%3Bv"), Ok(1));
    assert_eq!(find(&table, "GET", "/p/files/a;x/b;y"), Ok(2));
    for path in [
        "/p/users/me;x",
        "/p/users/me%3bx",
        "/p/users;x/7",
        "/p/files;x/a",
        "/p;x/users/7",
        "/p%3B/files/a",
    ] {
        let refused = find(&table, "GET", path).unwrap_err();
        assert_eq!(
            (refused.reason(), refused),
            (Reason::InvalidPath, NotFound::PathParameters),
            "{path}"
        );
    }
    // the literal "users" is no way to a POST, so nothing is cut from a literal
    assert_eq!(find(&table, "POST", "/p/users;x/me"), Ok(3));
}

#[test]
fn the_longest_base_path_wins_on_segment_borders() {
    let any = &[("GET", "/*")];
    let mut versioned = api("/accounts/2.0.0", any);
    versioned.default_base_path = Some("/accounts".to_owned());
    let mut retired = api("/accounts/1.0.0", any);
    retired.lifecycle = Lifecycle::Retired;
    let mut blocked = api("/blocked", any);
    blocked.lifecycle = Lifecycle::Blocked;
    let table =
        built(&[versioned, retired, api("", any), api("/accounts/2.0.0/deep/er", &[]), blocked]);
    for (path, expected) in [
        ("/accounts/2.0.0/x", Some((0, 15))),
        ("/accounts/2.0.0", Some((0, 15))),
        ("/accounts/2.0.0/deep/x", Some((0, 15))),
        ("/accounts/x", Some((0, 9))),
        ("/accounts/1.0.0/x", Some((0, 9))),
        ("/accountsx", Some((2, 0))),
        ("/accounts/2.0.0/deep/er/x", None),
        ("/blocked/x", Some((4, 8))),
        ("/", Some((2, 0))),
    ] {
        assert_eq!(find_api(&table, "", path), expected, "{path}");
    }
}

#[test]
fn the_most_specific_host_wins_among_equal_base_paths() {
    let any = &[("GET", "/*")];
    let table = built(&[
        api("/a", any),
        at(api("/a", any), &[exact("bank.example"), exact("other.example")]),
        at(api("/a", any), &[below(".bank.example")]),
        at(api("/a", any), &[below(".eu.bank.example")]),
        at(api("/a/b", any), &[exact("bank.example")]),
        at(api("/only", any), &[exact("[::1]")]),
    ]);
    for (host, path, expected) in [
        ("bank.example", "/a", Some((1, 2))),
        ("other.example", "/a", Some((1, 2))),
        ("api.bank.example", "/a", Some((2, 2))),
        ("x.y.bank.example", "/a", Some((2, 2))),
        ("x.eu.bank.example", "/a", Some((3, 2))),
        ("eu.bank.example", "/a", Some((2, 2))),
        ("notbank.example", "/a", Some((0, 2))),
        ("", "/a", Some((0, 2))),
        ("bank.example", "/a/b", Some((4, 4))),
        ("x.bank.example", "/a/b", Some((2, 2))),
        ("[::1]", "/only", Some((5, 5))),
        ("", "/only", None),
    ] {
        assert_eq!(find_api(&table, host, path), expected, "{host} {path}");
    }
}

#[test]
fn large_tables_find_their_own() {
    let templates: Vec<String> =
        (0..10_000).map(|number| format!("/items/{number}/{{id}}")).collect();
    let operations: Vec<(&str, &str)> =
        templates.iter().map(|template| ("GET", template.as_str())).collect();
    let mut apis = vec![api("/wide", &operations)];
    apis.extend((0..10_000).map(|number| api(&format!("/api{number}/1.0"), &[("GET", "/x")])));
    let table = built(&apis);
    assert_eq!(find(&table, "GET", "/wide/items/9876/x"), Ok(9876));
    assert_eq!(find_api(&table, "", "/api4321/1.0/x").map(|found| found.0), Some(4322));
    assert_eq!(
        find(&table, "GET", "/wide/items/10000/x"),
        Err(NotFound::Operation { api: ApiSlot(0) })
    );
}
