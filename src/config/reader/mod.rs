//! Typed values out of the tree. What is wrong is remembered and reading goes on, so that all errors come at once.

mod lists;
mod names;
mod nearest;
mod scalars;
mod table;

pub(super) use nearest::nearest;
pub(super) use table::{Placed, Table};
