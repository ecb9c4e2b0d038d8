//! What a flood of forged tokens does to those with good ones: ten forged for each good one, on one worker.
//!
//! Measured against the same number of requests that carry no token at all, so that what is seen is the price of the
//! forgeries and not of the traffic; a good request waits behind all ten each time. The forged tokens are of the most
//! costly algorithm. Medians of alternating rounds; a machine that is busy with something else gets more tries.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::bank::{self, ISSUER};
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::signer::{Signer, claims};

const PATH: &str = "/accounts/1.0.0/accounts/42";
const FORGED_EACH: usize = 10;
const ROUNDS: usize = 60;
const TRIES: usize = 6;

/// A connection that stays open.
struct Wire(TcpStream);

impl Wire {
    fn open(address: SocketAddr) -> Wire {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Wire(stream)
    }

    fn ask(&mut self, from: &str, token: &str) {
        let authorization = if token.is_empty() {
            String::new()
        } else {
            format!("authorization: Bearer {token}\r\n")
        };
        let head = format!(
            "GET {PATH} HTTP/1.1\r\nhost: gateway\r\nx-forwarded-for: {from}\r\n{authorization}\r\n"
        );
        self.0.write_all(head.as_bytes()).unwrap();
    }

    /// The status of an answer that was read whole.
    fn answer(&mut self) -> u16 {
        let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            let text = String::from_utf8_lossy(&read).to_ascii_lowercase();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| {
                    line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok()
                });
                if body.len() >= length.unwrap_or(0) {
                    return head.split(' ').nth(1).unwrap().parse().unwrap();
                }
            }
            let count = self.0.read(&mut buffer).unwrap();
            assert!(count > 0, "closed: {text}");
            read.extend_from_slice(&buffer[..count]);
        }
    }
}

/// Tokens under the name of the costly key, with a signature of something else, each unlike any before.
struct Forger(usize);

impl Forger {
    /// RFC 7515 A.4.
    const SIGNATURE: &str = "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";

    fn key() -> Value {
        json!({
            "kty": "EC", "crv": "P-521", "kid": "costly",
            "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
            "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
        })
    }

    fn token(&mut self) -> String {
        self.0 += 1;
        let mut claims = claims(ISSUER, "good", "accounts:read");
        claims["jti"] = json!(self.0.to_string());
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!(
            "{}.{}.{}",
            part(&json!({ "alg": "ES512", "kid": "costly" })),
            part(&claims),
            Self::SIGNATURE
        )
    }
}

/// A gateway of one worker that believes both keys.
async fn gateway(limits: &str, signer: &Signer, backend: &Origin) -> Gateway {
    let mut keys: Value = serde_json::from_str(&signer.jwks()).unwrap();
    keys["keys"].as_array_mut().unwrap().push(Forger::key());
    bank::config(&backend.url(), &backend.url(), signer)
        .gateway("workers = 1\ntrusted_proxies = [\"127.0.0.1\"]")
        .tables(&format!("[limits]\n{limits}"))
        .beside("keys.json", keys.to_string())
        .start()
        .await
}

/// How much longer a good request waits behind forged ones than behind those without a token.
fn ratio(address: SocketAddr, good: &str, forger: &mut Forger) -> f64 {
    let mut others: Vec<Wire> = (0..FORGED_EACH).map(|_| Wire::open(address)).collect();
    let mut own = Wire::open(address);
    let mut round = |tokens: &[String]| {
        for (other, token) in others.iter_mut().zip(tokens) {
            other.ask("192.0.2.1", token);
        }
        let started = Instant::now();
        own.ask("198.51.100.1", good);
        assert_eq!(own.answer(), 200);
        let waited = started.elapsed();
        let refused = others
            .iter_mut()
            .map(Wire::answer)
            .filter(|status| matches!(status, 401 | 429))
            .count();
        assert_eq!(refused, FORGED_EACH);
        waited
    };
    let bare = vec![String::new(); FORGED_EACH];
    let (mut quiet, mut flooded) = (Vec::new(), Vec::new());
    for at in 0..ROUNDS + 10 {
        let forged: Vec<String> = (0..FORGED_EACH).map(|_| forger.token()).collect();
        let (first, second) = (round(&bare), round(&forged));
        // the first rounds use the allowance up
        if at >= 10 {
            quiet.push(first);
            flooded.push(second);
        }
    }
    quiet.sort_unstable();
    flooded.sort_unstable();
    flooded[ROUNDS / 2].as_secs_f64() / quiet[ROUNDS / 2].as_secs_f64()
}

#[tokio::test]
async fn good_tokens_keep_their_latency() {
    let (signer, backend) = (Signer::new("key-1"), Origin::start());
    let gateway = gateway("max_forged_tokens = 60", &signer, &backend).await;
    let good = signer.sign(&claims(ISSUER, "good", "accounts:read"));
    let address = gateway.address();
    let ratios = tokio::task::spawn_blocking(move || {
        let (mut forger, mut ratios) = (Forger(0), Vec::new());
        while ratios.len() < TRIES && ratios.last().is_none_or(|ratio| *ratio > 1.2) {
            ratios.push(ratio(address, &good, &mut forger));
        }
        ratios
    });
    let ratios = ratios.await.unwrap();
    assert!(ratios.last().unwrap() <= &1.2, "within 20 %: {ratios:?}");
    println!(
        "behind ten forged tokens a good one waits {ratios:.2?} times as long as behind ten requests without a token"
    );
}
