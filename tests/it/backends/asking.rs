//! A client that asks an API at `/any/1` and tells who answered.

use bytes::Bytes;

use crate::support::gateway::Gateway;
use crate::support::until;

pub(super) async fn ask(gateway: &Gateway, method: &str) -> (u16, String) {
    let answer = gateway.request(method, "/any/1/x", None, Bytes::new()).await;
    (answer.status().as_u16(), String::from_utf8_lossy(answer.body()).into_owned())
}

/// Asks until eight answers in a row are as wanted; for what comes about by itself after a while.
pub(super) async fn becomes(
    gateway: &Gateway,
    what: &str,
    wanted: impl Fn(&Vec<(u16, String)>) -> bool,
) {
    let eight = async || {
        let mut answers = Vec::new();
        for _ in 0..8 {
            answers.push(ask(gateway, "GET").await);
        }
        answers
    };
    until(what, eight, wanted).await;
}
