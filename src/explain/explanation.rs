//! The answer to a question: steps, a verdict, hints; as text for people and as JSON for programs.

use std::borrow::Cow;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::explain::explained_limit::ExplainedLimit;

/// The explained decision on one request.
#[derive(Debug, Serialize, Deserialize)]
pub struct Explanation {
    /// The judge: the running gateway, or the files alone.
    #[serde(default)]
    pub judged_by: String,
    pub(super) allowed: bool,
    pub(super) reason: Cow<'static, str>,
    pub(super) status: Option<u16>,
    pub(super) steps: Vec<ExplanationStep>,
    /// The limits that the request counts against, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) limits: Vec<ExplainedLimit>,
    /// The claims of the client's token, verified or not, for a refusal of the past.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) claims: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) hints: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ExplanationStep {
    #[serde(rename = "step")]
    pub(super) name: Cow<'static, str>,
    pub(super) passed: bool,
    pub(super) found: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) written_at: Option<String>,
}

impl Explanation {
    pub fn is_allowed(&self) -> bool {
        self.allowed
    }

    /// Adds the name of the judge: the running gateway, or the files.
    #[must_use]
    pub fn by(self, judged_by: String) -> Self {
        Self { judged_by, ..self }
    }

    pub(super) fn add_hints(&mut self, hints: Vec<String>) {
        self.hints.extend(hints);
    }

    #[cfg(test)]
    pub(super) fn reason(&self) -> &str {
        &self.reason
    }

    #[cfg(test)]
    pub(super) fn hints(&self) -> &[String] {
        &self.hints
    }

    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        if !self.judged_by.is_empty() {
            let _ = writeln!(text, "judged by {}", self.judged_by);
        }
        for step in &self.steps {
            let mark = if step.passed { "ok " } else { "NO " };
            let _ = write!(text, "{mark} {:<12} {}", step.name, step.found);
            if let Some(place) = &step.written_at {
                let _ = write!(text, "  [{place}]");
            }
            text.push('\n');
        }
        for hint in &self.hints {
            let _ = writeln!(text, "    hint: {hint}");
        }
        match self.status {
            None => text.push_str("allowed"),
            Some(status) => {
                let _ = write!(text, "refused: {} (HTTP {status})", self.reason);
            }
        }
        text
    }
}
