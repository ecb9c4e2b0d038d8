//! A wait of a request for an authorization server, for the spans of its exchange.

use std::time::Instant;

use crate::authenticate::Question;
use crate::telemetry::{ChildSpan, Tracer};

/// A question that is being asked.
#[derive(Debug)]
pub(super) struct Wait {
    name: &'static str,
    key_manager: Option<String>,
    began: Instant,
}

impl Wait {
    pub(super) fn begin(question: &Question) -> Self {
        match question {
            Question::Introspect { key_managers, .. } => {
                let one = match &**key_managers {
                    [one] => Some(&one.definition.name),
                    _ => None,
                };
                Self::new("introspection", one.map(ToString::to_string))
            }
            Question::OpenOrganization { template, .. } => {
                Self::new("open organization", Some(template.definition.name().to_string()))
            }
            Question::RefreshKeys { otherwise, .. } => {
                let known = otherwise.key_manager();
                Self::new("wait for keys", known.map(|known| known.definition.name.to_string()))
            }
        }
    }

    fn new(name: &'static str, key_manager: Option<String>) -> Self {
        Self { name, key_manager, began: Instant::now() }
    }

    /// Makes the span of a wait that has ended, in an exchange that began at `exchange`.
    pub(super) fn span(self, tracer: &Tracer, exchange: Instant, answered: bool) -> ChildSpan {
        ChildSpan {
            id: tracer.span(),
            name: self.name,
            started: self.began.saturating_duration_since(exchange),
            duration: self.began.elapsed(),
            key_manager: self.key_manager,
            failed: !answered,
        }
    }
}
