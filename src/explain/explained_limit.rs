//! One limit of an explained request, as text for people and as JSON for programs.

use std::borrow::Cow;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::model::policy::QuotaUnit;

/// One limit of the request.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ExplainedLimit {
    pub(super) level: Cow<'static, str>,
    pub(super) policy: String,
    /// The condition of the policy that holds, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) condition: Option<usize>,
    pub(super) quotas: Vec<ExplainedQuota>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) burst: Option<ExplainedBurst>,
    pub(super) counted_for: String,
    /// The counter's name, in the gateway or on the servers of `counters`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) counter: Option<String>,
    /// `refuse`, `mark` or `observe`.
    pub(super) beyond: Cow<'static, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) written_at: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ExplainedQuota {
    pub(super) unit: Cow<'static, str>,
    pub(super) most: u64,
    pub(super) per: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) left: Option<u64>,
    /// Seconds until more is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) more_in: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ExplainedBurst {
    pub(super) requests: u64,
    pub(super) per: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) left: Option<u64>,
}

impl ExplainedLimit {
    pub(super) fn has_room(&self) -> bool {
        let burst = self.burst.as_ref().and_then(|burst| burst.left);
        self.quotas.iter().map(|quota| quota.left).chain([burst]).all(|left| left != Some(0))
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!("{} policy {:?}", self.level, self.policy);
        if let Some(condition) = self.condition {
            let _ = write!(text, ", condition {condition}");
        }
        for (position, quota) in self.quotas.iter().enumerate() {
            text.push_str(if position == 0 { ": " } else { ", " });
            let unit =
                if quota.unit == QuotaUnit::Bandwidth.label() { "bytes" } else { &quota.unit };
            let of = left(quota.left);
            let _ = write!(text, "{of}{} {unit} per {}", quota.most, quota.per);
            if let Some(more) = quota.more_in.filter(|_| quota.left == Some(0)) {
                let _ = write!(text, " (more in {more} s)");
            }
        }
        if let Some(burst) = &self.burst {
            let of = left(burst.left);
            let _ = write!(text, "; burst: {of}{} per {}", burst.requests, burst.per);
        }
        let _ = write!(text, "; counted for {}", self.counted_for);
        if let Some(counter) = &self.counter {
            let _ = write!(text, " in {counter}");
        }
        match &*self.beyond {
            "mark" => text.push_str("; requests beyond the quota pass and are marked"),
            "observe" => text.push_str("; only observed"),
            _ => {}
        }
        text
    }
}

fn left(left: Option<u64>) -> String {
    left.map_or_else(String::new, |left| format!("{left} left of "))
}
