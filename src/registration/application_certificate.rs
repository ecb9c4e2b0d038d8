//! The certificate of a regulatory application: with it the client calls.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::model::clock::UnixSeconds;

/// Refuses a text that is not one certificate in PEM, or one that is not valid now.
pub fn check_certificate(pem: &str, now: UnixSeconds) -> Result<(), &'static str> {
    let mut all = CertificateDer::pem_slice_iter(pem.as_bytes());
    let (first, second) = (all.next(), all.next());
    let (Some(Ok(certificate)), None) = (first, second) else {
        return Err("is not one certificate in PEM");
    };
    let Ok((_, certificate)) = X509Certificate::from_der(&certificate) else {
        return Err("is not an X.509 certificate");
    };
    let validity = certificate.validity();
    let now = i64::try_from(now.0).unwrap_or(i64::MAX);
    if validity.not_after.timestamp() < now {
        return Err("is a certificate that has expired");
    }
    if validity.not_before.timestamp() > now {
        return Err("is a certificate that is not valid yet");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_valid_for_a_time() {
        let mut parameters = rcgen::CertificateParams::new(vec!["tpp.example".to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2030, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = parameters.self_signed(&key).unwrap().pem();
        let at = |year: u64| check_certificate(&pem, UnixSeconds((year - 1970) * 31_557_600));
        assert!(at(2025).is_ok());
        assert!(at(2031).unwrap_err().contains("expired"));
        assert!(at(2019).unwrap_err().contains("not valid yet"));
        for odd in ["", "x", &pem.replace("CERTIFICATE", "PUBLIC KEY"), &format!("{pem}{pem}")] {
            assert!(check_certificate(odd, UnixSeconds(1_700_000_000)).is_err());
        }
    }
}
