//! The management API on two gateways that have one store.

mod resets;
mod tokens;

use serde_json::Value;

use super::devportal::{Answered, Portal, call};
use crate::support::config::Config;
use crate::support::gateway::Gateway;
use crate::support::postgres::{PASSWORD, PostgresProcess};

/// The bank twice, on a real PostgreSQL.
struct Fleet {
    one: Portal,
    other: Gateway,
    _database: PostgresProcess,
}

impl Fleet {
    /// With a changed `gateway.toml`, and these lines in `[store]`.
    async fn open(store: &str, further: impl FnOnce(Config) -> Config) -> Fleet {
        let database = PostgresProcess::start();
        let url = database.database("fleet");
        let table = format!("[store]\nurl = \"{url}\"\npassword = \"{PASSWORD}\"\n{store}\n");
        let named = |config: Config, name: &str| config.gateway(&format!("name = \"{name}\""));
        let one = Portal::of(|config| named(further(config.tables(&table)), "one")).await;
        let other = named(one.bank.config.clone(), "other").start().await;
        Fleet { one, other, _database: database }
    }

    fn gateways(&self) -> [&Gateway; 2] {
        [&self.one.bank.gateway, &self.other]
    }

    /// A call of the other gateway.
    async fn at_the_other(&self, user: &str, method: &str, path: &str, body: &Value) -> Answered {
        call(&self.other, user, method, path, &[], Some(body)).await
    }
}
