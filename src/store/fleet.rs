//! The gateways of one store, and which application used which API last.

use uuid::Uuid;

/// A gateway as it reports itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayState {
    /// `gateway.name` of its file.
    pub name: String,
    pub version: String,
    /// The revision in force.
    pub revision: u64,
    pub started_at: i64,
    /// Milliseconds since the epoch, set by the store.
    pub seen_at: i64,
}

/// The last day on which an application used an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUse {
    pub application: Uuid,
    /// `name:version`.
    pub api: String,
    /// Days since the epoch.
    pub day: u32,
}

impl LastUse {
    /// Returns the day as a date, such as 2025-11-28.
    pub fn date(&self) -> Option<String> {
        let days = jiff::Span::new().try_days(i64::from(self.day)).ok()?;
        let date = jiff::civil::date(1970, 1, 1).checked_add(days).ok()?;
        Some(date.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        let date = |day| LastUse { application: Uuid::nil(), api: String::new(), day }.date();
        assert_eq!(date(0).as_deref(), Some("1970-01-01"));
        assert_eq!(date(20_420).as_deref(), Some("2025-11-28"));
        assert_eq!(date(u32::MAX), None);
    }
}
