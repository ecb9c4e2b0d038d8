//! Turns strings into the model's names.

use crate::config::reader::{Placed, Table};
use crate::model::names::InvalidName;

/// Returns a string as one of the model's names; reports an error if it is not valid.
pub(super) fn named<'t, N>(text: &Placed<&'t str>, table: &Table<'_>) -> Option<N>
where
    N: TryFrom<&'t str, Error = InvalidName>,
{
    N::try_from(text.value)
        .map_err(|error| {
            table.problems().error(text.at.clone(), format!("{:?} {error}", text.value), None);
        })
        .ok()
}
