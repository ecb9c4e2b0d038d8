//! The real binary at ten times its limit lets through exactly the limit.

use tokio::task::JoinSet;

use super::{LimitedClient, limited_program};
use crate::support::origin::Origin;

const LIMIT: usize = 300;
const CONNECTIONS: usize = 8;
const REQUESTS: usize = LIMIT * 10 / CONNECTIONS;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_times_the_limit_from_many_connections_lets_exactly_the_limit_through() {
    let backend = Origin::start();
    let mut program = limited_program(&backend, LIMIT, "[gateway]\nworkers = 2\n");
    program.start();
    program.wait_until_ready();
    let mut clients = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let mut client = LimitedClient::connect(&program).await;
        clients.spawn(async move {
            let mut passed = 0;
            for _ in 0..REQUESTS {
                passed += usize::from(client.passes().await);
            }
            passed
        });
    }
    assert_eq!(clients.join_all().await.iter().sum::<usize>(), LIMIT);
    assert_eq!(backend.received().len(), LIMIT);
}
