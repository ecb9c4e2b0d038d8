//! Puts the cause of a failed TLS handshake into words, because the library's own messages name its
//! types.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// The same error with a message for people.
pub fn explained(error: io::Error) -> io::Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).and_then(said) {
        Some(text) => io::Error::new(error.kind(), text),
        None if error.kind() == io::ErrorKind::UnexpectedEof => io::Error::new(
            error.kind(),
            "the server closed the connection during the handshake; does it speak TLS on this \
             port?",
        ),
        None => error,
    }
}

/// Returns `None` if the library's text is good enough.
fn said(error: &Error) -> Option<String> {
    Some(match error {
        Error::InvalidCertificate(fault) => certificate(fault),
        Error::AlertReceived(alert) => alerted(*alert),
        Error::InvalidMessage(_) => {
            "the server answered what is not TLS; does it speak TLS on this port?".to_owned()
        }
        Error::NoCertificatesPresented => "the server shows no certificate".to_owned(),
        Error::PeerIncompatible(_) => {
            "the server and the gateway have no TLS version or cipher in common (TLS 1.2 and 1.3 \
             are spoken)"
                .to_owned()
        }
        _ => return None,
    })
}

fn certificate(fault: &CertificateError) -> String {
    match fault {
        CertificateError::UnknownIssuer => {
            "the server's certificate is issued by an authority that is not trusted".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet; is the clock right?".to_owned()
        }
        CertificateError::NotValidForName => {
            "the server's certificate is for another name".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let mut names: Vec<&str> = presented.iter().take(5).map(|name| bare(name)).collect();
            if names.is_empty() {
                names.push("no name at all (it has no subjectAltName)");
            }
            format!(
                "the server's certificate is for {}, not for {}",
                names.join(", "),
                expected.to_str()
            )
        }
        CertificateError::BadSignature => {
            "a signature of the server's certificate chain is wrong".to_owned()
        }
        CertificateError::BadEncoding => "the server's certificate cannot be read".to_owned(),
        CertificateError::Revoked => "the server's certificate was revoked".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the server's certificate is not meant for servers (extended key usage)".to_owned()
        }
        // the library has no other name for these
        other => other_fault(&format!("{other:?}")),
    }
}

/// The library writes `DnsName("is.example")` and `IpAddress(192.0.2.1)`.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

fn other_fault(name: &str) -> String {
    let said = [
        (
            "CaUsedAsEndEntity",
            "the server shows a certificate that is marked as an authority (CA:TRUE); add exactly \
             this certificate to `ca`, or \
             give the server one that is not so marked",
        ),
        (
            "UnsupportedCertVersion",
            "the server's certificate is not of X.509 version 3; make it anew with a \
             subjectAltName",
        ),
        (
            "PathLenConstraintViolated",
            "the server's certificate chain is longer than its authority allows",
        ),
        ("NameConstraintViolation", "the authority may not issue certificates for this name"),
        (
            "UnsupportedCriticalExtension",
            "the server's certificate has a critical extension that is not understood",
        ),
        (
            "UnsupportedSignatureAlgorithm",
            "the server's certificate is signed with an algorithm that is not accepted, such as \
             SHA-1",
        ),
    ];
    let text = said.into_iter().find(|(fault, _)| name.contains(fault)).map(|(_, text)| text);
    text.map_or_else(|| format!("the server's certificate is not accepted ({name})"), str::to_owned)
}

fn alerted(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => {
            "the server asks for a client certificate; write `client_certificate`".to_owned()
        }
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateRevoked
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied => {
            format!("the server does not accept the gateway's client certificate ({alert:?})")
        }
        AlertDescription::UnrecognisedName => "the server does not know this name".to_owned(),
        AlertDescription::ProtocolVersion => {
            "the server speaks neither TLS 1.2 nor TLS 1.3".to_owned()
        }
        AlertDescription::HandshakeFailure => {
            "the server refused the handshake: nothing in common, or it asks for a client \
             certificate"
                .to_owned()
        }
        other => format!("the server ended the handshake ({other:?})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_names_a_type() {
        let faults = [
            CertificateError::UnknownIssuer,
            CertificateError::Expired,
            CertificateError::NotValidForName,
            CertificateError::BadSignature,
            CertificateError::InvalidPurpose,
        ];
        for fault in faults {
            let text = explained(io::Error::new(
                io::ErrorKind::InvalidData,
                Error::InvalidCertificate(fault.clone()),
            ));
            let text = text.to_string();
            assert!(
                !text.contains(&format!("{fault:?}")) && text.contains("certificate"),
                "{text}"
            );
        }
        let marked = other_fault("Other(OtherError(CaUsedAsEndEntity))");
        assert!(marked.contains("CA:TRUE") && marked.contains("`ca`"), "{marked}");
        let alert = Error::AlertReceived(AlertDescription::CertificateRequired);
        let text = explained(io::Error::new(io::ErrorKind::InvalidData, alert)).to_string();
        assert!(text.contains("client_certificate"), "{text}");
        let other = explained(io::Error::other("as it was"));
        assert_eq!(other.to_string(), "as it was");
    }
}
