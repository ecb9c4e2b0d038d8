//! Splits the value of a header outside of its quoted strings (RFC 9110 section 5.6.4).

/// The parts of a text between separators.
#[derive(Debug, PartialEq, Eq)]
pub struct UnquotedParts<'t> {
    pub parts: Vec<&'t str>,
    /// False if the last quote does not end.
    pub is_closed: bool,
}

/// Splits at separators outside of quotes.
pub fn split_unquoted(text: &str, separator: char) -> UnquotedParts<'_> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text
        .split(|character: char| {
            let literal = std::mem::take(&mut escaped);
            match character {
                '\\' => escaped = quoted && !literal,
                '"' if !literal => quoted = !quoted,
                _ => {}
            }
            character == separator && !quoted
        })
        .collect();
    UnquotedParts { parts, is_closed: !quoted }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_their_escapes_hide_separators() {
        for (text, parts, is_closed) in [
            ("a,b", vec!["a", "b"], true),
            (r#"a="x,y",b"#, vec![r#"a="x,y""#, "b"], true),
            (r#"a="x\",y",b"#, vec![r#"a="x\",y""#, "b"], true),
            (r#"a\",b""#, vec![r#"a\",b""#], true),
            (r#"a="x,b"#, vec![r#"a="x,b"#], false),
            ("", vec![""], true),
        ] {
            assert_eq!(split_unquoted(text, ','), UnquotedParts { parts, is_closed }, "{text}");
        }
    }
}
