//! Tells an access token from the other tokens of its server, by one rule for JWTs, for
//! introspection answers and for `import`.
//!
//! Servers sign ID tokens, refresh tokens and logout tokens with the keys of their access tokens,
//! and many of them answer `active` for each. The rule has two halves. If a member names the kind
//! of a token, only the name of an access token passes. If no member names it, a single mark that
//! ID tokens have and access tokens do not have is enough to refuse.

use crate::jwt::value::{JsonValue, Members, Name};
use crate::model::key_manager::{IdTokens, TokenRules};

/// The kind of a token that is no access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    Id,
    Refresh,
    Logout,
    SecurityEvent,
    /// A key of WSO2's portals, or an API key.
    Key,
    /// A name that is not an access token's.
    Other,
}

/// The reason why a token is not an access token of the accepted kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrongType {
    #[error("the header's `typ` of the token is not one of the accepted types")]
    Header,
    #[error("`{member}` of the token says that it is {kind}, not an access token")]
    Named { member: &'static str, kind: TokenKind },
    #[error(
        "the token looks like an ID token: it has `{mark}`, and neither scopes nor another sign \
         of an access token"
    )]
    IdToken { mark: &'static str },
}

/// The members of a header that name the kind of its token.
#[derive(Default)]
pub(super) struct HeaderKind {
    pub(super) token_type: Option<Box<str>>,
    /// Members other than `typ` that may name the kind; hardly ever any.
    pub(super) others: Vec<(Name, JsonValue)>,
}

/// A token as it tells its kind.
#[derive(Clone, Copy)]
pub(super) struct Token<'t> {
    /// `None` for an introspection answer.
    pub(super) header: Option<&'t HeaderKind>,
    pub(super) claims: &'t Members,
    pub(super) audiences: &'t [String],
}

/// Refuses whatever is not an access token, as far as anything tells.
pub(super) fn check(token: Token<'_>, rules: &TokenRules) -> Result<(), WrongType> {
    let mut is_named = false;
    let mut members = Vec::new();
    if let Some(header) = token.header {
        is_named = check_header_type(header.token_type.as_deref(), rules)?;
        members.extend(header.others.iter().map(|(name, value)| (name.as_ref(), value)));
    }
    for (name, value) in members.into_iter().chain(token.claims.iter()) {
        let Some(member) = KindMember::of(name) else { continue };
        match member.says(value, rules) {
            KindStatement::Nothing => {}
            KindStatement::Access => is_named = true,
            KindStatement::Not(TokenKind::Id) if rules.id_tokens == IdTokens::Allow => {}
            KindStatement::Not(kind) => return Err(WrongType::Named { member: member.name, kind }),
        }
    }
    if is_named || rules.id_tokens == IdTokens::Allow {
        return Ok(());
    }
    id_mark(token.claims, token.audiences).map_or(Ok(()), |mark| Err(WrongType::IdToken { mark }))
}

/// Tells whether a header member other than `typ` can name the kind of its token.
pub(super) fn names_a_kind(name: &str) -> bool {
    KindMember::of(name).is_some()
}

/// `typ` (RFC 8725 3.11): a media type, so without regard to case, and `application/` may be left
/// out. Tells whether it is the type of access tokens and of nothing else.
fn check_header_type(token_type: Option<&str>, rules: &TokenRules) -> Result<bool, WrongType> {
    let accepted = &rules.token_types;
    let Some(written) = token_type else {
        return if accepted.is_empty() { Ok(false) } else { Err(WrongType::Header) };
    };
    let name = without_prefix(written, APPLICATION);
    let fits = if accepted.is_empty() {
        USUAL_TYPES.iter().any(|usual| name.eq_ignore_ascii_case(usual))
    } else {
        accepted.iter().any(|accepted| name.eq_ignore_ascii_case(accepted))
    };
    if fits {
        return Ok(name.eq_ignore_ascii_case("at+jwt"));
    }
    Err(match kind_of(name) {
        Some(kind) => WrongType::Named { member: "typ", kind },
        None => WrongType::Header,
    })
}

