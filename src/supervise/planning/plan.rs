//! The result of a comparison, for people and for programs.

use serde::{Deserialize, Serialize};

use crate::config::{ChangeTurn, DeclaredChange};
use crate::model::{AccessChange, AccessDifference};

/// Changes that are listed; the others are counted.
const MOST_CHANGES: usize = 500;

/// Keys of one object that a line names.
const MOST_KEYS: usize = 12;

/// The changes of a plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub changes: Vec<PlannedChange>,
    pub more_changes: usize,
    pub access: Vec<PlannedAccess>,
    pub more_access: usize,
    pub warnings: Vec<String>,
}

/// An object, a section or a file that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedChange {
    pub change: ChangeTurn,
    /// The kind, such as "api", "key manager", "section" or "file".
    pub kind: String,
    pub name: String,
    /// The keys that differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

/// A caller whose access differs, as a line and in its parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedAccess {
    pub text: String,
    #[serde(flatten)]
    pub change: serde_json::Map<String, serde_json::Value>,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.access.is_empty()
    }

    pub(in crate::supervise) fn add(&mut self, change: PlannedChange) {
        if self.changes.len() < MOST_CHANGES {
            self.changes.push(change);
        } else {
            self.more_changes = self.more_changes.saturating_add(1);
        }
    }

    pub(in crate::supervise) fn add_access(&mut self, difference: &AccessDifference) {
        self.access.extend(difference.changes.iter().map(PlannedAccess::of));
        self.more_access = self.more_access.saturating_add(difference.more);
    }

    /// Returns the plan as lines for people.
    pub fn lines(&self) -> Vec<String> {
        if self.is_empty() {
            return vec!["no change".to_owned()];
        }
        let mut lines: Vec<String> = self.changes.iter().map(PlannedChange::line).collect();
        if self.more_changes > 0 {
            lines.push(format!("and {} more changes", self.more_changes));
        }
        if self.access.is_empty() {
            lines.push("nobody gains or loses access".to_owned());
        } else {
            lines.push("access:".to_owned());
            lines.extend(self.access.iter().map(|own| format!("  {}", own.text)));
        }
        if self.more_access > 0 {
            lines.push(format!("  and {} more changes of access", self.more_access));
        }
        lines
    }
}

impl PlannedChange {
    pub(super) fn of(change: DeclaredChange) -> Self {
        let DeclaredChange { turn, list, name, keys } = change;
        let kind = match list.as_str() {
            "key_managers" => "key manager",
            "apis" => "API",
            "throttling_policies" => "throttling policy",
            "deny_conditions" => "deny condition",
            "applications" => "application",
            "listeners" => "listener",
            _ => "",
        };
        let keys = keys.into_iter().filter(|key| !key.is_empty()).collect();
        if kind.is_empty() {
            let name = if name.is_empty() { list } else { format!("{list} {name}") };
            return Self { change: turn, kind: "section".to_owned(), name, keys };
        }
        Self { change: turn, kind: kind.to_owned(), name, keys }
    }

    fn line(&self) -> String {
        let sign = match self.change {
            ChangeTurn::Created => '+',
            ChangeTurn::Changed => '~',
            ChangeTurn::Removed => '-',
        };
        let mut line = format!("{sign} {} {}", self.kind, self.name);
        if !self.keys.is_empty() {
            let named: Vec<&str> = self.keys.iter().take(MOST_KEYS).map(String::as_str).collect();
            line.push_str(": ");
            line.push_str(&named.join(", "));
            if self.keys.len() > named.len() {
                line.push_str(", ...");
            }
        }
        line
    }
}

impl PlannedAccess {
    fn of(change: &AccessChange) -> Self {
        let members = match serde_json::to_value(change) {
            Ok(serde_json::Value::Object(members)) => members,
            _ => serde_json::Map::new(),
        };
        Self { text: change.to_string(), change: members }
    }
}
