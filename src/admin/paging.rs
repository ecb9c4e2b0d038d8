//! Lists with pages, as WSO2 answers them.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::Uri;
use serde::{Deserialize, Serialize};

use crate::admin::refused::Refused;

/// WSO2's default.
const DEFAULT_LIMIT: u64 = 25;

const MOST_LIMIT: u64 = 1000;

/// `limit` and `offset` of a query. Read as texts, so that a fault is named in WSO2's body.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct PageQuery {
    pub(super) limit: Option<String>,
    pub(super) offset: Option<String>,
}

/// A valid page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageRange {
    pub(super) limit: u64,
    pub(super) offset: u64,
}

#[derive(Serialize)]
struct PagedList<T> {
    count: usize,
    list: Vec<T>,
    pagination: Pagination,
}

#[derive(Serialize)]
struct Pagination {
    offset: u64,
    limit: u64,
    total: u64,
    next: String,
    previous: String,
}

impl PageQuery {
    pub(super) fn range(&self) -> Result<PageRange, Refused> {
        let number = |text: &Option<String>, name: &str, default: u64| match text {
            None => Ok(default),
            Some(text) => text
                .parse::<u64>()
                .map_err(|_| Refused::bad_request(format!("`{name}` is not a number from 0"))),
        };
        let range = PageRange {
            limit: number(&self.limit, "limit", DEFAULT_LIMIT)?,
            offset: number(&self.offset, "offset", 0)?,
        };
        if range.limit > MOST_LIMIT || i64::try_from(range.offset).is_err() {
            return Err(Refused::bad_request(format!("`limit` is at most {MOST_LIMIT}")));
        }
        Ok(range)
    }
}

impl PageRange {
    /// Takes this page of a list that is whole in memory, and returns it with the number of all.
    pub(super) fn of<T>(self, all: Vec<T>) -> (Vec<T>, u64) {
        let total = all.len() as u64;
        let skip = usize::try_from(self.offset).unwrap_or(usize::MAX);
        let take = usize::try_from(self.limit).unwrap_or(usize::MAX);
        (all.into_iter().skip(skip).take(take).collect(), total)
    }

    /// Answers `{count, list, pagination}`. `next` and `previous` are relative addresses that keep
    /// the other parameters of the query, or empty.
    pub(super) fn respond<T: Serialize>(self, uri: &Uri, list: Vec<T>, total: u64) -> Response {
        let Self { limit, offset } = self;
        let after = offset.saturating_add(limit);
        let next =
            if limit > 0 && after < total { address(uri, limit, after) } else { String::new() };
        let previous = match offset {
            0 => String::new(),
            _ => address(uri, limit, offset.saturating_sub(limit)),
        };
        let pagination = Pagination { offset, limit, total, next, previous };
        Json(PagedList { count: list.len(), list, pagination }).into_response()
    }
}

fn address(uri: &Uri, limit: u64, offset: u64) -> String {
    let query = uri.query().unwrap_or_default().as_bytes();
    let others =
        form_urlencoded::parse(query).filter(|(name, _)| name != "limit" && name != "offset");
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("limit", &limit.to_string())
        .append_pair("offset", &offset.to_string())
        .extend_pairs(others)
        .finish();
    format!("{}?{query}", uri.path())
}
