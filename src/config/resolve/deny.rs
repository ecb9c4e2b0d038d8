//! `[[deny_conditions]]`.

use crate::config::contract::DENY_TYPES;
use crate::config::reader::{Placed, Table};
use crate::config::resolve::condition;
use crate::config::resolve::root_tables::RootTables;
use crate::config::source::Sources;
use crate::model::policy::{DenyCondition, DenyTarget};

pub(super) fn deny_conditions(roots: &RootTables<'_>, sources: &Sources) -> Vec<DenyCondition> {
    let all = roots.every("deny_conditions");
    all.iter().filter_map(|table| deny_condition(table, sources)).collect()
}

fn deny_condition(table: &Table<'_>, sources: &Sources) -> Option<DenyCondition> {
    let kind = table.needed("type").and_then(|_| table.choice("type", DENY_TYPES));
    let value = table.needed("value");
    let (kind, value) = (kind?, value?);
    let inverted = table.flag("invert", false);
    if inverted && !matches!(kind, "ip" | "ip_range") {
        let message = "`invert` is for the types \"ip\" and \"ip_range\"".to_owned();
        table.error("invert", message, None);
    }
    let target = match kind {
        "api" => api(&value, table)?,
        "application" => application(&value, table)?,
        "user" => DenyTarget::User(value.value.to_owned()),
        _ => DenyTarget::Addresses { range: condition::address_range(&value, table)?, inverted },
    };
    let place = sources.place(&table.at());
    Some(DenyCondition { target, enabled: table.flag("enabled", true), place })
}

fn api(value: &Placed<&str>, table: &Table<'_>) -> Option<DenyTarget> {
    if !value.value.starts_with('/') {
        let hint = Some("write context and version: \"/accounts/1.0.0\"".to_owned());
        let message = format!("{:?} is not where an API is served", value.value);
        table.problems().error(value.at.clone(), message, hint);
        return None;
    }
    Some(DenyTarget::Api(value.value.trim_end_matches('/').to_owned()))
}

fn application(value: &Placed<&str>, table: &Table<'_>) -> Option<DenyTarget> {
    let Some((owner, name)) = value.value.split_once(':') else {
        let hint = Some("write owner and name: \"charlie:tpp-mobile\"".to_owned());
        let message = format!("{:?} names no application", value.value);
        table.problems().error(value.at.clone(), message, hint);
        return None;
    };
    Some(DenyTarget::Application { owner: owner.to_owned(), name: name.to_owned() })
}
