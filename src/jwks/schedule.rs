//! When a server is asked: pure decisions over durations.

use std::time::Duration;

/// The first and the longest wait after a failed fetch.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_mins(1);

/// A server's Cache-Control cannot make us ask more often than this.
const SHORTEST_REFRESH: Duration = Duration::from_secs(30);

/// How long to wait for the next background fetch after a good one. `jitter` is 0 to 1.
pub(super) fn refresh(configured: Duration, max_age: Option<Duration>, jitter: f64) -> Duration {
    let wanted = match max_age {
        Some(max_age) => configured.min(max_age.max(SHORTEST_REFRESH)),
        None => configured,
    };
    // up to a tenth earlier, so that many gateways do not ask together
    wanted.mul_f64(1.0 - 0.1 * jitter.clamp(0.0, 1.0))
}

/// How long to wait after the `failures`th failure in a row.
pub(super) fn retry(failures: u32, jitter: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let wanted = FIRST_RETRY.saturating_mul(1 << doublings).min(LONGEST_RETRY);
    wanted.mul_f64(1.0 - 0.3 * jitter.clamp(0.0, 1.0))
}

/// Whether a request may make us ask now: once per `min_refetch`, whoever asks and for whatever reason.
pub(super) fn may_refetch(since_last: Option<Duration>, min_refetch: Duration) -> bool {
    since_last.is_none_or(|since| since >= min_refetch)
}

/// Whether keys of this age are still believed.
pub(super) fn is_believed(age: Duration, keep_stale: Duration, refresh: Duration) -> bool {
    // keys are never too old while they are refreshed as configured
    age <= keep_stale.max(refresh)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn retries_double_up_to_a_minute() {
        let waits: Vec<u64> = (1..9).map(|failures| retry(failures, 0.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn cache_control_may_shorten_and_never_lengthen() {
        let configured = Duration::from_mins(10);
        assert_eq!(refresh(configured, Some(Duration::from_mins(1)), 0.0), Duration::from_mins(1));
        assert_eq!(refresh(configured, Some(Duration::from_secs(1)), 0.0), SHORTEST_REFRESH);
        assert_eq!(refresh(configured, Some(Duration::from_mins(100)), 0.0), configured);
    }

    proptest! {
        #[test]
        fn waits_stay_in_their_bounds(failures in 0_u32..1000, jitter in -1.0_f64..2.0, age in 0_u64..1_000_000) {
            let wait = retry(failures, jitter);
            prop_assert!(wait >= FIRST_RETRY.mul_f64(0.69) && wait <= LONGEST_RETRY);
            let refresh = refresh(Duration::from_mins(10), Some(Duration::from_secs(age)), jitter);
            prop_assert!(refresh >= SHORTEST_REFRESH.mul_f64(0.89) && refresh <= Duration::from_mins(10));
        }
    }
}
