//! Reads `[revocation]`: the notices of WSO2 Identity Server, and the channel between gateways.

use crate::config::resolve::redis;
use crate::config::resolve::root_tables::RootTables;
use crate::config::resolve::secret::secret;
use crate::config::source::Sources;
use crate::model::redis::{RedisLayout, RedisServer};
use crate::model::secret::Secret;

pub(super) fn notices(roots: &RootTables<'_>) -> bool {
    roots.once("revocation").is_none_or(|table| table.flag("notify", true))
}

pub(super) fn channel(roots: &RootTables<'_>, sources: &Sources) -> Option<RedisServer> {
    let table = roots.once("revocation")?;
    let address = if table.has("channel") {
        secret(&table, "channel", sources)?
    } else {
        Secret::new("none".to_owned())
    };
    if address.reveal() == "none" {
        return None;
    }
    // the address may contain a password, so it is never shown
    let servers = redis::servers(address.reveal());
    let single = servers.filter(|servers| servers.layout == RedisLayout::Single);
    let channel = single.and_then(|servers| Some(servers.server(servers.seeds.first()?)));
    let Some(mut channel) = channel else {
        let hint = "write \"none\", \"redis://host:6379\" or \
                    \"rediss://user:password@host:6379/0\"; percent-encode special characters of \
                    the password";
        table.error(
            "channel",
            "`revocation.channel` is not an address of Redis or Valkey".to_owned(),
            Some(hint.to_owned()),
        );
        return None;
    };
    let seeds = std::slice::from_ref(&channel.at);
    redis::trust(&table, "channel", seeds, &mut channel.login, sources);
    Some(channel)
}
