//! Backends of stored APIs stay out of denied networks, also when an address changes after it was checked.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::super::devportal::Portal;
use super::pay;
use crate::backends::names::{Dns, Zone};
use crate::support::gateway::json;
use crate::support::until;

const STATUS: &str = "/pay/1.0.0/status";

/// A link-local address, at which clouds tell machines their secrets.
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

async fn publish(portal: &Portal, backend: &str) {
    let mut body = pay(portal);
    body["endpointConfig"]["production_endpoints"]["url"] = json!(backend);
    let id = portal.create_api(&body).await;
    assert_eq!(portal.transition(&id, "Publish").await.status, 200);
}

async fn asked(portal: &Portal) -> (u16, Value) {
    let answer = portal.bank.gateway.get(STATUS, None).await;
    let code = if answer.status() == 200 { Value::Null } else { json(&answer)["code"].clone() };
    (answer.status().as_u16(), code)
}

/// The step of `explain` that names the backend.
async fn explained(portal: &Portal) -> String {
    let question = json!({ "request": format!("GET {STATUS}") });
    let told = portal.send("admin", "POST", "/explain", &[], Some(&question)).await;
    let steps = told.body["steps"].as_array().unwrap_or_else(|| panic!("{told:?}"));
    let step = steps.iter().find(|step| step["step"] == "backend").unwrap();
    step["found"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_name_is_checked_each_time_that_it_is_resolved() {
    let dns = Dns::start(Zone::Addresses(vec![Ipv4Addr::LOCALHOST, METADATA]));
    let servers = format!("dns_servers = [\"{}\"]", dns.address);
    let portal = Portal::of(|config| config.gateway(&servers)).await;
    let port = portal.bank.production.address().port();
    publish(&portal, &format!("http://pay.bank.test:{port}")).await;
    for _ in 0..16 {
        assert_eq!(asked(&portal).await.0, 200, "the address that may be called is the only one");
    }
    dns.becomes(Zone::Addresses(vec![METADATA]));
    let refused = (503, json!("303001"));
    let many = async || {
        let mut answers = Vec::new();
        // each worker asks for itself
        for _ in 0..16 {
            answers.push(asked(&portal).await);
        }
        answers
    };
    until("it is refused", many, |answers| answers.iter().all(|own| *own == refused)).await;
    let logged = portal.bank.gateway.logged("backend_denied").await;
    assert_eq!(logged["status"], 503, "{logged}");
    let told = explained(&portal).await;
    assert!(told.ends_with("(in a network that may not be called)"), "{told}");
    dns.becomes(Zone::Addresses(vec![Ipv4Addr::LOCALHOST]));
    until("it is back", many, |answers| answers.iter().all(|own| own.0 == 200)).await;
    let told = explained(&portal).await;
    assert!(told.ends_with(&format!("http://pay.bank.test:{port}")), "{told}");
}

#[tokio::test]
async fn a_narrower_list_holds_for_stored_apis_and_not_for_those_of_files() {
    let portal = Portal::open().await;
    publish(&portal, &portal.bank.production.url()).await;
    let (token, accounts) = (portal.bank.token(), "/accounts/1.0.0/accounts/42");
    assert_eq!(asked(&portal).await.0, 200);
    assert_eq!(portal.bank.gateway.status(accounts, &token).await, 200);
    portal.bank.reload(|config| config.management("allowed_networks = []")).await.unwrap();
    // before any request: the address itself says it
    let told = explained(&portal).await;
    assert!(told.ends_with("(in a network that may not be called)"), "{told}");
    for _ in 0..8 {
        assert_eq!(asked(&portal).await, (503, json!("303001")), "no open connection is used");
    }
    assert_eq!(portal.bank.gateway.status(accounts, &token).await, 200, "the file's own");
    let metrics = portal.bank.gateway.metrics().await;
    assert!(metrics.contains("reason=\"backend_denied\"} 8\n"), "{metrics}");
    portal.bank.reload(|config| config).await.unwrap();
    assert_eq!(asked(&portal).await.0, 200);
}
