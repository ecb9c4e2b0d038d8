//! One line of a comparison.

use std::fmt;

use serde::Serialize;

/// Operations that a line names; the others are counted.
const MOST_NAMED: usize = 4;

/// An application or a group of callers that gains or loses operations of one API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccessChange {
    #[serde(flatten)]
    pub holder: AccessHolder,
    pub change: AccessTurn,
    /// `name:version`.
    pub api: String,
    /// True if the line names all operations of the API.
    pub whole: bool,
    /// The first of the operations, such as `GET /accounts/1.0.0/accounts/{id}`.
    pub operations: Vec<String>,
    pub operation_count: usize,
    /// A further fact, such as the only key that is concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The last day on which the application used the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used: Option<String>,
}

/// The caller whose access changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "holder")]
pub enum AccessHolder {
    Application {
        application: String,
        owner: String,
    },
    /// Callers with a token that the API accepts, whatever their application.
    AnyToken,
    /// Callers without a token.
    Anybody,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessTurn {
    Gains,
    Loses,
    /// The same operations, on other conditions.
    Changes,
}

impl AccessChange {
    pub(super) fn new(
        holder: AccessHolder,
        change: AccessTurn,
        api: &str,
        mut operations: Vec<String>,
    ) -> Self {
        let operation_count = operations.len();
        operations.truncate(MOST_NAMED);
        Self {
            holder,
            change,
            api: api.to_owned(),
            whole: false,
            operations,
            operation_count,
            detail: None,
            last_used: None,
        }
    }
}

impl fmt::Display for AccessChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { holder, change, api, operations, operation_count, .. } = self;
        write!(f, "{holder} {change}")?;
        let named = operations.join(", ");
        let more = operation_count.saturating_sub(operations.len());
        let list = if more > 0 { format!("{named} and {more} more") } else { named };
        match (self.whole, list.is_empty()) {
            (true, true) => write!(f, " all of {api}")?,
            (true, false) => write!(f, " all of {api} ({list})")?,
            (false, true) => {}
            (false, false) => write!(f, " {list}")?,
        }
        if let Some(detail) = &self.detail {
            write!(f, " {detail}")?;
        }
        match &self.last_used {
            Some(day) => write!(f, "; last used {day}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for AccessHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Application { application, owner } if owner.is_empty() => {
                write!(f, "{application}")
            }
            Self::Application { application, owner } => write!(f, "{application} ({owner})"),
            Self::AnyToken => write!(f, "every valid token"),
            Self::Anybody => write!(f, "everybody without a token"),
        }
    }
}

impl fmt::Display for AccessTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gains => "gains",
            Self::Loses => "loses",
            Self::Changes => "keeps",
        })
    }
}
