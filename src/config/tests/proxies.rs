//! Trusted proxies and removed headers: written, omitted, and wrong.

use super::*;
use crate::model::proxies::{CertificateFormat, ForwardedHeader, ForwardedHeaders};
use crate::model::removed_headers::DEFAULT_REMOVED;

#[test]
fn nobody_is_trusted_and_the_list_is_the_default_one() {
    for text in ["", "[gateway]\nworkers = 1\n"] {
        let gateway = load_text(text).unwrap().model.gateway;
        let proxies = &gateway.trusted_proxies;
        assert!(proxies.networks.is_empty() && proxies.certificate.is_none());
        assert_eq!(proxies.headers, ForwardedHeaders::DEFAULT);
        assert_eq!(gateway.remove_request_headers, DEFAULT_REMOVED);
        assert_eq!(gateway.dpop_nonce_key, None);
    }
}

#[test]
fn names_are_read_in_any_case() {
    let text = "[gateway]\ntrusted_proxies = [\"10.0.0.0/8\"]\nforwarded_headers = \
                [\"x-forwarded-host\", \"FORWARDED\"]\nclient_certificate_header = { name = \
                \"X-Forwarded-Client-Cert\", format = \"xfcc\" }\nremove_request_headers = \
                [\"Proxy\", \"X-Own-*\"]\n";
    let loaded = load_text(text).unwrap();
    assert_eq!(loaded.warnings.problems().count(), 0);
    let gateway = loaded.model.gateway;
    let proxies = &gateway.trusted_proxies;
    let named = ForwardedHeaders::NONE.with(ForwardedHeader::Host).with(ForwardedHeader::Standard);
    assert_eq!(proxies.headers, named);
    let certificate = proxies.certificate.as_ref().unwrap();
    assert_eq!(certificate.name, "x-forwarded-client-cert");
    assert_eq!(certificate.format, CertificateFormat::Xfcc);
    assert_eq!(gateway.remove_request_headers, ["Proxy", "X-Own-*"]);
}

#[test]
fn what_cannot_be_meant_is_refused_where_it_stands() {
    for (line, said) in [
        ("forwarded_headers = [\"X-Forwarded-Fro\"]", "did you mean \"X-Forwarded-For\"?"),
        ("forwarded_headers = [\"X-Real-IP\"]", "`gateway.forwarded_headers` cannot be"),
        ("client_certificate_header = { name = \"Client-Cert\" }", "format` is missing"),
        ("client_certificate_header = { format = \"xfcc\" }", "name` is missing"),
        (
            "client_certificate_header = { name = \"Client-Cert\", format = \"pem\" }",
            "cannot be \"pem\"",
        ),
        (
            "client_certificate_header = { name = \"Authorization\", format = \"xfcc\" }",
            "authorization has another meaning",
        ),
        (
            "client_certificate_header = { name = \"a b\", format = \"xfcc\" }",
            "is not a header name",
        ),
        ("remove_request_headers = [\"Host\"]", "must not contain \"Host\""),
        ("remove_request_headers = [\"content-*\"]", "must not contain \"content-*\""),
        ("remove_request_headers = [\"*\"]", "is not a header name"),
        ("remove_request_headers = [\"a b\"]", "is not a header name"),
        ("dpop_nonce_key = \"c2hvcnQ=\"", "is not 32 bytes in Base64"),
    ] {
        let report = report(&format!("[gateway]\ntrusted_proxies = [\"10.0.0.1\"]\n{line}\n"));
        assert!(report.contains(said) && report.contains("gateway.toml:3:"), "{line}\n{report}");
    }
}

#[test]
fn headers_of_nobody_are_warned_of() {
    let text = "[gateway]\nforwarded_headers = [\"Forwarded\"]\n";
    let warnings = load_text(text).unwrap().warnings.to_string();
    assert!(warnings.contains("no proxy is trusted"), "{warnings}");
}
