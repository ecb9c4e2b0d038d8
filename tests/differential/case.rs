//! Tokens to be judged: members of header and payload as text, so that they may be twice, mistyped or out of order, and a
//! mutation of the finished token.

use proptest::prelude::*;

use crate::signer::{Signer, encode};

pub(crate) const ISSUER: &str = "https://as.example";
pub(crate) const LEEWAY: u64 = 30;

/// A member's value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Text {
    /// JSON as it stands.
    Json(String),
    /// The time of the test plus so many seconds, with this text behind the digits.
    Now(i64, &'static str),
}

pub(crate) type Member = (&'static str, Text);

#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) server: usize,
    /// Whether an audience is asked for.
    pub(crate) audience: bool,
    pub(crate) header: Vec<Member>,
    pub(crate) payload: Vec<Member>,
    pub(crate) mutation: Mutation,
}

/// What happens to a token after it was signed.
#[derive(Debug, Clone)]
pub(crate) enum Mutation {
    None,
    Byte(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, String),
    /// Encoding is another than the canonical one before the signature is made.
    Encoding(fn(String) -> String),
}

impl Text {
    pub(crate) fn json(text: &str) -> Self {
        Self::Json(text.to_owned())
    }

    pub(crate) fn written(&self, now: u64) -> String {
        match self {
            Self::Json(text) => text.clone(),
            Self::Now(offset, tail) => format!("{}{tail}", now.saturating_add_signed(*offset)),
        }
    }
}

impl Case {
    /// A token in order with these members beside, or instead of, the usual ones.
    pub(crate) fn with(header: &[Member], payload: &[Member]) -> Self {
        let merged = |usual: Vec<Member>, other: &[Member]| {
            let kept =
                usual.into_iter().filter(|(name, _)| other.iter().all(|(own, _)| own != name));
            kept.chain(other.iter().cloned()).collect()
        };
        let usual_header = vec![("alg", Text::json("\"\"")), ("kid", Text::json("\"k1\""))];
        Self {
            server: 2,
            audience: false,
            header: merged(usual_header, header),
            payload: merged(vec![issuer(), ("exp", Text::Now(600, ""))], payload),
            mutation: Mutation::None,
        }
    }

    pub(crate) fn token(&self, signer: &Signer, now: u64) -> Vec<u8> {
        // an empty `alg` stands for the signer's own
        let alg = format!("\"{}\"", signer.algorithm);
        let header = object(&self.header, now).replace("\"alg\":\"\"", &format!("\"alg\":{alg}"));
        let payload = object(&self.payload, now);
        let mut token = match &self.mutation {
            Mutation::Encoding(other) => signer.sealed(&other(format!(
                "{}.{}",
                encode(header.as_bytes()),
                encode(payload.as_bytes())
            ))),
            _ => signer.token(&header, &payload),
        }
        .into_bytes();
        match &self.mutation {
            Mutation::None | Mutation::Encoding(_) => {}
            Mutation::Byte(place, byte) => {
                let place = place.index(token.len());
                token[place] = *byte;
            }
            Mutation::Cut(place) => token.truncate(place.index(token.len())),
            Mutation::Insert(place, noise) => {
                let place = place.index(token.len());
                token.splice(place..place, noise.bytes());
            }
        }
        token
    }
}

fn issuer() -> Member {
    ("iss", Text::Json(format!("\"{ISSUER}\"")))
}

fn object(members: &[Member], now: u64) -> String {
    let members: Vec<String> =
        members.iter().map(|(name, value)| format!("\"{name}\":{}", value.written(now))).collect();
    format!("{{{}}}", members.join(","))
}

pub(crate) fn any_case() -> impl Strategy<Value = Case> {
    (0..4_usize, any::<bool>(), any_header(), any_payload(), any_mutation()).prop_map(
        |(server, audience, header, payload, mutation)| Case {
            server,
            audience,
            header,
            payload,
            mutation,
        },
    )
}

fn one_of(
    names: &'static [&'static str],
    values: &'static [&'static str],
) -> BoxedStrategy<Member> {
    (prop::sample::select(names), prop::sample::select(values))
        .prop_map(|(name, value)| (name, Text::json(value)))
        .boxed()
}

