//! Reads addresses to listen on.

use std::net::SocketAddr;

use crate::config::reader::{Placed, Table};

pub(super) fn address(
    table: &Table<'_>,
    key: &str,
    default: Option<SocketAddr>,
) -> Option<Placed<SocketAddr>> {
    if let (false, Some(value)) = (table.has(key), default) {
        return Some(Placed { value, at: table.at() });
    }
    let text = table.needed(key)?;
    if let Ok(value) = text.value.parse() {
        return Some(Placed { value, at: text.at });
    }
    let hint = Some(
        "write an IP address and a port, such as \"0.0.0.0:8243\", \"[::]:8243\" or \
         \"127.0.0.1:9443\""
            .to_owned(),
    );
    table.problems().error(
        text.at,
        format!("`{}` is not an address: {:?}", table.path(key), text.value),
        hint,
    );
    None
}
