//! The failures of a revocation.

/// The most revocations that are kept, far more than a gateway sees in its life: about 200 MiB. A
/// caller who may revoke cannot take all memory.
pub(super) const MOST: usize = 4_000_000;

/// The failures of a revocation. After a failure of the journal the revocation holds all the same.
#[derive(Debug, thiserror::Error)]
pub enum RevocationError {
    #[error("the journal of revocations cannot be written")]
    Journal(#[source] std::io::Error),
    #[error("another process has taken over")]
    HandedOver,
    #[error("{MOST} revocations are kept already")]
    Full,
}
