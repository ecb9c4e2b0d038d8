//! Reads the form of a token request (`application/x-www-form-urlencoded`, RFC 6749 appendix B).

/// The value of one parameter.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parameter {
    Absent,
    Once(String),
    /// The parameter stands twice, which RFC 6749 section 3.2 forbids.
    Repeated,
}

pub(super) fn parameter(form: &str, name: &str) -> Parameter {
    let mut values = form
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(|(key, _)| decode(key).as_deref() == Some(name))
        .map(|(_, value)| decode(value));
    match (values.next(), values.next()) {
        // an empty value counts as missing (RFC 6749 section 3.2), and so does one that is not
        // UTF-8
        (None | Some(None), None) => Parameter::Absent,
        (Some(Some(value)), None) if value.is_empty() => Parameter::Absent,
        (Some(Some(value)), None) => Parameter::Once(value),
        (_, Some(_)) => Parameter::Repeated,
    }
}

/// `None`: broken percent encoding, or not UTF-8.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hexadecimal(rest.next()?)? << 4 | hexadecimal(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
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
    fn broken_encoding_is_nothing() {
        for broken in ["%", "%4", "%zz", "%ff", "%+1"] {
            assert_eq!(decode(broken), None, "{broken}");
        }
    }
}
