//! Certificates in WSO2's form: PEM, or the Base64 of it, as its portal sends them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::admin::refused::Refused;

/// A chain of certificates is far shorter.
const MOST_PEM: usize = 64 * 1024;

/// The beginning of PEM.
const BEGIN: &str = "-----BEGIN ";

/// Returns PEM.
pub(super) fn decoded(field: &str, value: &str) -> Result<String, Refused> {
    let refused = || Refused::bad_request(format!("`{field}` is no PEM, nor the Base64 of one"));
    if value.len() > MOST_PEM {
        return Err(refused());
    }
    if value.contains(BEGIN) {
        return Ok(value.to_owned());
    }
    let plain: String = value.chars().filter(|own| !own.is_ascii_whitespace()).collect();
    let bytes = STANDARD.decode(plain).map_err(|_| refused())?;
    let text = String::from_utf8(bytes).map_err(|_| refused())?;
    if text.contains(BEGIN) { Ok(text) } else { Err(refused()) }
}

/// Returns the form that WSO2's portal shows.
pub(super) fn encoded(pem: &str) -> String {
    STANDARD.encode(pem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_is_read_plainly_and_in_base64() {
        let pem = "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n";
        assert_eq!(decoded("value", pem).unwrap(), pem);
        assert_eq!(decoded("value", &encoded(pem)).unwrap(), pem);
        let mut lines = encoded(pem);
        lines.insert(20, '\n');
        assert_eq!(decoded("value", &lines).unwrap(), pem);
        for bad in ["", "x", "/etc/passwd", "AAAA", "////", &"A".repeat(MOST_PEM + 4)] {
            assert!(decoded("value", bad).is_err(), "{bad}");
        }
    }
}
