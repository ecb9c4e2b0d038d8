//! Forms that are posted: `application/x-www-form-urlencoded`.

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The characters that a form leaves as they are, besides letters and digits.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*');

/// A form to post, with the credentials of its sender.
#[derive(Debug, Clone, Copy)]
pub struct FormPost<'f> {
    pub fields: &'f [(&'f str, &'f str)],
    pub authorization: Option<&'f HeaderValue>,
    /// Asks for a signed answer and no other (RFC 9701).
    pub signed: bool,
}

impl FormPost<'_> {
    pub(super) fn encoded(&self) -> String {
        let pair = |(name, value): &(&str, &str)| {
            format!("{}={}", form_encoded(name), form_encoded(value))
        };
        self.fields.iter().map(pair).collect::<Vec<_>>().join("&")
    }
}

/// Encodes one name or value of a form. A space is `%20`, which every decoder of forms and of
/// addresses reads.
pub fn form_encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_keeps_what_it_may_and_encodes_the_rest() {
        let fields = [("token", "aZ09-._*~"), ("client id", "ä&=+%/")];
        let form = FormPost { fields: &fields, authorization: None, signed: false };
        assert_eq!(form.encoded(), "token=aZ09-._*%7E&client%20id=%C3%A4%26%3D%2B%25%2F");
    }
}
