//! Checks that the sender of a bound token possesses its client certificate (RFC 8705) or its key
//! (RFC 9449).
//!
//! Each request proves that anew. A token whose `cnf` is not understood is refused, because its
//! binding would not be checked.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;

use crate::authenticate::binding_fault::BindingFault;
use crate::authenticate::certificate;
use crate::authenticate::credentials::TokenScheme;
use crate::jwt::Claims;
use crate::jwt::dpop::{self, DpopProof, Proved};
use crate::model::clock::UnixSeconds;
use crate::snapshot::Snapshot;

/// The possession that a token's `cnf` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    None,
    To {
        /// The SHA-256 of the certificate.
        certificate: Option<[u8; 32]>,
        /// The thumbprint of the key.
        key: Option<[u8; 32]>,
    },
    /// A binding that cannot be checked here.
    Unknown,
}

/// The evidence that a request shows beside its token.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'r> {
    /// The SHA-256 of the certificate that the TLS handshake proved.
    pub certificate: Option<[u8; 32]>,
    /// The peer, which may be a proxy that is trusted about certificates.
    pub peer: Option<IpAddr>,
    /// The client behind trusted proxies.
    pub client: Option<IpAddr>,
    pub method: &'r str,
    pub scheme: &'static str,
    pub authority: &'r str,
    /// The path as sent, and in normal form; both behind the prefix that trusted proxies removed.
    pub paths: [&'r str; 2],
    pub prefix: &'r str,
    pub headers: &'r HeaderMap,
}

impl Binding {
    pub(super) fn of(claims: &Claims) -> Self {
        let Some(confirmation) = claims.get("cnf") else { return Self::None };
        let Some(members) = confirmation.as_object() else { return Self::Unknown };
        let digest_of = |name: &str| match members.get(name) {
            None => Ok(None),
            Some(value) => value.as_str().and_then(decode).map(Some).ok_or(()),
        };
        match (digest_of("x5t#S256"), digest_of("jkt")) {
            (Ok(None), Ok(None)) | (Err(()), _) | (_, Err(())) => Self::Unknown,
            (Ok(certificate), Ok(key)) => Self::To { certificate, key },
        }
    }
}

fn decode(text: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// Checks a binding against a request's evidence. Returns the DPoP proof, if one was used: it must
/// be remembered.
pub(super) fn prove(
    binding: Binding,
    token: &[u8],
    scheme: TokenScheme,
    evidence: &Evidence<'_>,
    snapshot: &Snapshot,
    now: UnixSeconds,
) -> Result<Option<DpopProof>, BindingFault> {
    let (certificate, key) = match binding {
        Binding::None if scheme == TokenScheme::Dpop => return Err(BindingFault::NotBoundToKey),
        Binding::None => return Ok(None),
        Binding::Unknown => return Err(BindingFault::Unknown),
        Binding::To { certificate, key } => (certificate, key),
    };
    if let Some(wanted) = certificate {
        let Evidence { certificate: proved, peer, headers, .. } = *evidence;
        let shown = certificate::shown(proved, peer, headers, &snapshot.settings.trusted_proxies)?
            .ok_or(BindingFault::NoCertificate)?;
        if shown != wanted {
            return Err(BindingFault::OtherCertificate);
        }
    }
    let Some(wanted) = key else {
        return if scheme == TokenScheme::Dpop {
            Err(BindingFault::NotBoundToKey)
        } else {
            Ok(None)
        };
    };
    if scheme != TokenScheme::Dpop {
        return Err(BindingFault::Bearer);
    }
    let mut proofs = evidence.headers.get_all("dpop").iter();
    let (Some(written), None) = (proofs.next(), proofs.next()) else {
        return Err(BindingFault::NoProof);
    };
    let about = Proved {
        method: evidence.method,
        scheme: evidence.scheme,
        authority: evidence.authority,
        paths: evidence.paths,
        prefix: evidence.prefix,
        token,
    };
    let proof = dpop::check(written.as_bytes(), &about, now).map_err(BindingFault::Proof)?;
    if proof.thumbprint == wanted { Ok(Some(proof)) } else { Err(BindingFault::OtherKey) }
}

/// Describes the content of `cnf`, for `explain`.
pub fn describe(claims: &Claims) -> Option<String> {
    let confirmation = claims.get("cnf")?;
    let names = confirmation
        .as_object()
        .map(|members| members.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>());
    Some(format!("bound by {}", names.unwrap_or_default().join(" and ")))
}
