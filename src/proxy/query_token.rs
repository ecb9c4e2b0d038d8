//! The token in the query of a WebSocket's handshake (`access_token_query`): browsers cannot set
//! `Authorization` there.
//!
//! Decides which requests may bring it, and moves it to where all other tokens stand, so that it is
//! judged like them: with a token in the header too, or twice in the query, it is one credential
//! too many. Whatever is named `access_token` is taken out of the query that the backend sees. The
//! log has no queries.

use http::header::SEC_WEBSOCKET_KEY;
use http::{HeaderName, HeaderValue, Method, Version};

use crate::model::api::QueryTokenRule;
use crate::proxy::inbound::Inbound;
use crate::route::NormalPath;
use crate::snapshot::Snapshot;

/// RFC 6750 section 2.3.
const PARAMETER: &str = "access_token";

/// A query without its tokens.
#[derive(Debug)]
pub(super) struct Stripped {
    /// The rest of the query, if there is one.
    pub(super) query: Option<String>,
}

/// Takes the token out of a handshake's query, if the API allows it there.
pub(super) fn take(
    snapshot: &Snapshot,
    inbound: &mut Inbound,
    host: &str,
    path: &NormalPath<'_>,
    query: Option<&str>,
) -> Option<Stripped> {
    let upgrade = inbound.upgrade.as_ref().filter(|upgrade| upgrade.is_websocket())?;
    let (rest, tokens) = split(query?)?;
    let request = &mut inbound.request;
    // over HTTP/2 the method marks a handshake; over HTTP/1.1 any client can send the header, so
    // the key must be present too
    let handshake = upgrade.stream.is_some()
        || (request.method() == Method::GET
            && request.version() == Version::HTTP_11
            && request.headers().contains_key(SEC_WEBSOCKET_KEY));
    if !handshake {
        return None;
    }
    let routed = snapshot.route(host, path, &Method::GET).ok()?;
    let api = &routed.api().definition;
    if api.query_token != QueryTokenRule::OnHandshakes {
        return None;
    }
    let name = HeaderName::try_from(api.authorization_header.as_str()).ok()?;
    for token in tokens {
        let mut value = token
            .and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok())
            // a value that cannot be a token counts as no token
            .unwrap_or(HeaderValue::from_static("Bearer"));
        value.set_sensitive(true);
        request.headers_mut().append(name.clone(), value);
    }
    Some(Stripped { query: rest })
}

/// The query without its tokens, and the tokens. A token that is not text is `None`. Returns `None`
/// if the query has no token.
fn split(query: &str) -> Option<(Option<String>, Vec<Option<String>>)> {
    let mut tokens = Vec::new();
    let mut rest: Vec<&str> = Vec::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if decoded(name).is_some_and(|name| name == PARAMETER) {
            tokens.push(decoded(value));
        } else {
            rest.push(pair);
        }
    }
    if tokens.is_empty() {
        return None;
    }
    let rest = rest.join("&");
    Some(((!rest.is_empty()).then_some(rest), tokens))
}

/// Decodes percent-encoding. A `+` stays a `+`, because no token has a blank.
fn decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        let pair = after.first_chunk::<2>().filter(|_| *byte == b'%');
        let value = pair.and_then(|[high, low]| {
            let digit = |byte: &u8| char::from(*byte).to_digit(16);
            u8::try_from(digit(high)?.checked_mul(16)?.checked_add(digit(low)?)?).ok()
        });
        bytes.push(value.unwrap_or(*byte));
        rest = if value.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_taken_out_in_every_spelling() {
        let some = |text: &str| Some(text.to_owned());
        for (query, rest, tokens) in [
            ("access_token=a.b.c", None, vec![some("a.b.c")]),
            ("x=1&access_token=a&y=%26", some("x=1&y=%26"), vec![some("a")]),
            ("access%5Ftoken=a%2Bb&x", some("x"), vec![some("a+b")]),
            ("access_token=a&access_token=b", None, vec![some("a"), some("b")]),
            ("access_token&x", some("x"), vec![some("")]),
            ("access_token=%ff", None, vec![None]),
            ("%61ccess_token=a+b%2", None, vec![some("a+b%2")]),
        ] {
            assert_eq!(split(query), Some((rest, tokens)), "{query}");
        }
        for query in ["", "x=access_token", "Access_Token=a", "access_token2=a", "a;access_token=b"]
        {
            assert_eq!(split(query), None, "{query}");
        }
    }
}
