//! Reads the form of a token request (`application/x-www-form-urlencoded`, RFC 6749 appendix B).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The value of one parameter.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parameter {
    Absent,
    Once(String),
    /// The parameter stands twice, which RFC 6749 section 3.2 forbids.
    Repeated,
}

pub(super) fn parameter(form: &str, name: &str) -> Parameter {
    let all = form_urlencoded::parse(form.as_bytes());
    let mut values = all.filter(|(key, _)| key == name).map(|(_, value)| value);
    match (values.next(), values.next()) {
        // an empty value counts as missing (RFC 6749 section 3.2)
        (Some(value), None) if !value.is_empty() => Parameter::Once(value.into_owned()),
        (_, None) => Parameter::Absent,
        (_, Some(_)) => Parameter::Repeated,
    }
}

/// Decodes one form-encoded string; `None` if it is not UTF-8.
pub(super) fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_come_once() {
        let form = "grant_type=client_credentials&scope=a%3ab+c&empty=&scope2=x&scope2=y&flag";
        assert_eq!(parameter(form, "scope"), Parameter::Once("a:b c".to_owned()));
        assert_eq!(parameter(form, "scope2"), Parameter::Repeated);
        for name in ["empty", "flag", "missing"] {
            assert_eq!(parameter(form, name), Parameter::Absent, "{name}");
        }
    }

    #[test]
    fn halves_of_basic_credentials_are_decoded() {
        assert_eq!(decode("a+b%3Ac").as_deref(), Some("a b:c"));
        assert_eq!(decode("%ff"), None);
    }
}
