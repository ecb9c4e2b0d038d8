//! Requests that need newer keys, and their cost for the server.

use tokio::sync::oneshot;

use super::*;

#[tokio::test]
async fn many_who_ask_share_one_fetch() {
    let server = Server::delayed(keys(&[KEY_ONE]), Duration::from_millis(150)).await;
    let mut stage = Stage::new();
    let found = stage.jwks(&server, "jwks_min_refetch = \"30s\"");
    // while the first fetch is under way
    let mut asking = JoinSet::new();
    for _ in 0..100 {
        let found = Arc::clone(&found);
        asking.spawn(async move { found.refetch(RefetchCause::NoKeys).await });
    }
    while let Some(outcome) = asking.join_next().await {
        assert_eq!(outcome.unwrap(), Refetched::Changed, "all hear of the one fetch");
    }
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn the_fetch_under_way_is_enough_for_who_has_no_keys_yet() {
    let server = Server::delayed(keys(&[KEY_ONE]), Duration::from_millis(300)).await;
    let mut stage = Stage::new();
    let found = stage.jwks(&server, "jwks_min_refetch = \"100ms\"");
    // they arrive when the server has the question already
    until("the server is asked", || server.asked() == 1).await;
    let mut asking = JoinSet::new();
    for _ in 0..3 {
        let found = Arc::clone(&found);
        asking.spawn(async move { found.refetch(RefetchCause::NoKeys).await });
    }
    while let Some(outcome) = asking.join_next().await {
        assert_eq!(outcome.unwrap(), Refetched::Changed);
    }
    assert!(!found.refetch_requests.is_wanted(Duration::ZERO), "nobody has asked for another one");
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn who_has_no_keys_yet_asks_again_where_the_fetch_under_way_fails() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap();
    let (asked, was_asked) = oneshot::channel();
    let (fails, may_fail) = oneshot::channel::<()>();
    let mut server = JoinSet::new();
    server.spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        let _ = first.read(&mut [0; 2048]).await;
        asked.send(()).unwrap();
        may_fail.await.unwrap();
        let _ = first.write_all(b"HTTP/1.1 500 no\r\ncontent-length: 0\r\n\r\n").await;
        let (mut second, _) = listener.accept().await.unwrap();
        let _ = second.read(&mut [0; 2048]).await;
        let _ = second.write_all(keys(&[KEY_ONE]).as_bytes()).await;
    });
    let mut stage = Stage::new();
    let found = stage.run(&format!(
        "issuer = \"https://i\"\ncertificates = {{ jwks = \"http://{port}/jwks\" }}"
    ));
    was_asked.await.unwrap();
    let waiter = Arc::clone(&found);
    let mut asking = JoinSet::new();
    asking.spawn(async move { waiter.refetch(RefetchCause::NoKeys).await });
    until("it waits", || found.status().waiting == 1).await;
    fails.send(()).unwrap();
    assert_eq!(asking.join_next().await.unwrap().unwrap(), Refetched::Changed);
}

#[tokio::test]
async fn three_looks_in_a_row_and_then_the_rate_holds() {
    let server = Server::start(keys(&[KEY_ONE])).await;
    let mut stage = Stage::new();
    let found = stage.jwks(&server, "jwks_min_refetch = \"30s\"");
    found.settled().await;
    // a signature that is bad leaves the last one of the burst to unknown kids
    for _ in 0..2 {
        assert_eq!(found.refetch(RefetchCause::BadSignature).await, Refetched::Unchanged);
    }
    assert_eq!(found.refetch(RefetchCause::BadSignature).await, Refetched::NotAllowed);
    assert_eq!(server.asked(), 3);
    assert_eq!(found.refetch(RefetchCause::UnknownKey).await, Refetched::Unchanged);
    assert_eq!(server.asked(), 4);
    for _ in 0..10 {
        // answered at once, with the time after which to come again
        assert_eq!(found.refetch(RefetchCause::UnknownKey).await, Refetched::TooLate);
        assert!((25..=30).contains(&found.retry_after()), "{}", found.retry_after());
    }
    assert_eq!(server.asked(), 4);
    let counted = found.status().waits;
    assert!(
        counted.contains(&("too_late", 10)) && counted.contains(&("unchanged", 3)),
        "{counted:?}"
    );
    // an operator does not wait
    server.says(keys(&[KEY_ONE, KEY_THREE]));
    assert_eq!(found.refresh().await, Refetched::Changed);
    assert_eq!(found.refresh().await, Refetched::Unchanged);
    server.says("HTTP/1.1 503 no\r\ncontent-length: 0\r\n\r\n".to_owned());
    assert_eq!(found.refresh().await, Refetched::Failed);
    assert_eq!((server.asked(), kids(&found).len()), (7, 2));
}

#[tokio::test]
async fn who_needs_newer_keys_waits_for_the_next_fetch_that_is_allowed() {
    let server = Server::start(keys(&[KEY_ONE])).await;
    let mut stage = Stage::new();
    let found = stage.jwks(&server, "jwks_min_refetch = \"300ms\"");
    found.settled().await;
    for _ in 0..3 {
        assert_eq!(found.refetch(RefetchCause::UnknownKey).await, Refetched::Unchanged);
    }
    server.says(keys(&[KEY_ONE, KEY_THREE]));
    let begun = Instant::now();
    let mut asking = JoinSet::new();
    for _ in 0..50 {
        let found = Arc::clone(&found);
        asking.spawn(async move { found.refetch(RefetchCause::UnknownKey).await });
    }
    while let Some(outcome) = asking.join_next().await {
        assert_eq!(outcome.unwrap(), Refetched::Changed);
    }
    assert!(begun.elapsed() > Duration::from_millis(100), "the rate holds");
    assert_eq!(server.asked(), 5);
    assert_eq!(found.status().waiting, 0);
}

#[tokio::test]
async fn a_fetch_that_began_before_proves_nothing() {
    let server = Server::delayed(keys(&[KEY_ONE]), Duration::from_millis(200)).await;
    let mut stage = Stage::new();
    let found = stage.jwks(&server, "");
    found.settled().await;
    let first = Arc::clone(&found);
    let mut under_way = JoinSet::new();
    under_way.spawn(async move { first.refetch(RefetchCause::UnknownKey).await });
    until("the server is asked", || server.asked() == 2).await;
    // it arrives during the fetch for the other
    assert_eq!(found.refetch(RefetchCause::UnknownKey).await, Refetched::Unchanged);
    assert_eq!(under_way.join_next().await.unwrap().unwrap(), Refetched::Unchanged);
    assert_eq!(server.asked(), 3, "a fetch of its own");
}

#[tokio::test]
async fn keys_that_are_replaced_send_away_who_waits_for_them() {
    let server = Server::delayed(keys(&[KEY_ONE]), Duration::from_secs(2)).await;
    let mut stage = Stage::new();
    let found = stage.jwks(&server, "");
    let asked = Arc::clone(&found);
    let mut waiting = JoinSet::new();
    waiting.spawn(async move { asked.refetch(RefetchCause::NoKeys).await });
    until("it waits", || found.status().waiting == 1).await;
    let next = stage.jwks(&server, "jwks_refresh = \"5m\"");
    assert!(!Arc::ptr_eq(&found, &next));
    assert_eq!(found.status().waiting, 1, "the first one runs on until the next is in use");
    stage.fetchers.commit();
    assert_eq!(
        waiting.join_next().await.unwrap().unwrap(),
        Refetched::Changed,
        "to be decided again"
    );
    assert_eq!(found.refetch(RefetchCause::NoKeys).await, Refetched::TooLate);
}