/// A member that names the kind of a token.
struct KindMember {
    /// The name as its server spells it.
    name: &'static str,
    /// The name as it is compared: lower case, without `_` and `-`.
    plain: &'static str,
    means: Meaning,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The kind of the token and nothing else: an unknown value is not an access token's.
    Kind,
    /// The kind, or how it is presented (RFC 6749 section 5.1): `Bearer` stands there for any
    /// token.
    KindOrUse,
    /// Used for other purposes too: only the known name of another kind counts.
    Anything,
}

/// The statement of a member about its token.
enum KindStatement {
    Nothing,
    Access,
    Not(TokenKind),
}

impl KindMember {
    fn of(name: &str) -> Option<&'static Self> {
        MEMBERS.iter().find(|member| is_same(name, member.plain))
    }

    fn says(&self, value: &JsonValue, rules: &TokenRules) -> KindStatement {
        match value {
            JsonValue::Null => KindStatement::Nothing,
            JsonValue::String(text) => self.says_word(text, rules),
            JsonValue::Array(elements) => {
                let mut said = KindStatement::Nothing;
                for element in elements {
                    match self.says(element, rules) {
                        KindStatement::Not(kind) => return KindStatement::Not(kind),
                        KindStatement::Access => said = KindStatement::Access,
                        KindStatement::Nothing => {}
                    }
                }
                said
            }
            _ if self.means == Meaning::Anything => KindStatement::Nothing,
            _ => KindStatement::Not(TokenKind::Other),
        }
    }

    fn says_word(&self, text: &str, rules: &TokenRules) -> KindStatement {
        let word = without_prefix(without_prefix(text.trim(), TOKEN_TYPE_URN), APPLICATION);
        if rules.token_types.iter().any(|accepted| word.eq_ignore_ascii_case(accepted)) {
            return KindStatement::Nothing;
        }
        if ACCESS_WORDS.iter().any(|access| is_same(word, access)) {
            return KindStatement::Access;
        }
        if USE_WORDS.iter().any(|usual| is_same(word, usual)) {
            // Keycloak's `typ` is Bearer for access tokens, and ID or Refresh for the others
            return if self.means == Meaning::Kind {
                KindStatement::Access
            } else {
                KindStatement::Nothing
            };
        }
        match (kind_of(word), self.means) {
            (Some(kind), _) => KindStatement::Not(kind),
            (None, Meaning::Anything) => KindStatement::Nothing,
            (None, _) if word.is_empty() || is_same(word, "jwt") => KindStatement::Nothing,
            (None, _) => KindStatement::Not(TokenKind::Other),
        }
    }
}

/// The kind behind the name of a token that is no access token.
fn kind_of(word: &str) -> Option<TokenKind> {
    let lower = word.to_ascii_lowercase();
    if lower.contains("refresh") {
        return Some(TokenKind::Refresh);
    }
    if lower.contains("logout") {
        return Some(TokenKind::Logout);
    }
    OTHER_WORDS.iter().find(|(other, _)| is_same(&lower, other)).map(|(_, kind)| *kind)
}

/// Returns the mark of an ID token (OpenID Connect Core 2, 3.3.2.11), unless a sign of an access
/// token is present.
fn id_mark(claims: &Members, audiences: &[String]) -> Option<&'static str> {
    if SIGNS_OF_ACCESS.iter().any(|claim| claims.get(claim).is_some_and(says_something)) {
        return None;
    }
    let hash = HASHES.into_iter().find(|claim| claims.get(claim).is_some_and(says_something));
    if hash.is_some() {
        return hash;
    }
    // `nonce` alone is not enough: it counts if the audience of the token is its client alone
    claims.get("nonce").filter(|nonce| says_something(nonce))?;
    let mut clients = CLIENTS.iter().filter_map(|claim| claims.get(claim)?.as_str()).peekable();
    let is_for_client = clients.peek().is_none()
        || clients.any(|client| matches!(audiences, [only] if only == client));
    is_for_client.then_some("nonce")
}

fn says_something(value: &JsonValue) -> bool {
    match value {
        JsonValue::Null => false,
        JsonValue::String(text) => !text.trim().is_empty(),
        JsonValue::Array(elements) => !elements.is_empty(),
        _ => true,
    }
}

