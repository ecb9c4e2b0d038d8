//! Quotas by bytes and by what backends report.

use bytes::Bytes;
use http::Request;

use super::{PATH, Shop, same};
use crate::support::script::Script;

fn policy(lines: &str) -> String {
    format!("[[throttling_policies]]\nname = \"Metered\"\nlevel = \"application\"\n{lines}\n")
}

#[tokio::test]
async fn bandwidth_counts_both_bodies_when_they_have_passed() {
    let tables = policy("bandwidth = \"1KiB\"\nper = \"1h\"");
    let shop = Shop::open(same, |app| app.lines("policy = \"Metered\""), &tables).await;
    shop.backend.always(Script::answer(200, &[], vec![b'x'; 300]));
    let token = shop.token("client");
    let send = async || {
        let request = Request::post(shop.gateway.url(PATH))
            .header("authorization", format!("Bearer {token}"))
            .body(Bytes::from(vec![b'y'; 300]))
            .unwrap();
        let answer = shop.gateway.send(request).await;
        (answer.status().as_u16(), answer.headers().get("ratelimit-policy").cloned())
    };
    for turn in 0..2 {
        assert_eq!(send().await.0, 200, "{turn}");
        // charged when the exchange has ended: its line is there
        shop.gateway.log(turn + 1).await;
    }
    let (status, policy) = send().await;
    assert_eq!(status, 429, "1200 bytes of 1024");
    assert_eq!(policy.unwrap(), "\"Metered\";q=1024;qu=\"content-bytes\";w=3600");
}

#[tokio::test]
async fn a_backend_reports_what_a_request_was_worth_and_silence_counts_as_one() {
    let tables = policy(
        "events = 100\nevents_header = \"x-tokens\"\nper = \"1h\"\nquotas = [{ requests = 50, per = \"1h\" }]",
    );
    let shop = Shop::open(same, |app| app.lines("policy = \"Metered\""), &tables).await;
    let token = shop.token("client");
    let mut lines = 0;
    let mut left = Vec::new();
    for reported in ["60", "no number", "", "39", "0"] {
        let headers = [("x-tokens", reported)];
        let headers = if reported.is_empty() { &[][..] } else { &headers[..] };
        shop.backend.once(Script::answer(200, headers, ""));
        let answer = shop.get(PATH, &token).await;
        lines += 1;
        shop.gateway.log(lines).await;
        left.push((reported, answer.status().as_u16()));
    }
    // 60, 1, 1, 39: then nothing is left
    let statuses: Vec<_> = left.iter().map(|(_, status)| *status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 429], "{left:?}");
}
