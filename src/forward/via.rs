//! `Via` (RFC 9110 section 7.6.3): this hop in both directions, and the end of requests that go
//! round in circles.
//!
//! Towards backends the hop has a name of its own process, so that gateways may stand in a row;
//! towards clients it is only `portcullis`.

use http::header::VIA;
use http::{HeaderMap, HeaderValue, Version};

/// An API may call another through the same gateway; more rounds than this are a loop.
const MAX_ROUNDS: usize = 8;

/// The request has passed this process too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request passed this gateway {MAX_ROUNDS} times already: a backend points back at it")]
pub struct Loop;

/// The name of this process in `Via`; made once.
#[derive(Debug, Clone)]
pub struct Via {
    pseudonym: String,
    http_10: HeaderValue,
    http_11: HeaderValue,
    http_2: HeaderValue,
}

impl Via {
    /// `process` tells this process from others: a random number, drawn at start.
    pub fn new(process: u64) -> Self {
        let pseudonym = format!("portcullis-{process:016x}");
        let value = |version: &str| {
            HeaderValue::try_from(format!("{version} {pseudonym}"))
                .unwrap_or_else(|_| HeaderValue::from_static("1.1 portcullis"))
        };
        Self { http_10: value("1.0"), http_11: value("1.1"), http_2: value("2.0"), pseudonym }
    }

    pub fn check(&self, headers: &HeaderMap) -> Result<(), Loop> {
        let lines = headers.get_all(VIA).iter().filter_map(|line| line.to_str().ok());
        let hops = lines
            .flat_map(|line| line.split(','))
            .filter_map(|hop| hop.split_ascii_whitespace().nth(1));
        if hops.filter(|by| *by == self.pseudonym).count() >= MAX_ROUNDS {
            Err(Loop)
        } else {
            Ok(())
        }
    }

    /// `version` is the one that the client spoke.
    pub fn add_to_request(&self, headers: &mut HeaderMap, version: Version) {
        let value = match version {
            Version::HTTP_09 | Version::HTTP_10 => &self.http_10,
            Version::HTTP_11 => &self.http_11,
            _ => &self.http_2,
        };
        headers.append(VIA, value.clone());
    }

    /// `version` is the one that the backend spoke.
    pub fn add_to_response(headers: &mut HeaderMap, version: Version) {
        let value = match version {
            Version::HTTP_09 | Version::HTTP_10 => "1.0 portcullis",
            Version::HTTP_11 => "1.1 portcullis",
            _ => "2.0 portcullis",
        };
        headers.append(VIA, HeaderValue::from_static(value));
    }
}
