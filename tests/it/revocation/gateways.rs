//! Gateways that take the same tokens and share a channel.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use crate::support::bank;
use crate::support::config::Config;
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::redis::Redis;
use crate::support::signer::{Signer, claims};

const PATH: &str = "/accounts/1.0.0/accounts/42";
pub(super) const SET: &str = "{portcullis}:revocations";

/// Gateways that take the same tokens.
pub(super) struct Bank {
    pub(super) backend: Origin,
    pub(super) signer: Signer,
}

impl Bank {
    pub(super) fn new() -> Bank {
        Bank { backend: Origin::start(), signer: Signer::new("key-1") }
    }

    pub(super) fn config(&self, revocation: &str) -> Config {
        let url = self.backend.url();
        bank::config(&url, &url, &self.signer).tables(&format!("[revocation]\n{revocation}"))
    }

    pub(super) async fn gateway(&self, revocation: &str) -> Gateway {
        self.config(revocation).start().await
    }

    pub(super) async fn joined(&self, redis: &Redis) -> Gateway {
        let gateway = self.gateway(&channel(&redis.address(""))).await;
        up(&gateway).await;
        gateway
    }

    pub(super) fn token(&self, id: &str) -> String {
        let mut claims = claims(bank::ISSUER, "good", "accounts:read");
        claims["jti"] = json!(id);
        self.signer.sign(&claims)
    }
}

pub(super) fn channel(address: &str) -> String {
    format!("channel = \"{address}\"")
}

pub(super) async fn revoke(gateway: &Gateway, call: &Value) -> u16 {
    let request = Request::post(gateway.management_url("/revocations"))
        .body(Bytes::from(call.to_string()))
        .unwrap();
    gateway.send(request).await.status().as_u16()
}

pub(super) async fn status(gateway: &Gateway, token: &str) -> u16 {
    gateway.status(PATH, token).await
}

pub(super) async fn up(gateway: &Gateway) {
    gateway.metric_becomes("portcullis_revocation_channel_up", 1).await;
}

pub(super) async fn down(gateway: &Gateway) {
    gateway.metric_becomes("portcullis_revocation_channel_up", 0).await;
}

/// How long it takes until this gateway refuses the token.
pub(super) async fn refused(gateway: &Gateway, token: &str, within: Duration) -> Duration {
    let started = Instant::now();
    while status(gateway, token).await != 401 {
        assert!(started.elapsed() < within, "still taken after {within:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    started.elapsed()
}
