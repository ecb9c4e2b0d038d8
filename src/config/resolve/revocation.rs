//! Reads `[revocation]`: the notices of WSO2 Identity Server, and the channel between gateways.

use crate::config::pem;
use crate::config::reader::Table;
use crate::config::resolve::redis;
use crate::config::resolve::secret::secret;
use crate::config::resolve::whole::Whole;
use crate::config::source::Sources;
use crate::fetch::is_loopback_host;
use crate::model::redis::{RedisLayout, RedisServer, RedisTls};
use crate::model::secret::Secret;

pub(super) fn notices(whole: &Whole<'_>) -> bool {
    whole.once("revocation").is_none_or(|table| table.flag("notify", true))
}

pub(super) fn channel(whole: &Whole<'_>, sources: &Sources) -> Option<RedisServer> {
    let table = whole.once("revocation")?;
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
    let trust = tls(&table, sources);
    match (&mut channel.login.tls, trust) {
        (Some(tls), trust) => *tls = trust.unwrap_or_default(),
        (None, Some(_)) => {
            let hint = Some("write rediss:// for TLS".to_owned());
            table.error(
                "channel",
                "`revocation.ca` and `revocation.client_certificate` have no effect without TLS"
                    .to_owned(),
                hint,
            );
        }
        (None, None) if channel.login.password.is_some() && !is_loopback_host(&channel.at.host) => {
            let message =
                "the password of `revocation.channel` is sent over the network in the clear"
                    .to_owned();
            table.problems().warning(
                table.at_key("channel"),
                message,
                Some("write rediss:// for TLS".to_owned()),
            );
        }
        (None, None) => {}
    }
    Some(channel)
}

fn tls(table: &Table<'_>, sources: &Sources) -> Option<RedisTls> {
    let ca = pem::authorities(table, "ca", sources);
    let client_certificate =
        table.table("client_certificate").and_then(|pair| pem::client_certificate(&pair, sources));
    (table.has("ca") || table.has("client_certificate"))
        .then_some(RedisTls { ca, client_certificate })
}