/// Compares without regard to case and to separators of words.
fn is_same(text: &str, plain: &str) -> bool {
    text.bytes()
        .filter(|byte| !matches!(byte, b'_' | b'-' | b' '))
        .map(|byte| byte.to_ascii_lowercase())
        .eq(plain.bytes())
}

fn without_prefix<'t>(text: &'t str, prefix: &str) -> &'t str {
    text.split_at_checked(prefix.len())
        .filter(|(front, _)| front.eq_ignore_ascii_case(prefix))
        .map_or(text, |(_, rest)| rest)
}

impl std::fmt::Display for TokenKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Id => "an ID token",
            Self::Refresh => "a refresh token",
            Self::Logout => "a logout token",
            Self::SecurityEvent => "a security event",
            Self::Key => "an internal key or an API key",
            Self::Other => "something else",
        })
    }
}

const APPLICATION: &str = "application/";
/// RFC 8693 section 3.
const TOKEN_TYPE_URN: &str = "urn:ietf:params:oauth:token-type:";

/// The types of access tokens if none is configured (RFC 7519 section 5.1, RFC 9068 section 2.1).
const USUAL_TYPES: [&str; 2] = ["jwt", "at+jwt"];

const fn member(name: &'static str, plain: &'static str, means: Meaning) -> KindMember {
    KindMember { name, plain, means }
}

const MEMBERS: [KindMember; 14] = [
    // Keycloak
    member("typ", "typ", Meaning::Kind),
    // Cognito, Hydra, nanoidp
    member("token_use", "tokenuse", Meaning::Kind),
    // RFC 7662, WSO2, nanoidp, Casdoor
    member("token_type", "tokentype", Meaning::KindOrUse),
    // OpenIddict
    member("token_usage", "tokenusage", Meaning::Kind),
    member("oi_tkn_typ", "oitkntyp", Meaning::Kind),
    // PingAM
    member("tokenName", "tokenname", Meaning::Kind),
    // RFC 8693
    member("issued_token_type", "issuedtokentype", Meaning::Kind),
    member("token_kind", "tokenkind", Meaning::Kind),
    // glewlwyd, flask-jwt-extended
    member("type", "type", Meaning::Anything),
    member("kind", "kind", Meaning::Anything),
    member("use", "use", Meaning::Anything),
    member("usage", "usage", Meaning::Anything),
    // Curity
    member("purpose", "purpose", Meaning::Anything),
    member("category", "category", Meaning::Anything),
];

const ACCESS_WORDS: [&str; 4] = ["access", "accesstoken", "at", "at+jwt"];

/// The ways to present access tokens: RFC 6750, RFC 9449, and drafts before it. `N_A` is not among
/// them: RFC 8693 uses it for tokens that are no access tokens.
const USE_WORDS: [&str; 5] = ["bearer", "bearertoken", "dpop", "pop", "mac"];

const OTHER_WORDS: [(&str, TokenKind); 14] = [
    ("id", TokenKind::Id),
    ("idtoken", TokenKind::Id),
    ("id+jwt", TokenKind::Id),
    ("idtoken+jwt", TokenKind::Id),
    ("serializedid", TokenKind::Id),
    ("rt", TokenKind::Refresh),
    ("rt+jwt", TokenKind::Refresh),
    // Keycloak's refresh tokens that outlive a session; in `type`, others use this value too
    ("offlinetoken", TokenKind::Refresh),
    ("secevent+jwt", TokenKind::SecurityEvent),
    ("securityevent", TokenKind::SecurityEvent),
    ("internalkey", TokenKind::Key),
    ("apikey", TokenKind::Key),
    ("authorizationcode", TokenKind::Other),
    ("devicecode", TokenKind::Other),
];

/// Claims of access tokens: scopes, and claims that some servers write into those alone (WSO2,
/// Auth0, Okta, Entra).
const SIGNS_OF_ACCESS: [&str; 7] = ["scope", "scp", "aut", "gty", "cid", "azpacr", "appidacr"];

const HASHES: [&str; 3] = ["at_hash", "c_hash", "s_hash"];

/// Claims that name the client of an access token.
pub(crate) const CLIENTS: [&str; 5] = ["azp", "client_id", "cid", "appid", "consumerKey"];
