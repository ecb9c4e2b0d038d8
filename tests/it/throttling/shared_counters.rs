//! One count over several gateways, on a real Redis.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use portcullis::limiter::counters::{CounterClaim, Counters, Exceeded, Passed};
use portcullis::limiter::key::KeySpace;
use portcullis::limiter::limit::{ExcessRule, Follower, Limit, LimitPart};
use portcullis::limiter::shared::{SharedCounters, SharedLimiter};
use portcullis::limiter::time::{CountingTime, TimeScale};
use portcullis::model::clock::Clock;
use portcullis::model::policy::{Burst, Quota, QuotaUnit, Window};
use portcullis::model::redis::{HostPort, RedisLayout, RedisLogin, RedisServers};
use portcullis::model::throttling::{CounterMode, OnCounterFailure, SharedCounting};
use portcullis::supervise::clock::SystemClock;

use crate::support::redis::Redis;
use crate::support::until;

/// The counting part of one gateway.
pub(super) struct Counting {
    counters: Arc<Counters>,
    pub(super) limiter: Arc<SharedLimiter>,
    shared: SharedCounters,
    clock: Arc<dyn Clock>,
}

impl Counting {
    pub(super) async fn begin(settings: &SharedCounting) -> Counting {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let scale = TimeScale::begin(clock.moment(), clock.milliseconds());
        let counters = Arc::new(Counters::new(10_000, keys(), scale));
        let limiter = Arc::new(SharedLimiter::default());
        let mut shared =
            SharedCounters::new(Arc::clone(&limiter), Arc::clone(&counters), Arc::clone(&clock));
        shared.follow(Some(settings)).await;
        Counting { counters, limiter, shared, clock }
    }

    fn now(&self) -> CountingTime {
        self.counters.time(self.clock.moment(), self.clock.milliseconds())
    }

    pub(super) async fn is_up(&self) {
        comes("the servers answer", || self.limiter.status().is_up()).await;
    }

    pub(super) async fn counts_alone(&self) {
        comes("the gateway counts alone", || !self.limiter.status().is_up()).await;
    }

    /// A request as the gateway counts it: by the servers where they can, else here.
    pub(super) async fn request(&self, limits: &[Arc<Limit>]) -> Result<Passed, Exceeded> {
        let claims: Vec<_> = limits.iter().map(|limit| claim(limit)).collect();
        match self.limiter.decide(&claims).await {
            Some(decision) => decision,
            None => self.counters.admit(&claims, self.now()),
        }
    }

    /// A request that no server is asked about.
    pub(super) fn request_here(&self, limit: &Arc<Limit>) -> bool {
        self.counters.admit(&[claim(limit)], self.now()).is_ok()
    }

    pub(super) fn left(&self, limit: &Arc<Limit>) -> u64 {
        self.counters.look(claim(limit), self.now()).0[0].left
    }
}

/// The sum of a counter's fields on a server whose names begin so.
pub(super) fn held(redis: &Redis, limit: &Arc<Limit>, fields: &str) -> u64 {
    held_at(redis, &format!("portcullis:count:{:032x}", claim(limit).key.0), fields)
}

