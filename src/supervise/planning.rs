//! A plan: what another configuration would create, change and remove, and the callers who would
//! gain or lose access. Nothing is changed.
//!
//! The files: [`plan`] (the result), [`compare`] (two configurations), [`running`] (the one in
//! force and a file).

mod compare;
mod plan;
mod running;

pub use compare::between_files;
pub use plan::Plan;
pub(super) use plan::PlannedChange;
