//! The conditions of a list, with their values. No text of a caller ever becomes a part of a
//! statement.

use crate::store::sql::session::{SqlValue, stored};

/// A `WHERE` clause in the making.
#[derive(Debug, Default)]
pub(super) struct Filter<'v> {
    clause: String,
    values: Vec<SqlValue<'v>>,
}

impl<'v> Filter<'v> {
    pub(super) fn equals(&mut self, column: &str, value: SqlValue<'v>) {
        self.compare(column, "=", value);
    }

    pub(super) fn compare(&mut self, column: &str, operator: &str, value: SqlValue<'v>) {
        let value = self.value(value);
        self.and(&format!("{column} {operator} {value}"));
    }

    /// Adds a condition in SQL of our own.
    pub(super) fn and(&mut self, condition: &str) {
        self.clause.push_str(if self.clause.is_empty() { "WHERE " } else { " AND " });
        self.clause.push_str(condition);
    }

    /// Takes a value and returns the name of its place in the statement.
    pub(super) fn value(&mut self, value: SqlValue<'v>) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    pub(super) fn number(&mut self, number: u64) -> String {
        self.value(SqlValue::Number(stored(number)))
    }

    pub(super) fn clause(&self) -> &str {
        &self.clause
    }

    pub(super) fn values(&self) -> &[SqlValue<'v>] {
        &self.values
    }
}

/// Returns the first string after all strings with this prefix; `None` if there is none.
pub(super) fn after_prefix(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        // the code points of surrogates are no characters
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'),
            last => char::from_u32(u32::from(last).saturating_add(1)),
        };
        if let Some(next) = next {
            text.push(next);
            return Some(text);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_behind_everything_that_begins_with_it() {
        for prefix in ["a", "a%", "z_", "\u{D7FF}", "é", "🦀", "a\u{10FFFF}"] {
            let end = after_prefix(prefix).unwrap();
            for more in ["", "\u{10FFFF}\u{10FFFF}", "z", "\u{1}"] {
                assert!(format!("{prefix}{more}") < end, "{prefix:?} {end:?}");
            }
            assert!(!end.starts_with(prefix));
        }
        assert_eq!(after_prefix("\u{10FFFF}"), None);
        assert_eq!(after_prefix(""), None);
    }
}
