//! Counts that are set back at one gateway begin anew at all of them.

use serde_json::json;

use super::Fleet;
use crate::admin::devportal::{PORTAL, Portal, text};
use crate::support::gateway::Gateway;
use crate::support::redis::Redis;
use crate::support::until;

const ACCOUNT: &str = "/accounts/1.0.0/accounts/42";

/// A policy of three requests an hour.
const THREE: &str = "[[throttling_policies]]\nname = \"Three\"\nlevel = \"application\"\n\
                     requests = 3\nper = \"1h\"\n";

/// An application with the client "shop", as a developer makes it; returns its path.
async fn shop(portal: &Portal) -> String {
    let body = json!({ "name": "Shop", "throttlingPolicy": "Three" });
    let made = portal.post("ann", "/applications", &body).await;
    let id = text(&made.body["applicationId"]);
    assert_eq!(portal.map("ann", &id, "shop").await.status, 200);
    let api = portal.api("accounts").await;
    let body = json!({ "applicationId": id, "apiId": api, "throttlingPolicy": "Unlimited" });
    let made = portal.post("ann", "/subscriptions?wait=fleet", &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    format!("{PORTAL}/applications/{id}")
}

async fn status(gateway: &Gateway, token: &str) -> u16 {
    gateway.status(ACCOUNT, token).await
}

/// The quota is over at each of them.
async fn exhausted(gateways: &[&Gateway], token: &str) {
    for gateway in gateways {
        let refused = async || status(gateway, token).await;
        until("the quota is over", refused, |status| *status == 429).await;
    }
}

/// Each has compared its counts with the servers twice.
async fn compared(gateways: &[&Gateway]) {
    let rounds = "portcullis_shared_counters_rounds_total{result=\"answered\"}";
    for gateway in gateways {
        let now = gateway.metric(rounds).await;
        gateway.metric_reaches(rounds, now + 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_on_one_count_begin_anew_together() {
    for mode in ["batched", "exact"] {
        let redis = Redis::start();
        let shared = format!(
            "[throttling]\ncounters = \"{}\"\nsync_interval = \"20ms\"\nmode = \"{mode}\"\n{THREE}",
            redis.address("")
        );
        let fleet = Fleet::open("", |config| config.tables(&shared)).await;
        let gateways = fleet.gateways();
        for gateway in gateways {
            gateway.metric_becomes("portcullis_shared_counters_up", 1).await;
        }
        let path = shop(&fleet.one).await;
        let token = fleet.one.bank.token_of("shop", "accounts:read");
        exhausted(&gateways, &token).await;
        // the call goes to one of them
        let reset = format!("{path}/reset-throttle-policy?wait=fleet");
        let body = json!({ "userName": "shop" });
        let answer = fleet.at_the_other("ann", "POST", &reset, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(!answer.headers.contains_key("portcullis-pending"), "{answer:?}");
        // what either of them still knows of the former counts brings nothing back
        if mode == "batched" {
            compared(&gateways).await;
        }
        let [one, other] = gateways;
        assert_eq!([status(one, &token).await, status(other, &token).await], [200; 2], "{mode}");
        if mode == "batched" {
            compared(&gateways).await;
        }
        assert_eq!(status(one, &token).await, 200, "{mode}: the third of three");
        exhausted(&gateways, &token).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_brings_nothing_back() {
    let mut portal = Portal::of(|config| config.tables(THREE)).await;
    let path = shop(&portal).await;
    let token = portal.bank.token_of("shop", "accounts:read");
    exhausted(&[&portal.bank.gateway], &token).await;
    // a restart alone keeps the counts
    let folder = portal.bank.gateway.folder().to_owned();
    portal.bank.gateway.end();
    let mut again = Gateway::start_in(&folder, None).await;
    assert_eq!(status(&again, &token).await, 429);
    let reset = format!("{path}/reset-throttle-policy");
    let answer =
        crate::admin::devportal::call(&again, "ann", "POST", &reset, &[], Some(&json!({}))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!([status(&again, &token).await, status(&again, &token).await], [200; 2]);
    again.end();
    let third = Gateway::start_in(&folder, None).await;
    assert_eq!([status(&third, &token).await, status(&third, &token).await], [200, 429]);
}
