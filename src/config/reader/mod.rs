//! Reads typed values from the tree. Errors are collected and reading goes on, so that all of them
//! are reported at once.

mod lists;
mod names;
mod nearest;
mod scalars;
mod table;

pub(super) use nearest::nearest;
pub(super) use table::{Placed, Table};
