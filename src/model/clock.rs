//! The time of day as the token rules see it: whole seconds since 1970, read in one place and passed in.

/// Seconds since 1970-01-01T00:00:00Z (RFC 7519 `NumericDate`, whole seconds).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct UnixSeconds(pub u64);

/// Where the time of day comes from: the system's clock when running, a hand-set one in tests.
pub trait Clock: Send + Sync + std::fmt::Debug {
    fn now(&self) -> UnixSeconds;

    /// Milliseconds since the same moment, for logs.
    fn milliseconds(&self) -> u64 {
        self.now().0.saturating_mul(1000)
    }
}
