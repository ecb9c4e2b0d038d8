//! Reloads that follow each other without a pause leave the processors to the workers for most of
//! the time.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The rest after a reload, in the time that it took: reloads take a tenth of a processor, but
/// for the longest ones.
const REST: u32 = 9;

/// The longest rest: who corrects a file with a million applications does not wait longer.
const LONGEST: Duration = Duration::from_secs(5);

/// A reload that took no longer is followed at once: the files of most gateways are small.
const SHORT: Duration = Duration::from_millis(50);

/// The time before which no other reload begins. A signal does not wait for it.
#[derive(Debug, Default)]
pub(super) struct ReloadPace {
    rested_at: Option<Instant>,
}

impl ReloadPace {
    /// Notes a reload that ends now.
    pub(super) fn ended(&mut self, began: Instant) {
        let now = Instant::now();
        let rest = rest_after(now.saturating_duration_since(began));
        self.rested_at = rest.and_then(|rest| now.checked_add(rest));
    }

    /// Waits for something that asks for a reload, but not before the end of the rest. What was
    /// asked for is kept if the wait is given up.
    pub(super) fn after_rest<F: Future>(
        &self,
        wanted: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        let rested_at = self.rested_at;
        async move {
            if let Some(rested_at) = rested_at {
                sleep_until(rested_at).await;
            }
            wanted.await
        }
    }
}

fn rest_after(took: Duration) -> Option<Duration> {
    (took > SHORT).then(|| took.saturating_mul(REST).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reload_is_followed_by_a_rest() {
        let rest = |took| rest_after(Duration::from_millis(took)).map(|rest| rest.as_millis());
        assert_eq!(
            [0, 50, 100, 1000, 3000].map(rest),
            [None, None, Some(900), Some(5000), Some(5000)]
        );
    }

    #[tokio::test]
    async fn what_is_asked_for_waits_for_the_end_of_the_rest() {
        let mut pace = ReloadPace::default();
        pace.after_rest(std::future::ready(())).await;
        let began = Instant::now();
        let took = Duration::from_millis(60);
        pace.ended(began.checked_sub(took).unwrap());
        pace.after_rest(std::future::ready(())).await;
        assert!(began.elapsed() >= took.saturating_mul(REST));
    }
}
