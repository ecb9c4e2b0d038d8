//! The order of turns, and the targets that are left out.

use std::collections::HashMap;
use std::time::Duration;

use http::HeaderValue;
use http::uri::Authority;

use super::*;
use crate::backend::{CompiledTarget, TargetKey, TargetSlots};
use crate::model::backend::{
    Addressing, Backend, BackendScheme, BackendTls, EjectRule, HashKey, HealthRule, Http2, Retries,
    Target,
};
use crate::model::provenance::Provenance;

fn definition(number: u16, weight: u32) -> Target {
    Target {
        scheme: BackendScheme::Http,
        host: "10.0.0.1".to_owned(),
        service: None,
        port: number,
        base_path: String::new(),
        weight,
    }
}

fn compiled(definitions: &[Target]) -> Vec<Arc<CompiledTarget>> {
    let target = |definition: &Target| {
        let authority = definition.authority();
        Arc::new(CompiledTarget {
            slot: TargetSlots::default().lease(&TargetKey::new(definition, &backend())),
            definition: definition.clone(),
            authority: HeaderValue::try_from(&authority).unwrap(),
            uri_authority: Authority::try_from(authority.as_str()).unwrap(),
            address: Some(([10, 0, 0, 1], definition.port).into()),
            networks: None,
            http2: Http2::Auto,
            ping_interval: None,
            healths: Arc::default(),
            label: authority.into(),
            tls: None,
            idle_per_worker: 1,
        })
    };
    definitions.iter().map(target).collect()
}

fn group(weights: &[u32], failover: usize, balance: Balance) -> BackendGroup {
    let targets: Vec<Target> =
        weights.iter().zip(1..).map(|(weight, number)| definition(number, *weight)).collect();
    let failover: Vec<Target> =
        (100..).take(failover).map(|number| definition(number, 1)).collect();
    let (compiled_targets, compiled_failover) = (compiled(&targets), compiled(&failover));
    let backend = Backend { targets, failover, balance, ..backend() };
    BackendGroup::new(&backend, compiled_targets, compiled_failover)
}

fn backend() -> Backend {
    let second = Duration::from_secs(1);
    Backend {
        addressing: Addressing::default(),
        targets: Vec::new(),
        failover: Vec::new(),
        balance: Balance::RoundRobin,
        connect_timeout: second,
        response_timeout: second,
        response_stall_timeout: Some(second),
        request_timeout: None,
        http2: Http2::Auto,
        http2_ping_interval: None,
        retries: Retries::default(),
        health: None,
        eject: Some(EJECT),
        panic_threshold: 300,
        slow_start: Duration::from_secs(10),
        idle_connections: 1,
        tls: BackendTls::default(),
        hard_limit: None,
        networks: None,
        place: Provenance::default(),
    }
}

const EJECT: EjectRule =
    EjectRule { consecutive_failures: 1, duration: Duration::from_secs(10), max_ejected: 500 };

fn own(target: &CompiledTarget) -> &TargetHealth {
    target.healths.own()
}

fn written(group: &BackendGroup) -> &TargetAddresses {
    group.written.as_ref().unwrap()
}

fn turns_of(group: &BackendGroup, count: usize, now: u64) -> HashMap<u16, usize> {
    let mut counts = HashMap::new();
    for turn in 0..count {
        let target =
            choose(group, written(group), Choice { turn, key: b"", now, tried: &[] }).unwrap();
        *counts.entry(target.target.definition.port).or_default() += 1;
    }
    counts
}

fn make_unhealthy(target: &CompiledTarget) {
    let rule = HealthRule {
        path: String::new(),
        interval: Duration::ZERO,
        timeout: Duration::ZERO,
        healthy: 1,
        unhealthy: 1,
    };
    own(target).checked(&rule, false, 1).unwrap();
}

#[test]
fn weights_are_kept() {
    assert_eq!(
        turns_of(&group(&[3, 1], 0, Balance::RoundRobin), 400, 1),
        HashMap::from([(1, 300), (2, 100)])
    );
}