fn any_header() -> impl Strategy<Value = Vec<Member>> {
    let algorithm = prop_oneof![
        12 => Just(vec![("alg", Text::json("\"\""))]),
        1 => one_of(&["alg"], &["\"RS512\"", "\"ES384\"", "\"HS256\"", "\"none\"", "7", "null", "[\"ES256\"]"]).prop_map(|member| vec![member]),
        1 => Just(vec![]),
    ];
    let key = prop_oneof![
        8 => Just(vec![("kid", Text::json("\"k1\""))]),
        2 => Just(vec![]),
        1 => one_of(&["kid"], &["\"other\"", "\"\"", "null", "1"]).prop_map(|member| vec![member]),
    ];
    let other = prop_oneof![
        4 => one_of(&["typ"], &["\"JWT\"", "\"at+jwt\"", "\"rt+jwt\"", "\"application/at+JWT\"", "null", "7"]),
        1 => one_of(&["crit", "b64"], &["[\"exp\"]", "[]", "false", "null", "\"b64\""]),
        1 => one_of(&["jku", "x5u", "x5t", "cty", "nonce", "enc", "zip"], &["\"x\"", "null", "1"]),
        1 => one_of(&["jwk", "x5c"], &["{}", "[]", "[\"AA\"]", "\"x\"", "null"]),
        1 => one_of(&["x", "alg", "kid"], &["1", "\"k1\"", "{\"a\":1,\"a\":2}", "1e400", "\"\""]),
    ];
    (algorithm, key, prop::collection::vec(other, 0..2))
        .prop_map(|(algorithm, key, other)| [algorithm, key, other].concat())
}

fn any_time() -> impl Strategy<Value = Text> {
    let offset =
        prop::sample::select(&[-3600, -32, -31, -30, -29, -1, 0, 1, 29, 30, 31, 32, 3600][..]);
    let tail = prop::sample::select(&["", ".0", ".4", ".5", ".6", "e0", "0e-1"][..]);
    prop_oneof![
        6 => (offset, tail).prop_map(|(offset, tail)| Text::Now(offset, tail)),
        1 => one_of(&[""], MISTYPED).prop_map(|(_, text)| text),
        1 => one_of(&[""], EXTREME).prop_map(|(_, text)| text),
    ]
}

const MISTYPED: &[&str] = &["\"1\"", "null", "true", "[]", "{}", "[9999999999]", "\"9999999999\""];
const EXTREME: &[&str] = &[
    "-1",
    "-1.5",
    "0",
    "-0",
    "0.4",
    "1e-300",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "18446744073709549568.0",
    "1e19",
    "1e300",
    "1e400",
    "-1e300",
    "-9223372036854775809",
    "01",
    "1.",
    "NaN",
];

fn any_payload() -> impl Strategy<Value = Vec<Member>> {
    let iss = prop_oneof![
        12 => Just(vec![issuer()]),
        1 => one_of(&["iss"], &["\"https://as.example/\"", "[\"https://as.example\"]", "null", "7", "\"\""]).prop_map(|member| vec![member]),
        1 => Just(vec![]),
    ];
    let exp = prop_oneof![
        8 => Just(vec![("exp", Text::Now(600, ""))]),
        6 => any_time().prop_map(|time| vec![("exp", time)]),
        1 => Just(vec![]),
    ];
    let aud = prop_oneof![
        4 => Just(vec![("aud", Text::json("\"orders\""))]),
        2 => Just(vec![]),
        2 => one_of(&["aud"], &["[\"x\",\"orders\"]", "[]", "\"x\"", "[\"orders\",1]", "null", "7", "{}"]).prop_map(|member| vec![member]),
    ];
    let other = prop_oneof![
        4 => any_time().prop_map(|time| ("nbf", time)),
        1 => any_time().prop_map(|time| ("iat", time)),
        3 => one_of(&["sub", "jti"], &["\"alice\"", "7", "null", "[\"alice\"]"]),
        2 => one_of(&["token_use", "typ", "token_type"], &["\"id\"", "\"ID\"", "\"access\"", "\"refresh_token\""]),
        1 => one_of(&["x", "iss", "exp", "aud"], &["{\"a\":1,\"a\":2}", "[[[[[[]]]]]]", "\"\\u0000\"", "\"\\ud800\"", "9999999999", DEEP]),
    ];
    (iss, exp, aud, prop::collection::vec(other, 0..3))
        .prop_map(|(iss, exp, aud, other)| [iss, exp, aud, other].concat())
}

/// 40 levels.
pub(crate) const DEEP: &str =
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]";

fn any_mutation() -> impl Strategy<Value = Mutation> {
    let other: [fn(String) -> String; 4] = [
        |input| input + "=",
        |input| input + "AAA",
        |input| format!(" {input}"),
        |input| input.replacen('.', "=.", 1),
    ];
    prop_oneof![
        14 => Just(Mutation::None),
        2 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(place, byte)| Mutation::Byte(place, byte)),
        1 => any::<prop::sample::Index>().prop_map(Mutation::Cut),
        1 => (any::<prop::sample::Index>(), "[A-Za-z0-9_.=-]{1,4}").prop_map(|(place, noise)| Mutation::Insert(place, noise)),
        1 => prop::sample::select(other.to_vec()).prop_map(Mutation::Encoding),
    ]
}
