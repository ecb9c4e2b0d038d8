//! The objects that a configuration does without, and the checks that nothing opens by that.

use std::collections::HashSet;

use crate::config::tree::{TomlContent, TomlMember, TomlValue};
use crate::model::Model;
use crate::model::api::{Api, SubscriptionRule};

/// The objects that a configuration does without.
#[derive(Debug, Clone, Default)]
pub(super) struct LeftOut {
    pub(super) key_managers: HashSet<String>,
    /// The APIs, by `name:version`.
    pub(super) apis: HashSet<String>,
    issuers: Vec<String>,
    /// The paths that the APIs would have served.
    paths: Vec<String>,
    some_file: bool,
    /// A line for each of them.
    pub(super) told: Vec<String>,
}

/// Returns the value of a name in a table.
pub(super) fn member<'m>(members: &'m [TomlMember], name: &str) -> Option<&'m TomlContent> {
    members.iter().find(|member| member.name == name).map(|member| &member.value.content)
}

fn text<'m>(object: &'m TomlValue, name: &str) -> Option<&'m str> {
    let TomlContent::Table(members) = &object.content else { return None };
    match member(members, name)? {
        TomlContent::Text(text) => Some(text),
        _ => None,
    }
}

impl LeftOut {
    pub(super) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// Notes an object that was taken out. Returns `None` if its identity cannot be read.
    pub(super) fn note(&mut self, list: &str, object: &TomlValue, why: &str) -> Option<()> {
        let what = match list {
            "apis" => {
                let (name, version) = (text(object, "name")?, text(object, "version")?);
                self.paths.extend(paths(text(object, "context")?, version)?);
                self.apis.insert(format!("{name}:{version}"));
                format!("API {name} {version}")
            }
            "key_managers" => {
                let name = text(object, "name")?;
                self.issuers.push(text(object, "issuer")?.to_owned());
                self.key_managers.insert(name.to_owned());
                format!("key manager {name}")
            }
            _ => {
                let TomlContent::Text(path) = &object.content else { return None };
                self.some_file = true;
                format!("application file {path}")
            }
        };
        self.told.push(format!("{what}: {why}"));
        Some(())
    }

    /// Tells whether everything that is left out is closed by that.
    pub(super) fn opens_nothing(&self, model: &Model) -> bool {
        self.paths_are_free(model)
            && self.issuers_are_unknown(model)
            && self.files_are_missed(model)
    }

    /// Tells whether no other API takes the requests of a missing one.
    fn paths_are_free(&self, model: &Model) -> bool {
        let mut bases = model.apis.iter().flat_map(|api| {
            std::iter::once(api.base_path.as_str()).chain(api.default_base_path.as_deref())
        });
        let takes = |base: &str, path: &str| {
            let rest = path.strip_prefix(base);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        !bases.any(|base| self.paths.iter().any(|path| takes(base, path)))
    }

    /// Tells whether no other key manager judges the tokens of a missing one.
    fn issuers_are_unknown(&self, model: &Model) -> bool {
        self.issuers.is_empty()
            || model.templates.is_empty()
                && model.key_managers.iter().all(|own| {
                    let other = own.issuer.as_ref().is_some_and(|issuer| {
                        !self.issuers.iter().any(|missing| missing == issuer.as_str())
                    });
                    other && own.introspection.is_none()
                })
    }

    /// Tells whether missing application files open nothing: an unknown application is refused
    /// everywhere.
    fn files_are_missed(&self, model: &Model) -> bool {
        let refuses = |api: &Api| {
            api.subscription == SubscriptionRule::Required
                && !api.observes()
                && !api.operations.iter().any(|operation| operation.observe)
        };
        !self.some_file
            || model.apis.iter().all(refuses)
                && !model.key_managers.iter().any(|own| own.rules.observe)
    }
}

/// Returns the paths that an API may have served, or `None` for a context that is not plain.
fn paths(context: &str, version: &str) -> Option<Vec<String>> {
    let plain = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._~-{}".contains(&byte))
    };
    if !context.starts_with('/') || !plain(context) || !plain(version) {
        return None;
    }
    let context = context.trim_end_matches('/');
    let (with, without) =
        (context.replace("{version}", version), context.replace("/{version}", ""));
    Some(vec![format!("{with}/{version}"), with, without])
}
