//! Shows the audit log: the author, time, address and fields of each change.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::Uri;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::admin::caller::Caller;
use crate::admin::object_id::object_id;
use crate::admin::paging::PageQuery;
use crate::admin::query::Parameters;
use crate::admin::refused::Refused;
use crate::admin::state::Admin;
use crate::admin::timestamp::rfc3339;
use crate::store::{AuditEntry, AuditQuery, Kind};

/// The filters of a call.
#[derive(Debug, Default, Deserialize)]
pub(super) struct AuditFilters {
    author: Option<String>,
    kind: Option<String>,
    id: Option<String>,
    /// A time as RFC 3339 writes it.
    since: Option<String>,
    limit: Option<String>,
    offset: Option<String>,
}

#[derive(Debug, Serialize)]
struct AuditView {
    revision: u64,
    at: String,
    author: String,
    /// The address of the caller; none for a command on the gateway's machine.
    ip: Option<String>,
    action: String,
    kind: &'static str,
    id: String,
    name: String,
    fields: Vec<FieldView>,
}

#[derive(Debug, Serialize)]
struct FieldView {
    field: String,
    before: Option<Value>,
    after: Option<Value>,
}

/// Answers `GET /audit`, the latest change first.
pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    caller: Caller,
    uri: Uri,
    Parameters(filters): Parameters<AuditFilters>,
) -> Result<Response, Refused> {
    caller.needs(&["admin", "audit_view"])?;
    let range =
        PageQuery { limit: filters.limit.clone(), offset: filters.offset.clone() }.range()?;
    let query = AuditQuery { offset: range.offset, limit: range.limit, ..read(filters)? };
    let page = admin.catalog.store().audit(&query).await?;
    let list = page.items.into_iter().map(shown).collect();
    Ok(range.respond(&uri, list, page.total))
}

fn read(filters: AuditFilters) -> Result<AuditQuery, Refused> {
    let bad = |text: String| Refused::bad_request(text);
    let kind = filters.kind.map(|kind| {
        let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        Kind::named(&kind).ok_or_else(|| bad(format!("`kind` is one of {}", names.join(", "))))
    });
    let id =
        filters.id.map(|id| object_id(&id).ok_or_else(|| bad("`id` is not a UUID".to_owned())));
    let since = filters.since.map(|since| {
        let time = since.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_millisecond);
        time.map_err(|_| bad("`since` is a time such as 2026-11-28T01:02:03Z".to_owned()))
    });
    Ok(AuditQuery {
        author: filters.author,
        kind: kind.transpose()?,
        id: id.transpose()?,
        since: since.transpose()?,
        ..AuditQuery::default()
    })
}

fn shown(entry: AuditEntry) -> AuditView {
    let fields = entry.fields.into_iter().map(|change| FieldView {
        field: change.field,
        before: change.before,
        after: change.after,
    });
    AuditView {
        revision: entry.revision,
        at: rfc3339(entry.at),
        author: entry.author,
        ip: entry.address.map(|address| address.to_string()),
        action: entry.action,
        kind: entry.kind.as_str(),
        id: entry.id.to_string(),
        // the names of keys and subscriptions hold a line end
        name: entry.name.replace('\n', " "),
        fields: fields.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(query: &str) -> Result<AuditQuery, String> {
        let uri: Uri = format!("/audit?{query}").parse().unwrap();
        let filters = axum::extract::Query::<AuditFilters>::try_from_uri(&uri).unwrap().0;
        read(filters).map_err(|refused| refused.description)
    }

    #[test]
    fn filters_are_read_or_refused_by_name() {
        let query = filters("author=ann&kind=key_manager&since=1970-01-01T00:00:01.5Z").unwrap();
        assert_eq!((query.author.as_deref(), query.since), (Some("ann"), Some(1500)));
        assert_eq!(query.kind, Some(Kind::KeyManager));
        for (query, name) in [("kind=x", "`kind`"), ("id=1", "`id`"), ("since=today", "`since`")] {
            assert!(filters(query).unwrap_err().contains(name), "{query}");
        }
    }
}
