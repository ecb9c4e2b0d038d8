//! The real binary at ten times its limit lets through exactly the limit.

use bytes::Bytes;
use http::Request;

use super::two;
use crate::support::bank::ISSUER;
use crate::support::client::{Client, Protocol};
use crate::support::origin::Origin;
use crate::support::program::Program;
use crate::support::signer::{Signer, claims};

const LIMIT: usize = 300;
const CONNECTIONS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_times_the_limit_from_many_connections_lets_exactly_the_limit_through() {
    let backend = Origin::start();
    let more = two("Two", "application").replace("requests = 2", &format!("requests = {LIMIT}"));
    let mut program = Program::new(&backend.url(), &format!("[gateway]\nworkers = 2\n{more}"));
    program.edit("owner = \"charlie\"", "owner = \"charlie\"\npolicy = \"Two\"");
    let signer = Signer::new("key-1");
    std::fs::write(program.path().join("keys.json"), signer.jwks()).unwrap();
    let token = signer.sign(&claims(ISSUER, "good", "accounts:read"));
    program.start();
    program.wait_until_ready();
    let url = format!("http://127.0.0.1:{}/accounts/1.0.0/accounts/42", program.port);
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (url, token) = (url.clone(), token.clone());
        clients.spawn(async move {
            let client = Client::plain(Protocol::Http1);
            let mut connection = client.connect(&url.parse().unwrap()).await.unwrap();
            let mut statuses = [0_usize; 2];
            for _ in 0..LIMIT * 10 / CONNECTIONS {
                let request = Request::get(&url).header("authorization", format!("Bearer {token}"));
                let answer = connection.send(request.body(Bytes::new()).unwrap()).await.unwrap();
                match answer.status().as_u16() {
                    200 => statuses[0] += 1,
                    429 => statuses[1] += 1,
                    other => panic!("{other}"),
                }
            }
            statuses
        });
    }
    let statuses = clients.join_all().await;
    let passed: usize = statuses.iter().map(|[passed, _]| passed).sum();
    let refused: usize = statuses.iter().map(|[_, refused]| refused).sum();
    assert_eq!((passed, refused), (LIMIT, LIMIT * 10 / CONNECTIONS * CONNECTIONS - LIMIT));
    assert_eq!(backend.received().len(), LIMIT);
}
