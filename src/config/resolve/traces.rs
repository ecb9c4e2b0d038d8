//! Reads `[telemetry.traces]`.

use std::time::Duration;

use http::HeaderValue;

use crate::config::pem;
use crate::config::reader::Table;
use crate::config::resolve::secret::secret;
use crate::config::source::Sources;
use crate::fetch::FetchUrl;
use crate::model::gateway::TraceSettings;
use crate::model::key_manager::Fetch;

/// Few enough traces to cost little, and enough to show an example of everyday traffic.
const SAMPLE: f64 = 0.01;

/// The duration from which an exchange counts as slow: a client notices it.
const SLOW: Duration = Duration::from_secs(1);

/// The path of OTLP over HTTP for spans, which follows the address of a collector.
const PATH: &str = "/v1/traces";

/// Keys that mean nothing without a collector.
const NEED_COLLECTOR: &[&str] = &["authorization", "ca"];

pub(super) fn traces(table: &Table<'_>, sources: &Sources) -> Option<TraceSettings> {
    let (sample, slow) = (table.share("sample", SAMPLE), table.time("slow", SLOW));
    let written = table.wanted("otlp").filter(|written| written.value != "none");
    let Some(written) = written else {
        for name in NEED_COLLECTOR.iter().filter(|name| table.has(name)) {
            let message = format!("`telemetry.traces.{name}` does nothing without a collector");
            let hint = Some("write `otlp = \"https://collector:4318\"`".to_owned());
            table.problems().warning(table.at_key(name), message, hint);
        }
        return None;
    };
    let base = written.value.trim_end_matches('/');
    let address = FetchUrl::read(base).ok().filter(|_| !base.contains(['?', '#']));
    let Some(address) = address else {
        let hint = "\"none\", or the address of a collector that speaks OTLP over HTTP, such as \
                    \"http://collector:4318\"; OTLP over gRPC (port 4317) is not supported";
        let message = "`telemetry.traces.otlp` is not an address of http or https".to_owned();
        table.problems().error(written.at, message, Some(hint.to_owned()));
        return None;
    };
    let url = if base.ends_with(PATH) { base.to_owned() } else { format!("{base}{PATH}") };
    let authorization = secret_header(table, sources);
    if authorization.is_some() && !address.is_https() && !address.is_loopback() {
        let message = "`telemetry.traces.authorization` goes to the collector over plain http";
        let hint = Some("write `otlp = \"https://...\"`".to_owned());
        table.problems().error(table.at_key("authorization"), message.to_owned(), hint);
    }
    let ca = pem::authorities(table, "ca", sources);
    let fetch = Fetch { allow_http: true, ca, ..Fetch::default() };
    Some(TraceSettings { url, authorization, fetch, sample, slow })
}

fn secret_header(table: &Table<'_>, sources: &Sources) -> Option<crate::model::secret::Secret> {
    if !table.has("authorization") {
        return None;
    }
    let found = secret(table, "authorization", sources)?;
    if HeaderValue::try_from(found.reveal()).is_err() || found.reveal().is_empty() {
        let message = "`telemetry.traces.authorization` is not the value of a header".to_owned();
        table.error("authorization", message, None);
    }
    Some(found)
}
