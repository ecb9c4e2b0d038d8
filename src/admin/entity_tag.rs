//! Entity tags: `If-Match` against lost updates, `If-None-Match` against needless answers.
//!
//! A tag is the revision of the record. If an answer shows parts of other records too, their state
//! follows after a hyphen. `If-Match` compares the revision alone.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::admin::object::Object;
use crate::admin::refused::Refused;

/// The revisions that a caller relies on; `None` accepts any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IfMatch(Option<Vec<u64>>);

/// The tags that a caller has already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IfNoneMatch(Vec<String>);

impl IfMatch {
    /// Returns the revision to expect in the store: that of the object as it was read, so that no
    /// change between reading and writing is lost.
    pub(super) fn expect(&self, object: &Object) -> Result<Option<u64>, Refused> {
        let revision = object.record.revision;
        if self.0.as_ref().is_none_or(|wanted| wanted.contains(&revision)) {
            return Ok(Some(revision));
        }
        let description = format!("`If-Match` names another revision than the present {revision}");
        Err(Refused::plain(StatusCode::PRECONDITION_FAILED, description))
    }
}

impl IfNoneMatch {
    /// Answers with an object and its tag, or 304 if the caller has it. An object of a file has no
    /// tag: its file can change without a revision.
    pub(super) fn respond(
        &self,
        object: &Object,
        parts: &str,
        body: impl IntoResponse,
    ) -> Response {
        let Some(tag) = tag(object, parts) else { return body.into_response() };
        let known = self.0.iter().any(|own| own == "*" || own.as_bytes() == tag.as_bytes());
        let mut response =
            if known { StatusCode::NOT_MODIFIED.into_response() } else { body.into_response() };
        response.headers_mut().insert(header::ETAG, tag);
        response
    }
}

/// The tag of an object of the store. `parts` is the state of other records that are shown with it.
pub(super) fn tag(object: &Object, parts: &str) -> Option<HeaderValue> {
    let hyphen = if parts.is_empty() { "" } else { "-" };
    let tag = format!("\"{}{hyphen}{parts}\"", object.record.revision);
    object.declared_at.is_none().then(|| HeaderValue::from_str(&tag).ok()).flatten()
}

fn listed(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<String>> {
    let lines = headers.get_all(name);
    lines.iter().next()?;
    let texts = lines.iter().filter_map(|line| line.to_str().ok());
    Some(texts.flat_map(|line| line.split(',')).map(|tag| tag.trim().to_owned()).collect())
}

/// A weak or foreign tag matches nothing.
fn revision(tag: &str) -> Option<u64> {
    let inner = tag.strip_prefix('"')?.strip_suffix('"')?;
    inner.split_once('-').map_or(inner, |(revision, _)| revision).parse().ok()
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let tags = listed(&parts.headers, &header::IF_MATCH);
        let tags = tags.filter(|tags| !tags.iter().any(|tag| tag == "*"));
        Ok(Self(tags.map(|tags| tags.iter().filter_map(|tag| revision(tag)).collect())))
    }
}

impl<S: Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let tags = listed(&parts.headers, &header::IF_NONE_MATCH).unwrap_or_default();
        let strong = |tag: String| tag.strip_prefix("W/").map(str::to_owned).unwrap_or(tag);
        Ok(Self(tags.into_iter().map(strong).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Kind, Record};
    use uuid::Uuid;

    fn object(revision: u64) -> Object {
        let mut record = Record::new(Kind::Application, Uuid::nil(), "one");
        record.revision = revision;
        Object::kept(record)
    }

    async fn if_match(line: Option<&'static str>) -> IfMatch {
        let mut request = http::Request::new(());
        if let Some(line) = line {
            request.headers_mut().insert(header::IF_MATCH, HeaderValue::from_static(line));
        }
        IfMatch::from_request_parts(&mut request.into_parts().0, &()).await.unwrap()
    }

    #[tokio::test]
    async fn a_revision_is_compared_without_the_state_of_other_records() {
        for good in [None, Some("*"), Some("\"7\""), Some("\"1\", \"7-2.3\"")] {
            assert_eq!(if_match(good).await.expect(&object(7)).unwrap(), Some(7), "{good:?}");
        }
        for bad in [Some("\"8\""), Some("7"), Some("W/\"7\""), Some(""), Some("\"x\"")] {
            let refused = if_match(bad).await.expect(&object(7)).unwrap_err();
            assert_eq!(refused.status, StatusCode::PRECONDITION_FAILED, "{bad:?}");
        }
    }

    #[tokio::test]
    async fn who_has_the_object_gets_304() {
        let answer = |line: &'static str, parts: &'static str| async move {
            let mut request = http::Request::new(());
            request.headers_mut().insert(header::IF_NONE_MATCH, HeaderValue::from_static(line));
            let mut parts_of = request.into_parts().0;
            let own = IfNoneMatch::from_request_parts(&mut parts_of, &()).await.unwrap();
            own.respond(&object(7), parts, "body").status()
        };
        assert_eq!(answer("\"7\"", "").await, StatusCode::NOT_MODIFIED);
        assert_eq!(answer("W/\"7-a\"", "a").await, StatusCode::NOT_MODIFIED);
        assert_eq!(answer("\"7-a\"", "b").await, StatusCode::OK);
        let file = Object::declared(object(0).record, "gateway.toml:3".to_owned());
        assert_eq!(tag(&file, ""), None);
    }
}
