//! The settings that are used at the start alone. A reload notices their changes and does not apply
//! them.

use crate::management::server::ManagementTls;
use crate::model::Model;
use crate::model::gateway::{Gateway, ManagementSettings, Telemetry};
use crate::model::store::StoreSettings;

/// The parts of a process that last from its start on, for its reloads.
#[derive(Debug)]
pub(super) struct SinceStart {
    pub(super) settings: StartSettings,
    /// The certificate of the management listener, if it has one.
    pub(super) management_tls: Option<ManagementTls>,
}

/// The settings as they were at the start, or as a file has them now.
#[derive(Debug)]
pub(super) struct StartSettings {
    gateway: Gateway,
    management: Option<ManagementSettings>,
    store: StoreSettings,
    revocation_notices: bool,
    telemetry: Telemetry,
}

impl StartSettings {
    pub(super) fn of(model: &Model) -> Self {
        Self {
            gateway: model.gateway.clone(),
            management: model.management.clone(),
            store: model.store.clone(),
            revocation_notices: model.revocation_notices,
            telemetry: model.telemetry.clone(),
        }
    }

    /// Names the settings of which a file has other values. `docs/operations.md` lists them.
    pub(super) fn changed(&self, file: &Self) -> Vec<&'static str> {
        let (gateway, wanted) = (&self.gateway, &file.gateway);
        let (telemetry, counted) = (&self.telemetry, &file.telemetry);
        let metrics = |of: &Telemetry| (of.application_label, of.max_series);
        let changes = [
            ("gateway.workers", gateway.workers != wanted.workers),
            ("gateway.token_cache_bytes", gateway.token_cache_bytes != wanted.token_cache_bytes),
            ("gateway.state_dir", gateway.state_dir != wanted.state_dir),
            ("gateway.name", gateway.name != wanted.name),
            ("gateway.dns_servers", gateway.dns_servers != wanted.dns_servers),
            (
                "[management]",
                self.management.as_ref().map(kept) != file.management.as_ref().map(kept),
            ),
            ("[store]", self.store != file.store),
            ("revocation.notify", self.revocation_notices != file.revocation_notices),
            ("telemetry.access_log", telemetry.access_log != counted.access_log),
            ("telemetry.traces", telemetry.traces != counted.traces),
            ("telemetry.metrics", metrics(telemetry) != metrics(counted)),
        ];
        changes.into_iter().filter_map(|(name, changed)| changed.then_some(name)).collect()
    }
}

/// The parts of `[management]` that do not follow a reload: its certificate and its networks do.
fn kept(management: &ManagementSettings) -> impl PartialEq {
    let ManagementSettings { address, tls, users, tokens, hosts, .. } = management;
    (address, tls.is_some(), users, tokens, hosts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const MANUAL: &str = include_str!("../../docs/operations.md");
    const FILE: &str = "[[listeners]]\nname = \"http\"\naddress = \"127.0.0.1:0\"\n\
                        [[apis]]\nname = \"a\"\nversion = \"1\"\ncontext = \"/a\"\n\
                        production = { urls = [\"http://127.0.0.1:1\"] }\n\
                        operations = [{ method = \"GET\", path = \"/\" }]\n";

    fn settings(more: &str) -> StartSettings {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        std::fs::write(&path, format!("{more}\n{FILE}")).unwrap();
        let mut settings = StartSettings::of(&config::load(&path).unwrap().model);
        // another folder each time
        for state_dir in [&mut settings.gateway.state_dir, &mut settings.store.state_dir] {
            *state_dir = state_dir.strip_prefix(folder.path()).unwrap().to_owned();
        }
        settings.store.location = crate::model::store::StoreLocation::None;
        settings
    }

    #[test]
    fn each_change_is_named_and_the_manual_lists_it() {
        let management = "[management]\naddress = \"127.0.0.1:9443\"\n";
        let start = settings(management);
        for (name, more) in [
            ("gateway.workers", "[gateway]\nworkers = 3"),
            ("gateway.token_cache_bytes", "[gateway]\ntoken_cache_bytes = \"1MiB\""),
            ("gateway.state_dir", "[gateway]\nstate_dir = \"elsewhere\""),
            ("gateway.name", "[gateway]\nname = \"another\""),
            ("gateway.dns_servers", "[gateway]\ndns_servers = [\"127.0.0.1\"]"),
            ("revocation.notify", "[revocation]\nnotify = false"),
            ("telemetry.access_log", "[telemetry]\naccess_log = { sample = 0.5 }"),
            ("telemetry.traces", "[telemetry]\ntraces = { otlp = \"http://127.0.0.1:4318\" }"),
            ("telemetry.metrics", "[telemetry]\nmetrics = { max_series = 500 }"),
            ("[store]", "[store]\npoll_interval = \"9s\""),
        ] {
            let changed = start.changed(&settings(&format!("{management}{more}")));
            assert_eq!(changed.first(), Some(&name), "{changed:?}");
            assert!(MANUAL.contains(&format!("`{name}`")), "{name} in the manual");
        }
        for other in ["", "[management]\naddress = \"127.0.0.1:9444\"\n"] {
            assert_eq!(start.changed(&settings(other)), ["[management]"]);
        }
    }

    #[test]
    fn no_other_change_waits() {
        let start = settings("");
        let same = "[gateway]\ndrain_timeout = \"5s\"\n[telemetry]\nlog = { level = \"debug\" }\n";
        assert_eq!(start.changed(&settings(same)), [""; 0]);
    }
}
