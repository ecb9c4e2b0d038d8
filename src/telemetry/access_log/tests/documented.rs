//! The manual has every field once.

use super::{json, refused};
use crate::telemetry::access_log::AccessRecord;
use crate::telemetry::traces::TraceId;
use std::time::Duration;

#[test]
fn the_manual_has_every_field_once() {
    let whole = AccessRecord {
        trace_id: Some(TraceId::random(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c)),
        owner: Some("charlie"),
        issuer: Some("https://is.bank.example"),
        observed: Some("not_subscribed"),
        message: Some("no scope"),
        policy: Some("Gold"),
        policy_level: Some("subscription"),
        backend: Some("127.0.0.1:8080"),
        backend_duration: Some(Duration::from_millis(1)),
        ..refused()
    };
    let line = json(&whole);
    assert_eq!(line["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    let mut fields: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
    let page = include_str!("../../../../docs/observability.md");
    let table = page.split("| field | meaning |\n|---|---|\n").nth(1).unwrap();
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let mut documented: Vec<&str> = rows.map(|row| row.split('`').nth(1).unwrap()).collect();
    fields.sort_unstable();
    documented.sort_unstable();
    assert_eq!(documented, fields);
}
