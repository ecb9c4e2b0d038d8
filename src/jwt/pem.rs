//! Reads public keys from PEM text: `CERTIFICATE`, `PUBLIC KEY` and `RSA PUBLIC KEY` blocks (RFC
//! 7468, RFC 8017 appendix A.1.1).
//!
//! Only the key of a certificate is used. The operator put the certificate into the configuration,
//! so neither its dates nor its issuer are checked.

use x509_parser::certificate::X509Certificate;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::RSAPublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::jwt::algorithm::Curve;
use crate::jwt::excerpt::Excerpt;
use crate::jwt::skipped::SkipReason;
use crate::jwt::verifying_key::{Material, VerifyingKey};

/// Reads one block.
pub(super) fn read(block: &Pem) -> Result<VerifyingKey, SkipReason> {
    let der = block.contents.as_slice();
    match block.label.as_str() {
        "CERTIFICATE" => subject_key(
            &whole(X509Certificate::from_der(der), "certificate")?.tbs_certificate.subject_pki,
        ),
        "PUBLIC KEY" => subject_key(&whole(SubjectPublicKeyInfo::from_der(der), "public key")?),
        "RSA PUBLIC KEY" => rsa_key(&whole(RSAPublicKey::from_der(der), "RSA public key")?),
        other => Err(SkipReason::PemBlock { label: Excerpt::of(other) }),
    }
}

fn subject_key(info: &SubjectPublicKeyInfo<'_>) -> Result<VerifyingKey, SkipReason> {
    let bits = info.subject_public_key.data.as_ref();
    match info.algorithm.algorithm.to_id_string().as_str() {
        OID_RSA => rsa_key(&whole(RSAPublicKey::from_der(bits), "RSA public key")?),
        OID_EC => {
            let oid =
                info.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
            let oid = oid.ok_or(SkipReason::Der { expected: "named curve" })?.to_id_string();
            let curve = Curve::from_oid(&oid)
                .ok_or_else(|| SkipReason::UnknownCurve { name: Excerpt::of(&oid) })?;
            VerifyingKey::new(None, None, &Material::Ec { curve, point: bits })
        }
        OID_ED25519 => VerifyingKey::new(None, None, &Material::Ed25519 { point: bits }),
        other => Err(SkipReason::UnknownKeyType { name: Excerpt::of(other) }),
    }
}

fn rsa_key(key: &RSAPublicKey<'_>) -> Result<VerifyingKey, SkipReason> {
    VerifyingKey::new(None, None, &Material::Rsa { modulus: key.modulus, exponent: key.exponent })
}

/// Returns the parsed value if no bytes are left behind it.
fn whole<T, E>(parsed: Result<(&[u8], T), E>, expected: &'static str) -> Result<T, SkipReason> {
    match parsed {
        Ok(([], value)) => Ok(value),
        _ => Err(SkipReason::Der { expected }),
    }
}

/// rsaEncryption (RFC 8017 A.1)
const OID_RSA: &str = "1.2.840.113549.1.1.1";
/// id-ecPublicKey (RFC 5480 2.1.1)
const OID_EC: &str = "1.2.840.10045.2.1";
/// id-Ed25519 (RFC 8410 3)
const OID_ED25519: &str = "1.3.101.112";
