//! The commands that `demo` prints. Each is complete, and runs as it is in a shell with `curl` and
//! `sed`.

use std::fmt;
use std::net::SocketAddr;

use crate::demo::authorization_server::{ROTATE_PATH, TOKEN_PATH};
use crate::demo::settings::{
    DEVELOPER_CLIENT, NEW_CLIENT, PRODUCTION_CLIENT, READ_SCOPE, SANDBOX_CLIENT, SUBSCRIBE_SCOPE,
    UNSUBSCRIBED_CLIENT, WRITE_SCOPE,
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
    let call = |variable: &str, arguments: &str, path: &str| {
        called(ca, variable, &format!("{arguments}{gateway}/accounts/1.0.0{path}"))
    };
    let token = |variable: &str, client: (&str, &str), scope: &str| {
        token(authorization_server, variable, client, scope)
    };
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

/// Returns the commands by which a developer gives a new client an application, by the REST API at
/// `management`. The arguments before are those of [`curl_lines`].
pub fn portal_lines(
    gateway: &str,
    ca: &str,
    authorization_server: SocketAddr,
    management: SocketAddr,
) -> Vec<CurlLine> {
    let call = || called(ca, "NEW", &format!("{gateway}/accounts/1.0.0/accounts/42"));
    let ask =
        |rest: &str| format!("curl -s -H \"Authorization: Bearer $DEVELOPER\" -H \"$JSON\" {rest}");
    let id = |variable: &str, field: &str, rest: &str| {
        format!("{variable}=$({} | sed -E 's/.*\"{field}\":\"([^\"]+)\".*/\\1/')", ask(rest))
    };
    vec![
        line(
            token(authorization_server, "NEW", NEW_CLIENT, READ_SCOPE),
            "a token of a client that no application has",
        ),
        line(call(), "403, code 900908"),
        line(
            token(authorization_server, "DEVELOPER", DEVELOPER_CLIENT, SUBSCRIBE_SCOPE),
            "a developer's token, for the REST API of WSO2's developer portal",
        ),
        line(
            format!(
                "PORTAL=http://{management}/api/am/devportal/v3 JSON='Content-Type: \
                 application/json'"
            ),
            "its address",
        ),
        line(
            id(
                "APPLICATION",
                "applicationId",
                "$PORTAL/applications -d '{\"name\": \"my-first\", \"throttlingPolicy\": \
                 \"Unlimited\"}'",
            ),
            "an application",
        ),
        line(
            ask(&format!(
                "$PORTAL/applications/$APPLICATION/map-keys -d '{{\"consumerKey\": \"{}\", \
                 \"keyType\": \"PRODUCTION\"}}'",
                NEW_CLIENT.0
            )),
            "the client is this application's production key",
        ),
        line(id("API", "id", "\"$PORTAL/apis?query=name:accounts\""), "the API"),
        line(
            ask("$PORTAL/subscriptions -d \"{\\\"applicationId\\\": \\\"$APPLICATION\\\", \
                 \\\"apiId\\\": \\\"$API\\\", \\\"throttlingPolicy\\\": \\\"Gold\\\"}\""),
            "a subscription",
        ),
        line(call(), "200: nothing was reloaded"),
        line(
            ask("-X DELETE $PORTAL/applications/$APPLICATION"),
            "takes it away again, and the client with it",
        ),
        line(call(), "403 at once"),
    ]
}

fn line(command: String, expect: &'static str) -> CurlLine {
    CurlLine { command, expect }
}

/// Gets a token into a variable of the shell.
fn token(
    authorization_server: SocketAddr,
    variable: &str,
    (id, secret): (&str, &str),
    scope: &str,
) -> String {
    format!(
        "{variable}=$(curl -s -u {id}:{secret} -d grant_type=client_credentials -d \
         'scope={scope}' http://{authorization_server}{TOKEN_PATH} | sed -E \
         's/.*\"access_token\":\"([^\"]+)\".*/\\1/')"
    )
}

/// Calls with the token of a variable.
fn called(ca: &str, variable: &str, rest: &str) -> String {
    format!("curl -i --cacert {ca} -H \"Authorization: Bearer ${variable}\" {rest}")
}
