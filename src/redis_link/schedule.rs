//! The times at which a server that failed is tried again: pure decisions over durations, and the
//! chance in them.

use std::time::Duration;

use aws_lc_rs::rand;

/// The first wait: a server that was only restarted is back soon.
const FIRST: Duration = Duration::from_millis(200);
/// A server that is down for long is still found within seconds.
pub(crate) const LONGEST: Duration = Duration::from_secs(5);
/// The longest pause for a server that answers and refuses: it needs an operator, and a comparison
/// costs it something.
pub(crate) const LONGEST_AFTER_REFUSAL: Duration = Duration::from_secs(30);

/// Returns the wait after the `failures`th failure in a row: half of it by chance, so that gateways
/// do not come together.
pub(crate) fn retry(failures: u32, longest: Duration) -> Duration {
    let wanted = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(longest);
    wanted.mul_f64(0.5 + 0.5 * chance())
}

/// A name that no other process has.
pub(crate) fn unique() -> String {
    let mut bytes = [0_u8; 8];
    // without random numbers the process id must do
    if rand::fill(&mut bytes).is_err() {
        bytes = u64::from(std::process::id()).to_ne_bytes();
    }
    format!("{:016x}", u64::from_ne_bytes(bytes))
}

/// Returns a random number from 0 to 1.
fn chance() -> f64 {
    let mut bytes = [0; 4];
    // without random numbers the gateways come together, and that is all
    let _ = rand::fill(&mut bytes);
    f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_stay_in_their_bounds() {
        for (failures, most) in
            [(1, 200), (2, 400), (3, 800), (4, 1600), (5, 3200), (6, 5000), (1000, 5000)]
        {
            let wait = retry(failures, LONGEST);
            assert!(
                wait <= Duration::from_millis(most) && wait >= Duration::from_millis(most / 2),
                "{failures}: {wait:?}"
            );
        }
    }
}
