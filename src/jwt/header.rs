//! A token's protected header (RFC 7515 4.1): its algorithm, key, type, and critical members.
//! `jku`, `x5u`, `jwk` and `x5c` are never used: a token does not bring its own key. Unknown
//! members are ignored.

use crate::jwt::json;
use crate::jwt::jwk::MAX_KEY_ID_BYTES;
use crate::jwt::kind::{self, HeaderKind};
use crate::jwt::rejection::{MalformedToken, Rejection};
use crate::jwt::value::JsonValue;

pub(super) struct Header {
    /// The `alg` as written, known or not.
    pub(super) algorithm: Box<str>,
    pub(super) key_id: Option<Box<str>>,
    pub(super) kind: HeaderKind,
    /// `crit`, whatever it lists, or `b64` (RFC 7797): no extension is understood here.
    pub(super) critical: Option<&'static str>,
}

impl Header {
    pub(super) fn read(text: &[u8]) -> Result<Self, Rejection> {
        let members = json::read_strict_object(text)
            .map_err(|fault| Rejection::Malformed(MalformedToken::Header(fault)))?;
        let (mut algorithm, mut key_id, mut critical) = (None, None, None);
        let mut kind = HeaderKind::default();
        for (name, value) in members {
            match &*name {
                "alg" => algorithm = Some(string("alg", value)?),
                "kid" => key_id = Some(string("kid", value)?),
                "typ" => kind.token_type = Some(string("typ", value)?),
                "crit" => critical = Some("crit"),
                "b64" => critical = critical.or(Some("b64")),
                other if kind::names_a_kind(other) => kind.others.push((name, value)),
                _ => {}
            }
        }
        if key_id.as_ref().is_some_and(|id| id.len() > MAX_KEY_ID_BYTES) {
            return Err(invalid("kid"));
        }
        Ok(Self { algorithm: algorithm.ok_or(invalid("alg"))?, key_id, kind, critical })
    }
}

fn string(name: &'static str, value: JsonValue) -> Result<Box<str>, Rejection> {
    match value {
        JsonValue::String(text) => Ok(text),
        _ => Err(invalid(name)),
    }
}

fn invalid(name: &'static str) -> Rejection {
    Rejection::Malformed(MalformedToken::HeaderMember(name))
}
