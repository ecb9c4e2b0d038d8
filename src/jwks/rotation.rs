//! Watches a key set rotate: keys that are published and not used yet, keys that are about to go,
//! and keys that went while tokens of them are valid.
//!
//! A use is noted when a token is verified that no worker remembers, never for a remembered one. So
//! the use of a key is measured by the latest end of its tokens, which says more than the time of
//! its last use.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use crate::jwt::{KeyIdentity, KeySet};

/// The most withdrawn keys that are remembered for a key set; the oldest make room.
const MOST_WITHDRAWN: usize = 8;

/// The longest time for which a withdrawn key is shown. A token that is valid for longer has been
/// refused for so long that its client knows.
const WITHDRAWN_FOR: Duration = Duration::from_hours(24);

/// The keys of one key set, with their use. Written by the task that fetches, read by workers.
#[derive(Debug)]
pub(super) struct KeyRotation {
    begun: Instant,
    records: ArcSwap<RotatingKeys>,
}

#[derive(Debug, Clone, Default)]
struct RotatingKeys {
    /// The number of publications that brought new keys; zero if none was published.
    round: u64,
    published: Vec<Arc<RotatingKey>>,
    /// Withdrawn keys with the moment at which they went, the oldest first.
    withdrawn: Vec<(Arc<RotatingKey>, Instant)>,
}

#[derive(Debug)]
struct RotatingKey {
    identity: KeyIdentity,
    key_id: Box<str>,
    /// The round that brought it. The keys of the first one may be of any age.
    round: u64,
    /// The latest end of its tokens, in milliseconds since `begun`; zero: no token was seen.
    latest_end: AtomicU64,
}

/// The news of a publication.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct KeyNews {
    pub(super) announced: Vec<String>,
    /// Keys that went, with the time for which tokens of them are still valid.
    pub(super) withdrawn: Vec<(String, Duration)>,
}

