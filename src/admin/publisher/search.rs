//! WSO2's search of APIs: `name:pay version:"1.0.0" status:published`.

use serde_json::Value;

use crate::admin::publisher::shown::provider;
use crate::admin::publisher::state::PublicationState;
use crate::admin::refused::Refused;
use crate::store::Record;

/// More terms than a person writes by hand.
const MOST_TERMS: usize = 20;

/// Conditions that an API fulfills all together.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::admin) struct ApiSearchTerms(Vec<ApiSearchTerm>);

#[derive(Debug, PartialEq, Eq)]
struct ApiSearchTerm {
    field: SearchField,
    text: String,
    /// The text stood in quotes: the whole field, and not its beginning.
    is_whole: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SearchField {
    Name,
    Version,
    Context,
    Provider,
    Status,
    Tag,
}

impl ApiSearchTerms {
    pub(in crate::admin) fn read(query: &str) -> Result<Self, Refused> {
        let mut terms = Vec::new();
        let mut rest = query.trim();
        while !rest.is_empty() {
            let (field, after) = match rest.split_once(':') {
                Some((name, after)) if !name.contains([' ', '"']) => (field(name)?, after),
                _ => (SearchField::Name, rest),
            };
            let quoted = after.strip_prefix('"').and_then(|inner| inner.split_once('"'));
            let (text, after, is_whole) = match quoted {
                Some((text, after)) => (text, after, true),
                // a name can have spaces
                None if !rest.contains([':', '"']) => (after, "", false),
                None => {
                    let (text, after) = after.split_once(' ').unwrap_or((after, ""));
                    (text, after, false)
                }
            };
            terms.push(ApiSearchTerm { field, text: text.to_lowercase(), is_whole });
            if terms.len() > MOST_TERMS {
                let description = format!("`query` has more than {MOST_TERMS} conditions");
                return Err(Refused::bad_request(description));
            }
            rest = after.trim_start();
        }
        Ok(Self(terms))
    }

    /// The same conditions, each for a whole field.
    pub(super) fn whole(mut self) -> Self {
        self.0.iter_mut().for_each(|term| term.is_whole = true);
        self
    }

    pub(in crate::admin) fn fit(&self, record: &Record) -> bool {
        self.0.iter().all(|term| term.fits(record))
    }
}

fn field(name: &str) -> Result<SearchField, Refused> {
    match name {
        "name" => Ok(SearchField::Name),
        "version" => Ok(SearchField::Version),
        "context" => Ok(SearchField::Context),
        "provider" => Ok(SearchField::Provider),
        "status" | "lcState" => Ok(SearchField::Status),
        "tag" | "tags" => Ok(SearchField::Tag),
        _ => Err(Refused::bad_request(
            "`query` is the beginning of a name, or of name:, version:, context:, provider:, \
             status: and tag:",
        )),
    }
}

impl ApiSearchTerm {
    /// Compares without the case, as WSO2 does.
    fn fits(&self, record: &Record) -> bool {
        let text = |key: &str| record.text(key).unwrap_or_default();
        match self.field {
            SearchField::Name => self.is(text("name")),
            SearchField::Version => self.is(text("version")),
            // WSO2 searches without the slash too
            SearchField::Context => {
                let context = text("context");
                self.is(context) || self.is(context.trim_start_matches('/'))
            }
            SearchField::Provider => self.is(provider(record)),
            SearchField::Status => self.is(PublicationState::of(record).word()),
            SearchField::Tag => {
                let tags = record.extra.get("tags").and_then(Value::as_array);
                let mut tags = tags.into_iter().flatten().filter_map(Value::as_str);
                tags.any(|tag| self.is(tag))
            }
        }
    }

    fn is(&self, own: &str) -> bool {
        let own = own.to_lowercase();
        if self.is_whole { own == self.text } else { own.starts_with(&self.text) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::store::Kind;

    #[test]
    fn conditions_hold_together() {
        let mut record = Record::new(Kind::Api, Uuid::nil(), "Pay out:1.0");
        let declared = json!({ "name": "Pay out", "version": "1.0", "context": "/pay" });
        record.declared = declared.as_object().unwrap().clone();
        record.owner = Some("pat".to_owned());
        record.extra.insert("tags".to_owned(), json!(["money"]));
        for fits in [
            "",
            "p",
            "name:pa",
            "name:\"pay out\"",
            "name:p version:1",
            "context:/p",
            "context:pay",
            "name:\"Pay out\" version:\"1.0\"",
            "status:PUBLISHED provider:pat",
            "tag:mon",
            "PAY",
            "pay out",
        ] {
            assert!(ApiSearchTerms::read(fits).unwrap().fit(&record), "{fits}");
        }
        for other in
            ["x", "out pay", "name:\"pa\"", "name:p version:2", "status:created", "tag:x", "a:b c"]
        {
            let fits = ApiSearchTerms::read(other).is_ok_and(|terms| terms.fit(&record));
            assert!(!fits, "{other}");
        }
        assert!(ApiSearchTerms::read("password:x").unwrap_err().description.contains("`query`"));
        assert!(ApiSearchTerms::read(&"name:a ".repeat(21)).is_err());
    }
}
