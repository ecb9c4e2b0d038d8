//! Reads `request_headers` and `response_headers`.

use http::{HeaderName, HeaderValue};

use crate::config::reader::{Placed, Table};
use crate::model::api::HeaderRules;

/// The headers that the gateway writes itself, because they frame or route a message.
const REFUSED: [&str; 9] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Returns true for a header that frames or routes a message.
pub(super) fn is_framing(name: &HeaderName) -> bool {
    REFUSED.contains(&name.as_str())
}

pub(super) fn header_rules(table: &Table<'_>, key: &str) -> HeaderRules {
    let Some(table) = table.table(key) else { return HeaderRules::default() };
    let mut rules = HeaderRules::default();
    for (name, value) in table.named_texts("set") {
        let Some(name) = header(&table, &name) else { continue };
        match HeaderValue::try_from(value.value) {
            Ok(value) => rules.set.push((name, value)),
            // the value may be a secret, so it is not shown
            Err(_) => table.problems().error(
                value.at,
                format!("the value of {name} is not a valid header value"),
                None,
            ),
        }
    }
    rules.remove = table
        .texts("remove")
        .unwrap_or_default()
        .iter()
        .filter_map(|name| header(&table, name))
        .collect();
    rules
}

fn header(table: &Table<'_>, written: &Placed<&str>) -> Option<HeaderName> {
    let name = HeaderName::try_from(written.value).ok();
    let Some(name) = name else {
        table.problems().error(
            written.at.clone(),
            format!("{:?} is not a header name", written.value),
            None,
        );
        return None;
    };
    if is_framing(&name) || name.as_str().starts_with("portcullis-") {
        let hint = Some(
            "the gateway writes this header itself, so that all servers read the message in \
                  the same way"
                .to_owned(),
        );
        table.problems().error(
            written.at.clone(),
            format!("{name} cannot be set or removed"),
            hint,
        );
        return None;
    }
    Some(name)
}
