//! The place in the path that an API is served at: its version and its context.

use crate::config::reader::Table;
use crate::config::resolve::naming::named;
use crate::model::names::Version;
use crate::model::template::literal;

pub(super) fn version(table: &Table<'_>) -> Option<Version> {
    let text = table.needed("version")?;
    if let Err(error) = literal(text.value) {
        table.problems().error(
            text.at,
            format!("`apis.version` is a part of the path: {error}"),
            None,
        );
        return None;
    }
    if text.value.len() > 30 {
        table.problems().error(
            text.at,
            "`apis.version` may have 30 characters at most".to_owned(),
            None,
        );
        return None;
    }
    named(&text, table)
}

/// A context in normal form, without a slash at its end unless it is the root.
pub(super) fn context(table: &Table<'_>) -> Option<String> {
    let text = table.needed("context")?;
    let refuse = |message: String| {
        table.problems().error(
            text.at.clone(),
            message,
            Some("a context is \"/accounts\", \"/\", or \"/api/{version}/accounts\"".to_owned()),
        );
        None
    };
    let Some(body) = text.value.strip_prefix('/') else {
        return refuse("`apis.context` starts with \"/\"".to_owned());
    };
    let body = body.strip_suffix('/').unwrap_or(body);
    let mut versions = 0_usize;
    for segment in body.split('/').filter(|_| !body.is_empty()) {
        match segment {
            "{version}" => versions = versions.saturating_add(1),
            "" | "." | ".." => {
                return refuse(format!(
                    "`apis.context` has the segment {segment:?}, which no request path has"
                ));
            }
            _ => {
                if let Err(error) = literal(segment) {
                    return refuse(format!("`apis.context`: {error}"));
                }
            }
        }
    }
    if versions > 1 {
        refuse("`apis.context` names {version} twice".to_owned())
    } else {
        Some(format!("/{body}"))
    }
}

/// Where an API is served with its version and, if it is the default, without.
pub(super) fn base_paths(context: &str, version: &Version) -> (String, Option<String>) {
    let trimmed = context.trim_end_matches('/');
    if trimmed.contains("/{version}") {
        (
            trimmed.replace("/{version}", &format!("/{version}")),
            Some(trimmed.replace("/{version}", "")),
        )
    } else {
        (format!("{trimmed}/{version}"), Some(trimmed.to_owned()))
    }
}