#[test]
fn who_is_out_has_no_turn_and_comes_back_slowly() {
    let group = group(&[1, 1], 0, Balance::RoundRobin);
    assert!(group.eject(written(&group), &written(&group).main.endpoints[0], 1000));
    assert!(
        !group.eject(written(&group), &written(&group).main.endpoints[1], 1000),
        "half may be out and no more"
    );
    assert_eq!(turns_of(&group, 100, 2000), HashMap::from([(2, 100)]));
    let warming = turns_of(&group, 1000, 11_500)[&1];
    assert!((50..250).contains(&warming), "{warming}");
    assert_eq!(turns_of(&group, 1000, 60_000)[&1], 500);
}

#[test]
fn who_refused_is_asked_last() {
    let group = group(&[1, 1, 1], 0, Balance::RoundRobin);
    own(&group.targets[1]).refused(1000);
    assert_eq!(turns_of(&group, 99, 1500).get(&2), None);
    assert_eq!(turns_of(&group, 99, 2500).get(&2), Some(&33));
    for target in &group.targets {
        own(target).refused(5000);
    }
    assert_eq!(turns_of(&group, 99, 5500).len(), 3, "when all did, none is last");
}

#[test]
fn tried_targets_are_not_tried_again_while_there_are_others() {
    let group = group(&[1, 1, 1], 0, Balance::RoundRobin);
    let mut tried = Vec::new();
    for _ in 0..3 {
        let target =
            choose(&group, written(&group), Choice { turn: 7, key: b"", now: 1, tried: &tried })
                .unwrap();
        assert!(!tried.contains(&Arc::as_ptr(&target.health)));
        tried.push(Arc::as_ptr(&target.health));
    }
    assert!(
        choose(&group, written(&group), Choice { turn: 7, key: b"", now: 1, tried: &tried })
            .is_some()
    );
}

#[test]
fn the_failover_list_is_asked_when_no_target_is_healthy() {
    let group = group(&[1, 1], 1, Balance::RoundRobin);
    make_unhealthy(&group.targets[0]);
    assert_eq!(turns_of(&group, 10, 5), HashMap::from([(2, 10)]));
    make_unhealthy(&group.targets[1]);
    assert_eq!(turns_of(&group, 10, 5), HashMap::from([(100, 10)]));
    make_unhealthy(&group.failover[0]);
    assert_eq!(
        turns_of(&group, 10, 5),
        HashMap::from([(1, 5), (2, 5)]),
        "none is left: everyone may be asked"
    );
}

#[test]
fn when_too_many_are_out_health_is_not_believed() {
    let group = group(&[1, 1, 1, 1], 0, Balance::RoundRobin);
    make_unhealthy(&group.targets[0]);
    make_unhealthy(&group.targets[1]);
    assert_eq!(turns_of(&group, 40, 5).len(), 2);
    make_unhealthy(&group.targets[2]);
    assert_eq!(turns_of(&group, 40, 5).len(), 4);
}

#[test]
fn the_less_busy_of_two_is_asked() {
    let group = group(&[1, 1], 0, Balance::LeastRequests);
    for _ in 0..3 {
        own(&group.targets[0]).began();
    }
    assert_eq!(turns_of(&group, 50, 5), HashMap::from([(2, 50)]));
    for _ in 0..9 {
        own(&group.targets[1]).began();
    }
    assert_eq!(turns_of(&group, 50, 5), HashMap::from([(1, 50)]));
}

#[test]
fn a_key_stays_with_its_target_and_only_the_keys_of_a_lost_one_move() {
    let group = group(&[1, 1, 1, 1], 0, Balance::ConsistentHash(HashKey::ConsumerKey));
    let whose = |key: usize| {
        choose(
            &group,
            written(&group),
            Choice { turn: key, key: &key.to_le_bytes(), now: 5, tried: &[] },
        )
        .unwrap()
        .target
        .definition
        .port
    };
    let before: Vec<u16> = (0..1000).map(whose).collect();
    assert_eq!(before, (0..1000).map(whose).collect::<Vec<_>>());
    for number in 1..=4 {
        let own = before.iter().filter(|port| **port == number).count();
        assert!((180..320).contains(&own), "{number}: {own}");
    }
    make_unhealthy(&group.targets[0]);
    for (key, before) in before.iter().enumerate() {
        assert!(*before == 1 || whose(key) == *before, "{key}");
    }
}