fn held_at(redis: &Redis, key: &str, fields: &str) -> u64 {
    let redis::Value::Array(words) = redis.call(&format!("HGETALL {key}")).unwrap() else {
        return 0;
    };
    let words: Vec<_> = words
        .iter()
        .map(|word| match word {
            redis::Value::BulkString(word) => String::from_utf8_lossy(word).into_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    let pairs = words.as_chunks::<2>().0.iter();
    pairs
        .filter(|[field, _]| field.starts_with(fields) && field != "bt")
        .map(|[_, value]| value.parse::<u64>().unwrap())
        .sum()
}

pub(super) async fn comes(what: &str, look: impl Fn() -> bool) {
    until(what, async || look(), |seen| *seen).await;
}

fn keys() -> KeySpace {
    KeySpace::from_bytes([7; 32])
}

pub(super) fn claim(limit: &Arc<Limit>) -> CounterClaim<'_> {
    CounterClaim { limit, key: limit.base() }
}

fn limit(name: &str, most: u64, window: Window) -> Arc<Limit> {
    let most = NonZeroU64::new(most).unwrap();
    let quota = Quota { unit: QuotaUnit::Requests, most, window };
    Limit::new(keys(), &["test", name], [quota], None, ExcessRule::Refuse)
        .followed_by(Follower::Shared)
}

pub(super) fn an_hour(name: &str, most: u64) -> Arc<Limit> {
    limit(name, most, Window::Sliding(Duration::from_hours(1)))
}

pub(super) fn settings(layout: RedisLayout, ports: &[u16], mode: CounterMode) -> SharedCounting {
    let seeds = ports.iter().map(|port| HostPort { host: "127.0.0.1".to_owned(), port: *port });
    let login = RedisLogin::default();
    SharedCounting {
        servers: RedisServers { layout, seeds: seeds.collect(), login },
        mode,
        sync_interval: Duration::from_millis(20),
        on_failure: OnCounterFailure::Local,
    }
}

fn single(redis: &Redis, mode: CounterMode) -> SharedCounting {
    settings(RedisLayout::Single, &[redis.port()], mode)
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_know_of_each_other_after_one_interval() {
    let redis = Redis::start();
    let settings = single(&redis, CounterMode::Batched);
    let (one, other) = (Counting::begin(&settings).await, Counting::begin(&settings).await);
    one.is_up().await;
    other.is_up().await;
    let gold = an_hour("gold", 100);
    for _ in 0..60 {
        assert!(one.request_here(&gold));
    }
    comes("the server knows it", || held(&redis, &gold, "0:") == 60).await;
    assert!(other.request_here(&gold));
    comes("the other knows all of it", || other.left(&gold) == 39).await;
    let passed = (0..100).filter(|_| other.request_here(&gold)).count();
    assert_eq!(passed, 39);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_is_shared_too() {
    let redis = Redis::start();
    let settings = single(&redis, CounterMode::Batched);
    let (one, other) = (Counting::begin(&settings).await, Counting::begin(&settings).await);
    one.is_up().await;
    other.is_up().await;
    // so slow that nothing drains while the test runs
    let burst = Burst { requests: NonZeroU64::new(10).unwrap(), per: Duration::from_hours(10) };
    let limit = Limit::new(keys(), &["test", "burst"], [], Some(burst), ExcessRule::Refuse)
        .followed_by(Follower::Shared);
    for _ in 0..7 {
        assert!(one.request_here(&limit));
    }
    // a request is worth ten hours, in ms
    comes("the server knows it", || held(&redis, &limit, "b") > 13 * 36_000_000 / 2).await;
    assert!(other.request_here(&limit));
    let left = |counting: &Counting| counting.counters.look(claim(&limit), counting.now()).1;
    comes("the other knows all of it", || left(&other) == Some(2)).await;
    assert_eq!((0..10).filter(|_| other.request_here(&limit)).count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_exact_no_number_of_gateways_lets_one_too_many_through() {
    let redis = Redis::start();
    let settings = single(&redis, CounterMode::Exact);
    let (one, other) = (Counting::begin(&settings).await, Counting::begin(&settings).await);
    one.is_up().await;
    other.is_up().await;
    let limits = [an_hour("gold", 50), limit("day", 1000, Window::Day)];
    let (mut passed, mut refused) = (0, 0);
    for _ in 0..40 {
        let (here, there) = tokio::join!(one.request(&limits), other.request(&limits));
        for decision in [here, there] {
            match decision {
                Ok(passing) => {
                    passed += 1;
                    assert_eq!(passing.tightest.unwrap().claim, 0);
                }
                Err(exceeded) => {
                    refused += 1;
                    assert_eq!((exceeded.claim, exceeded.part), (0, LimitPart::Quota(0)));
                    assert!(exceeded.wait > 3_000_000 && exceeded.wait <= 3_900_000);
                }
            }
        }
    }
    let (here, there) = (one.limiter.status().numbers(), other.limiter.status().numbers());
    let late =
        here.unwrap().late + there.unwrap().late + here.unwrap().alone + there.unwrap().alone;
    // a request that waited in vain on a busy machine was counted here, as documented
    assert!(passed >= 50 && passed <= 50 + late, "{passed} with {late} late");
    assert_eq!(passed + refused, 80);
    // a refused request consumes nothing of the other quota
    let day = (1000 - one.left(&limits[1])) + (1000 - other.left(&limits[1]));
    assert_eq!(day, passed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_loses_everything_is_told_again() {
    for mode in [CounterMode::Batched, CounterMode::Exact] {
        let mut redis = Redis::start();
        let settings = single(&redis, mode);
        let one = Counting::begin(&settings).await;
        one.is_up().await;
        let gold = an_hour("gold", 100);
        for _ in 0..40 {
            assert!(one.request(std::slice::from_ref(&gold)).await.is_ok());
        }
        comes("it was told", || one.limiter.status().numbers().unwrap().known > 0).await;
        redis.kill();
        one.counts_alone().await;
        // alone it counts on
        assert!(one.request(std::slice::from_ref(&gold)).await.is_ok());
        redis.run();
        one.is_up().await;
        assert!(one.request(std::slice::from_ref(&gold)).await.is_ok());
        let other = Counting::begin(&settings).await;
        other.is_up().await;
        if mode == CounterMode::Batched {
            assert!(other.request_here(&gold));
            comes("the other gateway knows of it", || other.left(&gold) <= 100 - 42).await;
        } else {
            until_passed_is(&other, &gold, 100 - 42).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_decide_get_the_counts_back_though_nothing_is_counted_anew() {
    let mut redis = Redis::start();
    let one = Counting::begin(&single(&redis, CounterMode::Exact)).await;
    one.is_up().await;
    let (gold, other) = (an_hour("gold", 100), an_hour("other", 4_000_000));
    for _ in 0..40 {
        assert!(one.request(std::slice::from_ref(&gold)).await.is_ok());
    }
    let key = format!("{{portcullis}}:count:{:032x}", claim(&gold).key.0);
    redis.kill();
    one.counts_alone().await;
    redis.run();
    comes("the new server has them", || held_at(&redis, &key, "0:") >= 40).await;
    redis.call("FLUSHALL").unwrap();
    // while a stream of other requests goes on
    let asked = async || {
        let _ = one.request(std::slice::from_ref(&other)).await;
        held_at(&redis, &key, "0:")
    };
    until("the emptied server has them", asked, |held| *held >= 40).await;
}

/// Requests at another gateway find so much of the quota left, once all counts are back.
pub(super) async fn until_passed_is(counting: &Counting, limit: &Arc<Limit>, left: u64) {
    // those that ask here count too, and must not be taken for the counts that come back
    let mut own = 0;
    for _ in 0..200 {
        let decision = counting.request(std::slice::from_ref(limit)).await;
        own += u64::from(decision.is_ok());
        if decision.is_ok_and(|passed| passed.tightest.is_some_and(|t| t.left + own <= left)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the counts never came back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_paused_holds_nobody_up() {
    let redis = Redis::start();
    let one = Counting::begin(&single(&redis, CounterMode::Exact)).await;
    one.is_up().await;
    let gold = an_hour("gold", 1000);
    assert!(one.request(std::slice::from_ref(&gold)).await.is_ok());
    redis.signal("-STOP");
    for _ in 0..100 {
        assert!(one.request(std::slice::from_ref(&gold)).await.is_ok());
    }
    let numbers = one.limiter.status().numbers().unwrap();
    assert!(!numbers.up && numbers.late <= 3, "nobody waits after three: {numbers:?}");
    redis.signal("-CONT");
    one.is_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_type_and_counters_of_another_version_are_left_alone() {
    let redis = Redis::start();
    redis.call("SET portcullis:counters:version 7").unwrap();
    let one = Counting::begin(&single(&redis, CounterMode::Batched)).await;
    comes("it says why", || one.limiter.status().failing() == Some("version")).await;
    assert_eq!(redis.call("GET portcullis:counters:version").unwrap(), bulk("7"));
    redis.call("DEL portcullis:counters:version").unwrap();
    one.is_up().await;
    let gold = an_hour("gold", 10);
    let key = format!("portcullis:count:{:032x}", claim(&gold).key.0);
    redis.call(&format!("SET {key} mine")).unwrap();
    assert!(one.request_here(&gold));
    let numbers = || one.limiter.status().numbers().unwrap();
    let rounds = numbers().rounds;
    comes("a round has passed", || numbers().rounds > rounds).await;
    assert_eq!(redis.call(&format!("GET {key}")).unwrap(), bulk("mine"));
    assert!(one.limiter.status().is_up(), "the other counters are shared all the same");
}

fn bulk(text: &str) -> redis::Value {
    redis::Value::BulkString(text.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_of_a_gateway_that_ends_stay() {
    let redis = Redis::start();
    let settings = single(&redis, CounterMode::Batched);
    let mut one = Counting::begin(&settings).await;
    one.is_up().await;
    let gold = an_hour("gold", 10);
    for _ in 0..10 {
        assert!(one.request_here(&gold));
    }
    comes("it was told", || one.limiter.status().numbers().unwrap().told > 0).await;
    one.shared.shutdown().await;
    let other = Counting::begin(&settings).await;
    other.is_up().await;
    assert!(other.request_here(&gold), "it cannot know yet");
    comes("it knows", || other.left(&gold) == 0).await;
}
