//! The settings for pings and for silent streams.

use std::time::Duration;

use super::{API, LISTENER, load_text, report};
use crate::model::api::{Api, BodyStall};
use crate::model::backend::Backend;

fn api(more: &str, backend: &str) -> (Api, Backend) {
    let api = API.replace("urls = [\"http://b\"]", &format!("urls = [\"http://b\"]{backend}"));
    let api = api.replace("context = ", &format!("{more}\ncontext = "));
    let mut model = load_text(&format!("{LISTENER}{api}")).unwrap().model;
    let api = model.apis.remove(0);
    let backend = api.production.clone().unwrap();
    (api, backend)
}

#[test]
fn backends_are_pinged_as_seldom_as_grpc_servers_ask_for() {
    let minutes = Duration::from_mins(5);
    let (_, backend) = api("", "");
    assert_eq!(backend.http2_ping_interval, Some(minutes));
    assert_eq!(backend.response_stall_timeout, Some(minutes));
    let (_, backend) =
        api("", ", http2_ping_interval = \"20s\", response_stall_timeout = \"none\"");
    assert_eq!(backend.http2_ping_interval, Some(Duration::from_secs(20)));
    assert_eq!(backend.response_stall_timeout, None);
    let (_, backend) = api("", ", http2_ping_interval = \"none\"");
    assert_eq!(backend.http2_ping_interval, None);
}

#[test]
fn an_api_says_how_long_bodies_may_be_silent() {
    for (written, stall) in [
        ("", BodyStall::Limits),
        ("body_stall_timeout = \"2m\"", BodyStall::After(Duration::from_mins(2))),
        ("body_stall_timeout = \"none\"", BodyStall::Never),
    ] {
        assert_eq!(api(written, "").0.body_stall, stall, "{written}");
    }
}

#[test]
fn neither_is_zero_nor_a_word() {
    for wrong in ["\"0s\"", "\"never\"", "5"] {
        let written = format!("context = \"/a\"\nbody_stall_timeout = {wrong}");
        let report = report(&format!("{LISTENER}{}", API.replace("context = \"/a\"", &written)));
        assert!(report.contains("body_stall_timeout"), "{wrong}: {report}");
    }
}