impl KeyRotation {
    /// No key is published yet.
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), records: ArcSwap::default() }
    }

    /// Notes a token that was verified with a key, and its remaining lifetime. Returns the key's id
    /// if the key is new and this is the first token of it.
    pub(super) fn note(
        &self,
        key: &KeyIdentity,
        valid_for: Duration,
        now: Instant,
    ) -> Option<Box<str>> {
        let records = self.records.load();
        let record = records.published.iter().find(|record| record.identity == *key)?;
        let end = self.millis(now).saturating_add(millis(valid_for));
        let before = record.latest_end.fetch_max(end.max(1), Ordering::Relaxed);
        (before == 0 && record.is_new()).then(|| record.key_id.clone())
    }

    /// Notes the keys that are published from now on, and returns the news about them.
    pub(super) fn publish(&self, keys: &KeySet, now: Instant) -> KeyNews {
        let before = self.records.load_full();
        let is_same = before.published.len() == keys.len()
            && before.published.iter().all(|record| keys.contains(&record.identity));
        if is_same {
            return KeyNews::default();
        }
        let mut news = KeyNews::default();
        let round = before.round.saturating_add(1);
        let mut published = Vec::with_capacity(keys.len());
        for (identity, key_id) in keys.identities() {
            let record = before.known(identity).unwrap_or_else(|| {
                Arc::new(RotatingKey {
                    identity: *identity,
                    key_id: key_id.unwrap_or("none").into(),
                    round,
                    latest_end: AtomicU64::new(0),
                })
            });
            if record.round == round && record.is_new() {
                news.announced.push(record.key_id.to_string());
            }
            published.push(record);
        }
        let is_published = |record: &RotatingKey| keys.contains(&record.identity);
        let earlier = before.withdrawn.iter().filter(|(record, _)| !is_published(record)).cloned();
        let mut withdrawn: Vec<_> = earlier.collect();
        for record in before.published.iter().filter(|record| !is_published(record)) {
            if let Some(left) = self.valid_for(record, now) {
                news.withdrawn.push((record.key_id.to_string(), left));
            }
            withdrawn.push((Arc::clone(record), now));
        }
        let beyond = withdrawn.len().saturating_sub(MOST_WITHDRAWN);
        withdrawn.drain(..beyond);
        self.records.store(Arc::new(RotatingKeys { round, published, withdrawn }));
        news
    }

    /// Goes on from the key set that these keys take the place of.
    pub(super) fn inherit(&self, earlier: &Self) {
        let ahead = millis(self.begun.saturating_duration_since(earlier.begun));
        let moved = |record: &Arc<RotatingKey>| {
            let end = record.latest_end.load(Ordering::Relaxed);
            let end = if end == 0 { 0 } else { end.saturating_sub(ahead).max(1) };
            let (identity, key_id) = (record.identity, record.key_id.clone());
            let latest_end = AtomicU64::new(end);
            Arc::new(RotatingKey { identity, key_id, round: record.round, latest_end })
        };
        let records = earlier.records.load();
        self.records.store(Arc::new(RotatingKeys {
            round: records.round,
            published: records.published.iter().map(moved).collect(),
            withdrawn: records.withdrawn.iter().map(|(record, at)| (moved(record), *at)).collect(),
        }));
    }

    /// The keys in each state of a rotation; nothing before keys were published.
    pub(super) fn states(&self, now: Instant) -> Vec<(&'static str, u64)> {
        let records = self.records.load();
        if records.round == 0 {
            return Vec::new();
        }
        let is_used = |record: &RotatingKey| record.latest_end.load(Ordering::Relaxed) > 0;
        let used = records.published.iter().filter(|record| is_used(record));
        let newest = used.map(|record| record.round).max().unwrap_or_default();
        let count = |counted: &dyn Fn(&RotatingKey) -> bool| {
            records.published.iter().filter(|record| counted(record)).count() as u64
        };
        let announced = count(&|record| record.is_new() && !is_used(record));
        let retiring =
            count(&|record| record.round < newest && self.valid_for(record, now).is_some());
        let withdrawn = records.withdrawn.iter().filter(|(record, at)| {
            now.saturating_duration_since(*at) < WITHDRAWN_FOR
                && self.valid_for(record, now).is_some()
        });
        vec![
            ("announced", announced),
            ("retiring", retiring),
            ("withdrawn", withdrawn.count() as u64),
        ]
    }

    /// The time for which tokens of a key are still valid.
    fn valid_for(&self, record: &RotatingKey, now: Instant) -> Option<Duration> {
        let end = record.latest_end.load(Ordering::Relaxed);
        let left = end.checked_sub(self.millis(now)).filter(|left| *left > 0)?;
        Some(Duration::from_millis(left))
    }

    fn millis(&self, at: Instant) -> u64 {
        millis(at.saturating_duration_since(self.begun))
    }
}

impl RotatingKeys {
    fn known(&self, identity: &KeyIdentity) -> Option<Arc<RotatingKey>> {
        let withdrawn = self.withdrawn.iter().map(|(record, _)| record);
        let mut all = self.published.iter().chain(withdrawn);
        all.find(|record| record.identity == *identity).map(Arc::clone)
    }
}

