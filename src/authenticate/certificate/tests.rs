//! Certificates are read in the format that is written and in no other, from one field of a trusted
//! proxy.

use std::fmt::Write as _;

use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;
use crate::model::proxies::{CertificateHeader, ForwardedHeaders};

const DER: [u8; 5] = [0x30, 0x03, 0x02, 0x01, 0x05];

fn expected() -> Option<Digest> {
    of_der(&DER)
}

fn pem() -> String {
    format!("{PEM_BEGIN}\n{}\n{PEM_END}\n", BASE64.encode(DER))
}

fn encoded(pem: &str) -> String {
    pem.replace('\n', "%0A").replace(' ', "%20").replace('+', "%2B").replace('/', "%2f")
}

fn hash() -> String {
    let mut hex = String::new();
    for byte in expected().unwrap() {
        write!(hex, "{byte:02x}").unwrap();
    }
    hex
}

#[test]
fn each_format_is_read_as_its_senders_write_it() {
    let base64 = BASE64.encode(DER);
    let (pem, hash) = (pem(), hash());
    for (format, fields) in [
        (CertificateFormat::Rfc9440, vec![format!(":{base64}:")]),
        (
            CertificateFormat::PemUrlencoded,
            // nginx, AWS (which leaves + = / as they are), lines that were joined
            vec![
                encoded(&pem),
                pem.replace('\n', "%0A").replace(' ', "%20"),
                pem.replace('\n', " "),
            ],
        ),
        (
            CertificateFormat::Base64Der,
            vec![
                base64.clone(),
                base64.replace('=', ""),
                format!("\"{base64}\""),
                BASE64.encode(&pem),
            ],
        ),
        (
            CertificateFormat::Xfcc,
            vec![
                format!("By=spiffe://a;Hash={hash};Subject=\"CN=a, O=\\\"b;c\\\"\";URI=spiffe://b"),
                format!("Hash={};Cert=\"{}\"", hash.to_uppercase(), encoded(&pem)),
                format!("cert=\"{}\"", encoded(&pem)),
                format!("Hash={};Cert=\"forged\",By=b;Hash={hash}", "0".repeat(64)),
            ],
        ),
    ] {
        for field in fields {
            assert_eq!(read(&field, format), expected(), "{format:?} {field}");
            for other in CertificateFormat::ALL.into_iter().filter(|other| *other != format) {
                assert_eq!(read(&field, other), None, "{field} is not {other:?}");
            }
        }
    }
}

#[test]
fn what_cannot_be_read_in_one_way_is_no_certificate() {
    let (pem, hash) = (pem(), hash());
    let encoded = encoded(&pem);
    for (format, field) in [
        (CertificateFormat::Rfc9440, "::".to_owned()),
        (CertificateFormat::Rfc9440, ":MAMCAQU=:, :MAMCAQU=:".to_owned()),
        (CertificateFormat::Rfc9440, ":!:".to_owned()),
        (CertificateFormat::PemUrlencoded, encoded.replace("END", "FIN")),
        (CertificateFormat::PemUrlencoded, format!("{encoded}%2")),
        (CertificateFormat::PemUrlencoded, format!("x{encoded}")),
        (CertificateFormat::PemUrlencoded, format!("{PEM_BEGIN}{PEM_END}")),
        (CertificateFormat::Base64Der, "null".repeat(0)),
        (CertificateFormat::Xfcc, format!("Hash={hash};Hash={hash}")),
        (CertificateFormat::Xfcc, format!("Hash={hash},")),
        (CertificateFormat::Xfcc, format!("Hash={hash};Subject=\"open")),
        (CertificateFormat::Xfcc, format!("Hash={};Cert=\"{encoded}\"", "0".repeat(64))),
        (CertificateFormat::Xfcc, format!("Hash={}", &hash[1..])),
        (CertificateFormat::Xfcc, hash.clone()),
        (CertificateFormat::Xfcc, "By=spiffe://a;URI=spiffe://b".to_owned()),
    ] {
        assert_eq!(read(&field, format), None, "{format:?} {field}");
    }
}

#[test]
fn the_connections_own_certificate_counts_unless_a_trusted_proxy_tells() {
    let peer: IpAddr = "10.0.0.1".parse().unwrap();
    let name = HeaderName::from_static("client-cert");
    let proxies = TrustedProxies {
        networks: vec!["10.0.0.0/8".parse().unwrap()],
        headers: ForwardedHeaders::DEFAULT,
        certificate: Some(CertificateHeader { name, format: CertificateFormat::Rfc9440 }),
    };
    let unnamed = TrustedProxies { certificate: None, ..proxies.clone() };
    let proved = Some([9; 32]);
    let with = |fields: &[&str]| {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append("client-cert", HeaderValue::from_str(field).unwrap());
        }
        headers
    };
    let field = format!(":{}:", BASE64.encode(DER));
    let told = with(&[&field]);
    assert_eq!(shown(proved, Some(peer), &told, &proxies), Ok(expected()));
    assert_eq!(shown(proved, Some(peer), &with(&[]), &proxies), Ok(None), "it is the proxy's");
    assert_eq!(shown(proved, Some(peer), &with(&[""]), &proxies), Ok(None));
    let unreadable = Err(BindingFault::UnreadableCertificate);
    assert_eq!(shown(proved, Some(peer), &with(&["x"]), &proxies), unreadable);
    assert_eq!(shown(proved, Some(peer), &with(&[&field, &field]), &proxies), unreadable);
    assert_eq!(shown(proved, Some(peer), &told, &unnamed), Ok(proved));
    assert_eq!(shown(None, Some(peer), &told, &unnamed), Ok(None));
    let stranger = "192.0.2.1".parse().ok();
    assert_eq!(shown(None, stranger, &told, &proxies), Ok(None));
    assert_eq!(shown(proved, stranger, &told, &proxies), Ok(proved));
    assert_eq!(shown(proved, None, &told, &proxies), Ok(proved));
    assert!(is_told_twice(peer, &with(&[&field, ""]), &proxies));
    assert!(!is_told_twice(peer, &told, &proxies));
    assert!(!is_told_twice("192.0.2.1".parse().unwrap(), &with(&[&field, &field]), &proxies));
    assert!(!is_told_twice(peer, &with(&[&field, &field]), &unnamed));
}

proptest! {
    #[test]
    fn no_text_does_harm(text in "\\PC{0,80}", element in "[a-zA-Z=;,\"\\\\ %0-9]{0,60}") {
        for format in CertificateFormat::ALL {
            read(&text, format);
            read(&element, format);
        }
    }
}
