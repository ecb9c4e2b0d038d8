//! The path template of an operation: literals, `{parameters}`, and a last `*` that matches all
//! paths below.
//!
//! A template is written in normal form, so that it can be compared with a normalized request path
//! byte for byte. Characters that need no encoding are not encoded, and hexadecimal digits are in
//! upper case.

use std::fmt;

/// `/accounts/{id}`, `/files/*`: valid by construction.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Template {
    text: Box<str>,
    segments: Vec<Segment>,
    tail: Tail,
}

/// One segment between slashes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    Literal(Box<str>),
    /// `{name}`: any one segment that is not empty.
    Parameter(Box<str>),
}

/// The end of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tail {
    /// The path ends with the last segment; a trailing slash in the request changes nothing.
    Exact,
    /// `/*`: this path and all below it.
    Below,
}

/// A path that cannot be a template. The message tells the operator what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTemplate {
    #[error("a path starts with \"/\"")]
    NoLeadingSlash,
    #[error("\"*\" may only stand alone as the last segment")]
    InnerWildcard,
    #[error("a parameter fills a whole segment: \"/{{name}}/\"")]
    PartialParameter,
    #[error("parameter \"{{{0}}}\" stands twice")]
    RepeatedParameter(String),
    #[error("an empty segment (\"//\") can never match: request paths are normalized first")]
    EmptySegment,
    #[error("\".\" and \"..\" segments can never match: request paths are normalized first")]
    DotSegment,
    #[error("{0:?} cannot stand in a path; percent-encode it")]
    Character(char),
    #[error(
        "{0:?} is not in normal form: encode only what must be encoded, with upper-case digits; %2F, %3B, %5C and %00 are never accepted"
    )]
    PercentEncoding(String),
}

impl Template {
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub fn tail(&self) -> Tail {
        self.tail
    }

    /// The template with parameters' names left out: two templates with one shape match the same
    /// paths.
    pub fn shape(&self) -> String {
        let mut shape = String::with_capacity(self.text.len());
        for segment in &self.segments {
            shape.push('/');
            match segment {
                Segment::Literal(text) => shape.push_str(text),
                Segment::Parameter(_) => shape.push_str("{}"),
            }
        }
        if self.tail == Tail::Below {
            shape.push_str("/*");
        }
        shape
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<&str> for Template {
    type Error = InvalidTemplate;

    fn try_from(text: &str) -> Result<Self, InvalidTemplate> {
        let body = text.strip_prefix('/').ok_or(InvalidTemplate::NoLeadingSlash)?;
        let (body, tail) = match body {
            "*" => ("", Tail::Below),
            _ => match body.strip_suffix("/*") {
                Some(front) => (front, Tail::Below),
                None => (body.strip_suffix('/').unwrap_or(body), Tail::Exact),
            },
        };
        let mut segments: Vec<Segment> = Vec::new();
        if !body.is_empty() {
            for part in body.split('/') {
                let segment = segment(part)?;
                if let Segment::Parameter(name) = &segment
                    && segments.contains(&segment)
                {
                    return Err(InvalidTemplate::RepeatedParameter(name.to_string()));
                }
                segments.push(segment);
            }
        }
        Ok(Self { text: text.into(), segments, tail })
    }
}

fn segment(part: &str) -> Result<Segment, InvalidTemplate> {
    match part {
        "" => return Err(InvalidTemplate::EmptySegment),
        "." | ".." => return Err(InvalidTemplate::DotSegment),
        _ => {}
    }
    if let Some(name) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let plain = !name.is_empty()
            && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
        return if plain {
            Ok(Segment::Parameter(name.into()))
        } else {
            Err(InvalidTemplate::PartialParameter)
        };
    }
    literal(part).map(|()| Segment::Literal(part.into()))
}

/// Accepts the text of a literal segment, or of a context, when it is in the normal form of request
/// paths.
pub fn literal(part: &str) -> Result<(), InvalidTemplate> {
    let mut rest = part.chars();
    while let Some(character) = rest.next() {
        match character {
            '{' | '}' => return Err(InvalidTemplate::PartialParameter),
            '*' => return Err(InvalidTemplate::InnerWildcard),
            '%' => {
                let digits: String = rest.by_ref().take(2).collect();
                percent_encoded(&digits)?;
            }
            // RFC 3986 pchar without "%" and ";": path parameters are cut before matching
            'a'..='z'
            | 'A'..='Z'
            | '0'..='9'
            | '-'
            | '.'
            | '_'
            | '~'
            | '!'
            | '$'
            | '&'
            | '\''
            | '('
            | ')'
            | '+'
            | ','
            | '='
            | ':'
            | '@' => {}
            other => return Err(InvalidTemplate::Character(other)),
        }
    }
    Ok(())
}

fn percent_encoded(digits: &str) -> Result<(), InvalidTemplate> {
    let refused = || InvalidTemplate::PercentEncoding(format!("%{digits}"));
    let normal = digits.len() == 2 && digits.chars().all(|c| matches!(c, '0'..='9' | 'A'..='F'));
    let byte = u8::from_str_radix(digits, 16).map_err(|_| refused())?;
    // a literal "*" can only be written as "%2A"; ";" would be cut before matching in any spelling
    let stands_plainly = byte.is_ascii_alphanumeric() || b"-._~!$&'()+,=:@".contains(&byte);
    let matchable =
        normal && !stands_plainly && byte >= 0x20 && !matches!(byte, b'/' | b'\\' | b';' | 0x7F);
    if matchable { Ok(()) } else { Err(refused()) }
}
