//! `token_handling`: the tokens that belong to a key manager, if the issuer does not tell.

use regex::Regex;

/// One rule. A token needs to match one of the rules.
#[derive(Debug, Clone)]
pub enum TokenHandling {
    /// A JWT whose claims all match.
    Jwt { claims: Vec<(String, Pattern)> },
    /// An opaque token of this form.
    Reference { pattern: Option<Pattern> },
}

/// A regular expression, found anywhere unless it is anchored, in time linear to the text.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// The error is the operator's.
    pub fn new(text: &str) -> Result<Self, String> {
        let built = regex::RegexBuilder::new(text).size_limit(1 << 20).build();
        built.map(Self).map_err(|error| error.to_string())
    }

    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

impl PartialEq for TokenHandling {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Jwt { claims: one }, Self::Jwt { claims: two }) => one == two,
            (Self::Reference { pattern: one }, Self::Reference { pattern: two }) => one == two,
            _ => false,
        }
    }
}

impl Eq for TokenHandling {}
