//! Explains a refusal of the past by its id: the facts at the time, and a remedy for now.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::explain::explanation::{Explanation, ExplanationStep};
use crate::explain::{near_misses, times};
use crate::jwt::Unverified;
use crate::model::clock::UnixSeconds;
use crate::snapshot::Snapshot;
use crate::telemetry::refusals::{Remembered, Unsigned};

/// Returns the gateway's record of a refusal.
pub fn recall(snapshot: &Snapshot, refusal: &Remembered) -> Explanation {
    let at = UnixSeconds(refusal.time.0 / 1000);
    let token = refusal.token.as_ref().map(whole).unwrap_or_default();
    let unverified = Unverified::parse(&token, usize::MAX).ok();
    let claims = refusal.token.as_ref().and_then(claims);
    let steps = steps(refusal, unverified.as_ref(), claims.as_ref());
    let hints = near_misses::of_remembered(snapshot, refusal, unverified.as_ref(), at);
    Explanation {
        judged_by: String::new(),
        allowed: false,
        reason: refusal.reason.label().into(),
        status: Some(refusal.status),
        steps,
        limits: Vec::new(),
        claims,
        hints,
    }
}

/// Returns the known facts of the request, and the reason of the refusal as the last step.
fn steps(
    refusal: &Remembered,
    token: Option<&Unverified<'_>>,
    claims: Option<&serde_json::Value>,
) -> Vec<ExplanationStep> {
    let mut steps = vec![passed(
        "request",
        format!(
            "{} {} at {}, from {} at {}",
            refusal.method,
            refusal.path,
            if refusal.host.is_empty() { "no host" } else { &refusal.host },
            refusal.client,
            times::moment(refusal.time.0 / 1000)
        ),
    )];
    if let Some(api) = &refusal.api {
        let operation = refusal
            .operation
            .as_deref()
            .map_or_else(String::new, |operation| format!(", operation {operation}"));
        steps.push(passed("route", format!("API {api}{operation}")));
    }
    if let Some(token) = token {
        steps.push(passed(
            "token",
            format!(
                "iss {:?}, alg {}, kid {:?} (as the client sent it)",
                token.issuer().unwrap_or("missing"),
                token.algorithm_name(),
                token.key_id().unwrap_or("none")
            ),
        ));
    }
    if let Some(claims) = claims {
        steps.push(passed("claims", claims.to_string()));
    }
    for (name, text) in [
        ("key manager", &refusal.key_manager),
        ("consumer key", &refusal.consumer_key),
        ("application", &refusal.application),
    ] {
        steps.extend(text.as_ref().map(|text| passed(name, text.to_string())));
    }
    let message =
        if refusal.message.is_empty() { refusal.reason.label() } else { &*refusal.message };
    steps.push(ExplanationStep {
        name: "refusal".into(),
        passed: false,
        found: message.to_owned(),
        written_at: None,
    });
    steps
}

fn passed(name: &'static str, found: String) -> ExplanationStep {
    ExplanationStep { name: name.into(), passed: true, found, written_at: None }
}

fn whole(token: &Unsigned) -> Vec<u8> {
    [token.bytes(), NO_SIGNATURE].concat()
}

fn claims(token: &Unsigned) -> Option<serde_json::Value> {
    let payload = token.bytes().rsplit(|byte| *byte == b'.').next()?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

/// Replaces the signature, which is not kept.
const NO_SIGNATURE: &[u8] = b".AAAA";
