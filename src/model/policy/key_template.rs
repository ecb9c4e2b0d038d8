//! Key templates of custom policies: `$user:$api_context`.

/// The variables of a template, without `$claim.NAME`.
pub const VARIABLES: [&str; 6] = ["user", "application", "api", "api_context", "version", "ip"];

/// A text with variables; each of its values has a count of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTemplate(Vec<KeyPart>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPart {
    Text(String),
    User,
    Application,
    Api,
    ApiContext,
    Version,
    Address,
    Claim(String),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyTemplate {
    #[error("the key is empty")]
    Empty,
    #[error("there is no variable \"${0}\"")]
    Variable(String),
    #[error("\"$claim.\" needs the name of a claim: letters, digits, \"_\" and \"-\"")]
    Claim,
}

impl KeyTemplate {
    pub fn parts(&self) -> &[KeyPart] {
        &self.0
    }

    /// A part that only requests with a token have.
    pub fn needs_token(&self) -> bool {
        let needs = |part: &KeyPart| matches!(part, KeyPart::Application | KeyPart::Claim(_));
        self.0.iter().any(needs)
    }
}

/// Writes the template as it is in a file.
impl std::fmt::Display for KeyTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            KeyPart::Text(text) => f.write_str(text),
            KeyPart::User => f.write_str("$user"),
            KeyPart::Application => f.write_str("$application"),
            KeyPart::Api => f.write_str("$api"),
            KeyPart::ApiContext => f.write_str("$api_context"),
            KeyPart::Version => f.write_str("$version"),
            KeyPart::Address => f.write_str("$ip"),
            KeyPart::Claim(name) => write!(f, "$claim.{name}"),
        })
    }
}

impl TryFrom<&str> for KeyTemplate {
    type Error = InvalidKeyTemplate;

    fn try_from(text: &str) -> Result<Self, InvalidKeyTemplate> {
        let mut parts = Vec::new();
        let mut pieces = text.split('$');
        parts.extend(literal(pieces.next().unwrap_or_default()));
        for piece in pieces {
            let end = |text: &str, more: fn(char) -> bool| {
                text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || more(c)))
                    .unwrap_or(text.len())
            };
            let (name, rest) = piece.split_at(end(piece, |_| false));
            if name == "claim" {
                let rest = rest.strip_prefix('.').ok_or(InvalidKeyTemplate::Claim)?;
                let (claim, rest) = rest.split_at(end(rest, |c| c == '-'));
                if claim.is_empty() {
                    return Err(InvalidKeyTemplate::Claim);
                }
                parts.push(KeyPart::Claim(claim.to_owned()));
                parts.extend(literal(rest));
            } else {
                let variable = variable(name);
                parts.push(variable.ok_or_else(|| InvalidKeyTemplate::Variable(name.to_owned()))?);
                parts.extend(literal(rest));
            }
        }
        if parts.is_empty() { Err(InvalidKeyTemplate::Empty) } else { Ok(Self(parts)) }
    }
}

fn variable(name: &str) -> Option<KeyPart> {
    Some(match name {
        "user" => KeyPart::User,
        "application" => KeyPart::Application,
        "api" => KeyPart::Api,
        "api_context" => KeyPart::ApiContext,
        "version" => KeyPart::Version,
        "ip" => KeyPart::Address,
        _ => return None,
    })
}

fn literal(text: &str) -> Option<KeyPart> {
    (!text.is_empty()).then(|| KeyPart::Text(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_read_and_unknown_variables_refused() {
        let parts = |text: &str| KeyTemplate::try_from(text).map(|template| template.0);
        assert_eq!(
            parts("$user:$api_context"),
            Ok(vec![KeyPart::User, KeyPart::Text(":".into()), KeyPart::ApiContext])
        );
        assert_eq!(
            parts("a$claim.org-id/$version"),
            Ok(vec![
                KeyPart::Text("a".into()),
                KeyPart::Claim("org-id".into()),
                KeyPart::Text("/".into()),
                KeyPart::Version
            ])
        );
        assert_eq!(parts(""), Err(InvalidKeyTemplate::Empty));
        assert_eq!(parts("$claim"), Err(InvalidKeyTemplate::Claim));
        assert_eq!(parts("$claim.:"), Err(InvalidKeyTemplate::Claim));
        for (text, name) in [("$", ""), ("$users", "users"), ("$api_contexts", "api_contexts")] {
            assert_eq!(parts(text), Err(InvalidKeyTemplate::Variable(name.to_owned())));
        }
        for name in VARIABLES {
            assert_eq!(parts(&format!("${name}")).map(|parts| parts.len()), Ok(1));
        }
        for text in ["$user:$api_context", "a$claim.org-id/$version", "$application$api $ip"] {
            assert_eq!(KeyTemplate::try_from(text).unwrap().to_string(), text);
        }
    }
}
