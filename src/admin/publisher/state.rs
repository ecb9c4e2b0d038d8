//! The life cycle of an API, as WSO2 has it.

use serde_json::{Value, json};

use crate::store::Record;

/// The field that keeps WSO2's state.
const KEPT: &str = "lifeCycleStatus";

/// The field that marks the deployed revision as removed.
const UNDEPLOYED: &str = "undeployed";

/// A state of an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PublicationState {
    Created,
    Prototyped,
    Published,
    Blocked,
    Deprecated,
    Retired,
}

use PublicationState::{Blocked, Created, Deprecated, Prototyped, Published, Retired};

impl PublicationState {
    const ALL: [Self; 6] = [Created, Prototyped, Published, Blocked, Deprecated, Retired];

    /// Returns WSO2's name in an API.
    pub(super) fn word(self) -> &'static str {
        match self {
            Created => "CREATED",
            Prototyped => "PROTOTYPED",
            Published => "PUBLISHED",
            Blocked => "BLOCKED",
            Deprecated => "DEPRECATED",
            Retired => "RETIRED",
        }
    }

    /// Returns WSO2's name in a transition.
    pub(super) fn title(self) -> &'static str {
        match self {
            Created => "Created",
            Prototyped => "Prototyped",
            Published => "Published",
            Blocked => "Blocked",
            Deprecated => "Deprecated",
            Retired => "Retired",
        }
    }

    pub(super) fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word().eq_ignore_ascii_case(word))
    }

    /// The state of an API, whether it is kept or declared in a file.
    pub(super) fn of(record: &Record) -> Self {
        let kept = record.extra.get(KEPT).and_then(Value::as_str);
        let word = kept.or(record.text("lifecycle")).unwrap_or("published");
        Self::named(word).unwrap_or(Published)
    }

    /// Tells whether an API in this state answers requests.
    pub(super) fn is_served(self) -> bool {
        !matches!(self, Created | Retired)
    }
}

/// Tells whether a gateway serves the API: its state allows that, and its revision is deployed.
pub(super) fn is_served(record: &Record) -> bool {
    PublicationState::of(record).is_served() && !is_undeployed(record)
}

pub(super) fn is_undeployed(record: &Record) -> bool {
    record.extra.get(UNDEPLOYED) == Some(&json!(true))
}

/// Puts an API into a state. `gateway.toml` has no word for an API that is not served yet. Such an
/// API is retired there, like a removed one.
pub(super) fn put(record: &mut Record, state: PublicationState, undeployed: bool) {
    let served = state.is_served() && !undeployed;
    let lifecycle = if served { state } else { Retired };
    let word = lifecycle.word().to_lowercase();
    record.declared.insert("lifecycle".to_owned(), json!(word));
    record.extra.insert(KEPT.to_owned(), json!(state.word()));
    if undeployed {
        record.extra.insert(UNDEPLOYED.to_owned(), json!(true));
    } else {
        record.extra.remove(UNDEPLOYED);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::store::Kind;

    #[test]
    fn an_api_that_is_not_served_is_retired_for_the_gateway() {
        let mut record = Record::new(Kind::Api, Uuid::nil(), "a:1");
        assert_eq!(PublicationState::of(&record), Published);
        for (state, undeployed, lifecycle, served) in [
            (Created, false, "retired", false),
            (Published, false, "published", true),
            (Published, true, "retired", false),
            (Blocked, false, "blocked", true),
            (Retired, false, "retired", false),
        ] {
            put(&mut record, state, undeployed);
            assert_eq!(record.text("lifecycle"), Some(lifecycle), "{state:?}");
            assert_eq!((PublicationState::of(&record), is_served(&record)), (state, served));
        }
        record.extra.clear();
        assert_eq!(PublicationState::of(&record), Retired, "the file's word counts");
    }
}
