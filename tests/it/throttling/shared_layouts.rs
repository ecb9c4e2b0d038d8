//! One count over several gateways, behind sentinels and in a cluster.

use portcullis::model::redis::{RedisLayout, RedisServers};
use portcullis::model::throttling::{CounterMode, SharedCounting};

use super::shared_counters::{Counting, an_hour, claim, comes, held, settings, until_passed_is};
use crate::support::redis::Redis;

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_name_the_server_that_took_over() {
    let mut primary = Redis::start();
    let replica = Redis::replica_of(&primary);
    let sentinel = Redis::sentinel_of(&primary);
    let layout = RedisLayout::Sentinel { name: "main".to_owned() };
    let settings = settings(layout, &[sentinel.port()], CounterMode::Batched);
    let one = Counting::begin(&settings).await;
    one.is_up().await;
    let gold = an_hour("gold", 100);
    for _ in 0..30 {
        assert!(one.request_here(&gold));
    }
    comes("it was told", || one.limiter.status().numbers().unwrap().told > 0).await;
    comes("the sentinel knows the replica", || {
        let info = sentinel.call("INFO sentinel").unwrap();
        format!("{info:?}").contains("slaves=1")
    })
    .await;
    comes("the replica is in step", || {
        let info = format!("{:?}", replica.call("INFO replication").unwrap());
        info.contains("master_link_status:up")
    })
    .await;
    primary.kill();
    one.counts_alone().await;
    assert!(one.request_here(&gold));
    one.is_up().await;
    let other = Counting::begin(&settings).await;
    other.is_up().await;
    assert!(other.request_here(&gold));
    comes("the other gateway knows of all", || other.left(&gold) == 100 - 32).await;
    let unknown = RedisLayout::Sentinel { name: "mian".to_owned() };
    let mistaken = SharedCounting {
        servers: RedisServers { layout: unknown, ..settings.servers.clone() },
        ..settings
    };
    let mistaken = Counting::begin(&mistaken).await;
    comes("it says why", || mistaken.limiter.status().failing() == Some("sentinel")).await;
}

/// Three servers with all slots, and which of them has which.
async fn cluster() -> [Redis; 3] {
    let servers = [Redis::of_cluster(), Redis::of_cluster(), Redis::of_cluster()];
    let bounds = [(0, 5460), (5461, 10922), (10923, 16383)];
    for (server, (first, last)) in servers.iter().zip(bounds) {
        server.call(&format!("CLUSTER ADDSLOTSRANGE {first} {last}")).unwrap();
    }
    for (number, server) in servers.iter().enumerate() {
        // or all of them would begin with the same epoch, and quarrel about it
        server.call(&format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1)).unwrap();
    }
    for server in &servers[1..] {
        let bus = server.call("CONFIG GET cluster-port").unwrap();
        let redis::Value::Array(words) = bus else { panic!("{bus:?}") };
        let redis::Value::BulkString(bus) = &words[1] else { panic!("{words:?}") };
        let bus = String::from_utf8_lossy(bus);
        servers[0].call(&format!("CLUSTER MEET 127.0.0.1 {} {bus}", server.port())).unwrap();
    }
    comes("the cluster is whole", || {
        servers.iter().all(|server| {
            let info = format!("{:?}", server.call("CLUSTER INFO").unwrap());
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
        })
    })
    .await;
    servers
}

fn id(server: &Redis) -> String {
    let id = server.call("CLUSTER MYID").unwrap();
    let redis::Value::BulkString(id) = id else { panic!("{id:?}") };
    String::from_utf8(id).unwrap()
}

/// The slot of a key, and the position of its server.
fn place(server: &Redis, key: &str) -> (i64, usize) {
    let slot = server.call(&format!("CLUSTER KEYSLOT {key}")).unwrap();
    let redis::Value::Int(slot) = slot else { panic!("{slot:?}") };
    let server = match slot {
        0..=5460 => 0,
        5461..=10922 => 1,
        _ => 2,
    };
    (slot, server)
}

/// Some keys of a slot.
fn keys_in(server: &Redis, slot: i64) -> Vec<String> {
    let keys = server.call(&format!("CLUSTER GETKEYSINSLOT {slot} 10")).unwrap();
    let redis::Value::Array(keys) = keys else { panic!("{keys:?}") };
    let text = |key: &redis::Value| match key {
        redis::Value::BulkString(key) => String::from_utf8_lossy(key).into_owned(),
        other => panic!("{other:?}"),
    };
    keys.iter().map(text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_holds_the_counters_and_a_slot_moves_under_load() {
    let servers = cluster().await;
    let ports: Vec<_> = servers.iter().map(Redis::port).collect();
    for mode in [CounterMode::Batched, CounterMode::Exact] {
        let settings = settings(RedisLayout::Cluster, &ports, mode);
        let one = Counting::begin(&settings).await;
        one.is_up().await;
        // many counters lie on all servers
        let limits: Vec<_> = (0..50).map(|n| an_hour(&format!("{mode:?}{n}"), 1000)).collect();
        for limit in &limits {
            assert!(one.request(std::slice::from_ref(limit)).await.is_ok());
        }
        comes("all were told", || one.limiter.status().numbers().unwrap().known >= 50).await;
        let key = match mode {
            CounterMode::Batched => {
                format!("portcullis:count:{:032x}", claim(&limits[0]).key.0)
            }
            CounterMode::Exact => "{portcullis}".to_owned(),
        };
        let (slot, from) = place(&servers[0], &key);
        let (source, target) = (&servers[from], &servers[(from + 1) % 3]);
        target.call(&format!("CLUSTER SETSLOT {slot} IMPORTING {}", id(source))).unwrap();
        source.call(&format!("CLUSTER SETSLOT {slot} MIGRATING {}", id(target))).unwrap();
        for _ in 0..20 {
            assert!(one.request(&limits[..1]).await.is_ok());
        }
        loop {
            let keys = keys_in(source, slot);
            if keys.is_empty() {
                break;
            }
            for key in keys {
                assert!(one.request(&limits[..1]).await.is_ok());
                source.call(&format!("MIGRATE 127.0.0.1 {} {key} 0 5000", target.port())).unwrap();
            }
        }
        for server in [target, source] {
            server.call(&format!("CLUSTER SETSLOT {slot} NODE {}", id(target))).unwrap();
        }
        for _ in 0..20 {
            assert!(one.request(&limits[..1]).await.is_ok());
        }
        one.is_up().await;
        let counted = 1000 - one.left(&limits[0]);
        if mode == CounterMode::Batched {
            comes("the servers know it", || held(target, &limits[0], "0:") == counted).await;
        }
        let other = Counting::begin(&settings).await;
        other.is_up().await;
        match mode {
            CounterMode::Batched => {
                assert!(other.request_here(&limits[0]));
                comes("nothing was lost", || 1000 - other.left(&limits[0]) == counted + 1).await;
            }
            CounterMode::Exact => until_passed_is(&other, &limits[0], 1000 - counted).await,
        }
    }
}
