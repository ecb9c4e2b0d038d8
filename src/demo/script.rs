//! The commands that `demo` prints. Each is complete, and runs as it is in a shell with `curl` and
//! `sed`.

use std::fmt;
use std::net::SocketAddr;

use crate::demo::authorization_server::{ROTATE_PATH, TOKEN_PATH};
use crate::demo::settings::{
    PRODUCTION_CLIENT, READ_SCOPE, SANDBOX_CLIENT, UNSUBSCRIBED_CLIENT, WRITE_SCOPE,
};

/// A command and its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurlLine {
    pub command: String,
    pub expect: &'static str,
}

impl fmt::Display for CurlLine {
    /// Writes the result behind the command as a shell comment.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  # {}", self.command, self.expect)
    }
}

/// Returns the commands for a gateway at `gateway` (scheme, host and port) that serves the
/// repository's `gateway.toml`. The file `ca` holds the authority of its certificate. The commands
/// build on each other in this order.
pub fn curl_lines(gateway: &str, ca: &str, authorization_server: SocketAddr) -> Vec<CurlLine> {
    let token = |variable: &str, (id, secret): (&str, &str), scope: &str| {
        format!(
            "{variable}=$(curl -s -u {id}:{secret} -d grant_type=client_credentials -d \
             'scope={scope}' http://{authorization_server}{TOKEN_PATH} | sed -E \
             's/.*\"access_token\":\"([^\"]+)\".*/\\1/')"
        )
    };
    let call = |variable: &str, arguments: &str, path: &str| {
        format!(
            "curl -i --cacert {ca} -H \"Authorization: Bearer ${variable}\" \
             {arguments}{gateway}/accounts/1.0.0{path}"
        )
    };
    let line = |command: String, expect: &'static str| CurlLine { command, expect };
    vec![
        line(
            token("TOKEN", PRODUCTION_CLIENT, READ_SCOPE),
            "a token of the application's production key, for reading",
        ),
        line(call("TOKEN", "", "/accounts/42"), "200 from the production backend"),
        line(
            format!("curl -i --cacert {ca} {gateway}/accounts/1.0.0/status"),
            "200: this operation needs no token",
        ),
        line(
            format!("curl -i --cacert {ca} {gateway}/accounts/1.0.0/accounts/42"),
            "401, code 900902: no token",
        ),
        line(
            call("TOKEN", "-X DELETE ", "/accounts/42"),
            "403, code 900910: the token lacks the scope accounts:write",
        ),
        line(token("WRITER", PRODUCTION_CLIENT, WRITE_SCOPE), "the same application, for writing"),
        line(call("WRITER", "-X DELETE ", "/accounts/42"), "200: now it has the scope"),
        line(
            token("SANDBOX", SANDBOX_CLIENT, READ_SCOPE),
            "a token of the application's sandbox key",
        ),
        line(call("SANDBOX", "", "/accounts/42"), "200 from the sandbox backend"),
        line(
            token("OTHER", UNSUBSCRIBED_CLIENT, READ_SCOPE),
            "a token of an application without a subscription",
        ),
        line(call("OTHER", "", "/accounts/42"), "403, code 900908: not subscribed to this API"),
        line(
            format!("curl -s -X POST http://{authorization_server}{ROTATE_PATH}"),
            "new signing keys; the gateway finds them by itself",
        ),
        line(token("TOKEN", PRODUCTION_CLIENT, READ_SCOPE), "a token that a new key signed"),
        line(call("TOKEN", "", "/accounts/42"), "200: nothing was restarted"),
    ]
}
