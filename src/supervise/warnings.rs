//! Warns operators of limits of the machine and certificates that do not fit the configuration.

use crate::model::Model;
use crate::model::clock::UnixSeconds;
use crate::supervise::{certificates, descriptors};

/// Writes a line for each misfit.
pub(super) fn tell_limits(model: &Model, now: UnixSeconds) {
    for warning in descriptors::warning(model, descriptors::limit(false))
        .into_iter()
        .chain(certificates::warnings(model, now))
    {
        tracing::warn!(target: "portcullis::supervise", "{warning}");
    }
}
