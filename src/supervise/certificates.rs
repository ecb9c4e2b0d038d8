//! The expiry of the configuration's certificates: warnings, and the times in a scrape.
//!
//! An expired certificate is used all the same. A gateway that refuses to start helps nobody, and
//! clients report the certificate.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::model::Model;
use crate::model::certificates::{CertificateFile, CertificateRole, files};
use crate::model::clock::UnixSeconds;
use crate::telemetry::CertificateFacts;

/// The time before the end at which the warning comes. By then an automatic renewal should have
/// happened.
const SOON_DAYS: u64 = 14;

const DAY: u64 = 24 * 60 * 60;

/// The certificates of a file, as seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Validity {
    not_before: u64,
    not_after: u64,
}

/// Returns the facts for a scrape.
pub fn facts(model: &Model) -> Vec<CertificateFacts> {
    let facts = files(model).into_iter().filter_map(|found| {
        Some(CertificateFacts {
            role: found.role.as_str(),
            file: found.file.path.display().to_string(),
            not_after: validity(found)?.not_after,
        })
    });
    facts.collect()
}

/// Certificates that have expired, are not valid yet, or expire soon.
pub fn warnings(model: &Model, now: UnixSeconds) -> Vec<String> {
    let warnings = files(model).into_iter().filter_map(|found| {
        let trouble = trouble(validity(found)?, now.0)?;
        Some(format!("{} ({}) {trouble}", found.file.path.display(), meaning(found.role)))
    });
    warnings.collect()
}

/// Says that a certificate expires soon, or has.
pub(super) fn ends_soon(not_after: u64, now: UnixSeconds) -> Option<String> {
    trouble(Validity { not_before: 0, not_after }, now.0)
}

fn meaning(role: CertificateRole) -> &'static str {
    match role {
        CertificateRole::Listener => "the certificate of a listener",
        CertificateRole::Management => "the certificate of the management listener",
        CertificateRole::ClientAuthorities => "the authorities of client certificates",
        CertificateRole::Client => "the certificate that the gateway shows to a server",
        CertificateRole::ServerAuthorities => "the authorities of a server",
    }
}

fn trouble(Validity { not_before, not_after }: Validity, now: u64) -> Option<String> {
    if not_after < now {
        let days = now.saturating_sub(not_after) / DAY;
        Some(format!("expired {days} days ago: renew it; it is used all the same"))
    } else if not_before > now {
        let hours = not_before.saturating_sub(now).div_ceil(60 * 60);
        Some(format!(
            "is not valid yet, for {hours} more hours: check it and the clock of this machine"
        ))
    } else if not_after.saturating_sub(now) < SOON_DAYS * DAY {
        let days = not_after.saturating_sub(now) / DAY;
        Some(format!("expires in {days} days: renew it"))
    } else {
        None
    }
}

/// Returns `None` if nothing in the file could be read; `config` has refused files that the gateway
/// needs.
fn validity(CertificateFile { file, role }: CertificateFile<'_>) -> Option<Validity> {
    let all = CertificateDer::pem_slice_iter(&file.content).flatten();
    all.filter_map(|der| {
        let (_, certificate) = X509Certificate::from_der(&der).ok()?;
        let validity = certificate.validity();
        let seconds = |time: i64| u64::try_from(time).unwrap_or_default();
        Some(Validity {
            not_before: seconds(validity.not_before.timestamp()),
            not_after: seconds(validity.not_after.timestamp()),
        })
    })
    .reduce(|one, other| {
        if role.is_chain() {
            Validity {
                not_before: one.not_before.max(other.not_before),
                not_after: one.not_after.min(other.not_after),
            }
        } else {
            Validity {
                not_before: one.not_before.min(other.not_before),
                not_after: one.not_after.max(other.not_after),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_told_two_weeks_before_and_ever_after() {
        let validity = Validity { not_before: 100 * DAY, not_after: 200 * DAY };
        let told = |day: u64| trouble(validity, day * DAY).unwrap_or_default();
        assert_eq!(told(150), "");
        assert_eq!(told(186), "");
        assert!(told(187).starts_with("expires in 13 days"));
        assert!(told(203).starts_with("expired 3 days ago"));
        assert!(told(99).starts_with("is not valid yet, for 24 more hours"));
    }
}