impl RotatingKey {
    /// Tells whether it was published after other keys.
    fn is_new(&self) -> bool {
        self.round > 1
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn set(names: &[&str]) -> KeySet {
        let each = names.iter().map(|name| {
            let point = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
            format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{name}","x":"{point}"}}"#)
        });
        let document = format!("{{\"keys\":[{}]}}", each.collect::<Vec<_>>().join(","));
        KeySet::from_jwks(document.as_bytes()).unwrap().keys
    }

    fn identity(name: &str) -> KeyIdentity {
        *set(&[name]).identities().next().unwrap().0
    }

    fn counts(rotation: &KeyRotation, now: Instant) -> [u64; 3] {
        let states = rotation.states(now);
        ["announced", "retiring", "withdrawn"]
            .map(|wanted| states.iter().find(|(state, _)| *state == wanted).unwrap().1)
    }

    #[test]
    fn a_rotation_is_seen_ahead_and_to_its_end() {
        let (rotation, start) = (KeyRotation::new(), Instant::now());
        assert_eq!(rotation.states(start), []);
        // the first keys may be of any age: they announce nothing
        assert_eq!(rotation.publish(&set(&["old"]), start), KeyNews::default());
        assert_eq!(rotation.note(&identity("old"), HOUR, start), None);
        assert_eq!(counts(&rotation, start), [0, 0, 0]);

        let news = rotation.publish(&set(&["old", "new"]), start);
        assert_eq!(news, KeyNews { announced: vec!["new".to_owned()], withdrawn: Vec::new() });
        assert_eq!(rotation.publish(&set(&["new", "old"]), start), KeyNews::default());
        assert_eq!(counts(&rotation, start), [1, 0, 0]);

        assert_eq!(rotation.note(&identity("new"), HOUR, start).as_deref(), Some("new"));
        assert_eq!(rotation.note(&identity("new"), HOUR, start), None, "told once");
        assert_eq!(counts(&rotation, start), [0, 1, 0], "old tokens are about to lose their key");

        let later = start + HOUR / 2;
        let news = rotation.publish(&set(&["new"]), later);
        let [(kid, valid_for)] = news.withdrawn.as_slice() else { panic!("{news:?}") };
        assert_eq!(kid, "old");
        // the end is kept in whole milliseconds
        assert!((HOUR / 2).abs_diff(*valid_for) < HOUR / 60, "{valid_for:?}");
        assert_eq!(counts(&rotation, later), [0, 0, 1]);
        assert_eq!(counts(&rotation, start + HOUR * 2), [0, 0, 0], "its tokens have expired");
    }

    #[test]
    fn a_key_that_nobody_uses_goes_unnoticed_and_one_that_comes_back_is_known() {
        let (rotation, start) = (KeyRotation::new(), Instant::now());
        rotation.publish(&set(&["one", "two"]), start);
        rotation.note(&identity("two"), HOUR * 72, start);
        assert_eq!(rotation.publish(&set(&["two"]), start), KeyNews::default());
        assert_eq!(rotation.publish(&set(&["one"]), start).withdrawn.len(), 1);
        assert_eq!(counts(&rotation, start), [0, 0, 1]);
        // a mistake that was repaired
        let news = rotation.publish(&set(&["one", "two"]), start);
        assert_eq!(news, KeyNews::default(), "both were known before");
        assert_eq!(counts(&rotation, start), [0, 0, 0]);
        rotation.publish(&set(&["one"]), start);
        let later = start + WITHDRAWN_FOR;
        assert_eq!(counts(&rotation, later), [0, 0, 0], "after a day nobody is warned any more");
    }

    #[test]
    fn what_was_seen_outlives_a_change_of_how_keys_are_fetched() {
        let (earlier, start) = (KeyRotation::new(), Instant::now());
        earlier.publish(&set(&["old"]), start);
        earlier.note(&identity("old"), HOUR, start);
        earlier.publish(&set(&["old", "new"]), start);
        let rotation = KeyRotation::new();
        rotation.inherit(&earlier);
        assert_eq!(counts(&rotation, start), [1, 0, 0]);
        let news = rotation.publish(&set(&["new"]), start);
        let [(kid, valid_for)] = news.withdrawn.as_slice() else { panic!("{news:?}") };
        assert_eq!(kid, "old");
        assert!(HOUR.abs_diff(*valid_for) < HOUR / 60, "{valid_for:?}");
    }

    #[test]
    fn the_memory_of_withdrawn_keys_is_bounded() {
        let (rotation, start) = (KeyRotation::new(), Instant::now());
        for round in 0..100 {
            let name = format!("key-{round}");
            rotation.publish(&set(&[&name]), start);
            rotation.note(&identity(&name), HOUR, start);
        }
        assert_eq!(rotation.records.load().withdrawn.len(), MOST_WITHDRAWN);
    }
}
