//! Reads the context and the version of an API, which make its base path.

use crate::config::reader::Table;
use crate::config::resolve::naming::named;
use crate::model::names::Version;
use crate::model::template::literal;

pub(super) fn version(table: &Table<'_>) -> Option<Version> {
    let text = table.needed("version")?;
    if let Err(error) = literal(text.value) {
        table.problems().error(
            text.at,
            format!("`apis.version` is not valid in a path: {error}"),
            None,
        );
        return None;
    }
    if text.value.len() > 30 {
        table.problems().error(
            text.at,
            "`apis.version` is longer than 30 characters".to_owned(),
            None,
        );
        return None;
    }
    named(&text, table)
}

/// Returns a context in normal form, without a slash at its end unless it is the root.
pub(super) fn context(table: &Table<'_>) -> Option<String> {
    let text = table.needed("context")?;
    let refuse = |message: String| {
        table.problems().error(
            text.at.clone(),
            message,
            Some(
                "write a context such as \"/accounts\", \"/\" or \"/api/{version}/accounts\""
                    .to_owned(),
            ),
        );
        None
    };
    let Some(body) = text.value.strip_prefix('/') else {
        return refuse("`apis.context` does not start with \"/\"".to_owned());
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
        refuse("`apis.context` contains {version} twice".to_owned())
    } else {
        Some(format!("/{body}"))
    }
}

/// Returns the base path with the version and, for the default version, the one without.
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