/// Names with these addresses each, of these weights.
fn resolved(names: &[(u32, &[u8])], balance: Balance) -> (BackendGroup, TargetAddresses) {
    let weights: Vec<u32> = names.iter().map(|(weight, _)| *weight).collect();
    let mut group = group(&weights, 0, balance);
    group.written = None;
    for target in &mut group.targets {
        Arc::get_mut(target).unwrap().address = None;
    }
    let endpoints = group.resolved(1, 1, |target| {
        let (_, hosts) = names[usize::from(target.definition.port) - 1];
        hosts.iter().map(|host| ([10, 0, 0, *host], target.definition.port).into()).collect()
    });
    (group, endpoints)
}

fn addresses_of(
    group: &BackendGroup,
    endpoints: &TargetAddresses,
    now: u64,
) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for turn in 0..240 {
        let endpoint =
            choose(group, endpoints, Choice { turn, key: b"", now, tried: &[] }).unwrap();
        let name = endpoint.address.map_or("none".to_owned(), |address| address.to_string());
        *counts.entry(name).or_default() += 1;
    }
    counts
}

#[test]
fn the_weight_of_a_name_is_divided_among_its_addresses() {
    let (group, endpoints) = resolved(&[(1, &[1, 2, 3]), (1, &[9])], Balance::RoundRobin);
    let counts = addresses_of(&group, &endpoints, 1);
    let wanted = [("10.0.0.1:1", 40), ("10.0.0.2:1", 40), ("10.0.0.3:1", 40), ("10.0.0.9:2", 120)];
    assert_eq!(counts, wanted.map(|(address, count)| (address.to_owned(), count)).into());
    let (group, endpoints) = resolved(&[(2, &[1, 1, 2]), (1, &[])], Balance::RoundRobin);
    let counts = addresses_of(&group, &endpoints, 1);
    assert!(counts["10.0.0.1:1"].abs_diff(107) <= 1, "named twice of three times: {counts:?}");
    assert_eq!(counts["none"], 80, "a name without addresses keeps its turns: {counts:?}");
}

#[test]
fn one_address_of_a_name_is_out_and_the_others_have_its_turns() {
    let (group, endpoints) = resolved(&[(1, &[1, 2, 3, 4])], Balance::RoundRobin);
    assert!(group.eject(&endpoints, &endpoints.main.endpoints[0], 1000));
    assert_eq!(addresses_of(&group, &endpoints, 2000).get("10.0.0.1:1"), None);
    assert_eq!(addresses_of(&group, &endpoints, 2000).len(), 3);
    endpoints.main.endpoints[1].health.refused(2000);
    assert_eq!(addresses_of(&group, &endpoints, 2500).len(), 2);
    let again =
        group.resolved(2500, 2, |_| [1, 5].map(|host| ([10, 0, 0, host], 1).into()).to_vec());
    assert!(again.main.endpoints[0].health.is_ejected(2500), "another answer brings none back");
}

#[test]
fn a_key_stays_with_one_address_of_a_name() {
    let balance = || Balance::ConsistentHash(HashKey::ConsumerKey);
    let (group, all) = resolved(&[(1, &[1, 2, 3, 4])], balance());
    let (_, fewer) = resolved(&[(1, &[1, 2, 3])], balance());
    let mut counts = HashMap::<_, usize>::new();
    for key in 0..1000_usize {
        let whose = |endpoints: &TargetAddresses| {
            let choice = Choice { turn: key, key: &key.to_le_bytes(), now: 5, tried: &[] };
            choose(&group, endpoints, choice).unwrap().address.unwrap()
        };
        let owner = whose(&all);
        *counts.entry(owner).or_default() += 1;
        assert!(owner == ([10, 0, 0, 4], 1).into() || whose(&fewer) == owner, "{key}");
    }
    assert!(counts.len() == 4 && counts.values().all(|count| (180..320).contains(count)));
}
