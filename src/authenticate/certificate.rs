//! Reads the client certificate that a trusted proxy tells about, from the one header that the
//! configuration names.
//!
//! The result is the SHA-256 of the certificate's DER form. The proxy has checked the certificate:
//! here it is a name, and nothing in it is read.

use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;

use crate::authenticate::binding_fault::BindingFault;
use crate::model::proxies::{CertificateFormat, TrustedProxies};
use crate::model::{UnquotedParts, split_unquoted};

type Digest = [u8; 32];

/// Senders differ in padding; nothing hangs on it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Returns the certificate that a client proved to have. Behind a proxy that tells about
/// certificates, the connection's own is the proxy's.
pub(super) fn shown(
    proved: Option<Digest>,
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    proxies: &TrustedProxies,
) -> Result<Option<Digest>, BindingFault> {
    let told = proxies.certificate.as_ref();
    let Some(header) = told.filter(|_| peer.is_some_and(|peer| proxies.include(peer))) else {
        return Ok(proved);
    };
    let mut fields = headers.get_all(&header.name).iter();
    let Some(field) = fields.next() else { return Ok(None) };
    if fields.next().is_some() {
        return Err(BindingFault::UnreadableCertificate);
    }
    let text = field.to_str().map_err(|_| BindingFault::UnreadableCertificate)?.trim();
    if text.is_empty() {
        return Ok(None);
    }
    read(text, header.format).map(Some).ok_or(BindingFault::UnreadableCertificate)
}

/// Tells whether a trusted proxy's request names two certificates, one of which the proxy did not
/// write.
pub fn is_told_twice(peer: IpAddr, headers: &HeaderMap, proxies: &TrustedProxies) -> bool {
    proxies.certificate.as_ref().is_some_and(|header| {
        headers.get_all(&header.name).iter().nth(1).is_some() && proxies.include(peer)
    })
}

fn read(text: &str, format: CertificateFormat) -> Option<Digest> {
    match format {
        CertificateFormat::Rfc9440 => of_base64(text.strip_prefix(':')?.strip_suffix(':')?),
        CertificateFormat::Xfcc => of_element(last_element(text)?),
        CertificateFormat::PemUrlencoded => of_pem(&percent_decoded(text)?),
        CertificateFormat::Base64Der => of_base64(text.trim_matches('"')),
    }
}

fn of_der(der: &[u8]) -> Option<Digest> {
    if der.is_empty() { None } else { digest(&SHA256, der).as_ref().try_into().ok() }
}

fn of_base64(text: &str) -> Option<Digest> {
    let der = BASE64.decode(text).ok()?;
    // WSO2's manual tells load balancers to encode the whole PEM
    match std::str::from_utf8(&der) {
        Ok(pem) if pem.trim_start().starts_with(PEM_BEGIN) => of_pem(pem),
        _ => of_der(&der),
    }
}

const PEM_BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const PEM_END: &str = "-----END CERTIFICATE-----";

/// Reads the first certificate of a PEM text, which is the client's own; its lines may have been
/// joined.
fn of_pem(text: &str) -> Option<Digest> {
    let (body, _) = text.trim_start().strip_prefix(PEM_BEGIN)?.split_once(PEM_END)?;
    of_der(&BASE64.decode(body.split_ascii_whitespace().collect::<String>()).ok()?)
}

/// Returns the nearest proxy's element of Envoy's list: each proxy appends, and clients may have
/// begun it.
fn last_element(text: &str) -> Option<&str> {
    parts(text, ',')?.last().map(|element| element.trim())
}

/// Reads `Hash`, the SHA-256 of the certificate, and `Cert`, the certificate. If both are there,
/// they must agree.
fn of_element(element: &str) -> Option<Digest> {
    let (mut hash, mut certificate) = (None, None);
    for pair in parts(element, ';')? {
        let (name, value) = pair.split_once('=')?;
        let value = value.trim();
        let value =
            value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
        let place = match name.trim() {
            name if name.eq_ignore_ascii_case("hash") => &mut hash,
            name if name.eq_ignore_ascii_case("cert") => &mut certificate,
            _ => continue,
        };
        if place.replace(value).is_some() {
            return None;
        }
    }
    let hash = hash.map(|hash| of_hexadecimal(hash).ok_or(())).transpose().ok()?;
    let certificate = certificate
        .map(|certificate| percent_decoded(certificate).and_then(|pem| of_pem(&pem)).ok_or(()))
        .transpose()
        .ok()?;
    match (hash, certificate) {
        (Some(hash), Some(certificate)) if hash != certificate => None,
        (hash, certificate) => certificate.or(hash),
    }
}

fn of_hexadecimal(text: &str) -> Option<Digest> {
    let digit =
        |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes: Option<Vec<u8>> =
        pairs.iter().map(|[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect();
    bytes.filter(|_| rest.is_empty())?.try_into().ok()
}

/// Splits at separators outside of quotes; `None` if a quote is not closed.
fn parts(text: &str, separator: char) -> Option<Vec<&str>> {
    let UnquotedParts { parts, is_closed } = split_unquoted(text, separator);
    is_closed.then_some(parts)
}

/// Decodes percent-encoding. A `+` stays a `+`, because AWS does not encode it.
fn percent_decoded(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        if *byte != b'%' {
            decoded.push(*byte);
            rest = after;
            continue;
        }
        let [high, low, after @ ..] = after else { return None };
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        decoded.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
        rest = after;
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests;
