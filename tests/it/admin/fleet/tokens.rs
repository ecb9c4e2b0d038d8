//! Tokens of the gateway's own token endpoint, on two processes that have one store.

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use crate::support::client::{Client, Protocol};
use crate::support::credentials::basic;
use crate::support::password::hash;
use crate::support::postgres::{PASSWORD, PostgresProcess};
use crate::support::program::Program;
use crate::support::within;

const USERS: &str = "/api/portcullis/v1/users";
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

const KEY: &str = "encryption_key = \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"";
const OTHER_KEY: &str = "encryption_key = \"BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"";

/// Two processes; "admin" is a user of their files.
struct Processes {
    one: Program,
    other: Program,
    database: String,
    _server: PostgresProcess,
}

impl Processes {
    /// With this key.
    fn start(key: &str) -> Processes {
        let server = PostgresProcess::start();
        let database =
            format!("url = \"{}\"\npassword = \"{PASSWORD}\"\n", server.database("fleet"));
        let [one, other] = ["one", "other"].map(|name| process(name, &database, key));
        Processes { one, other, database, _server: server }
    }

    /// The status of a call that administrators may make, with this token, at each of them.
    async fn statuses(&self, token: &str) -> [u16; 2] {
        [at(&self.one, token).await.0, at(&self.other, token).await.0]
    }
}

fn process(name: &str, database: &str, key: &str) -> Program {
    let user =
        format!("{{ name = \"admin\", password_hash = \"{}\", roles = [\"admin\"] }}", hash());
    let more = format!(
        "users = [{user}]\n[gateway]\nname = \"{name}\"\nworkers = 1\n[store]\n{database}{key}"
    );
    let mut program = Program::new("http://127.0.0.1:1", &more);
    program.start();
    program.wait_until_ready();
    program
}

async fn call(
    program: &Program,
    (method, path): (&str, &str),
    credentials: &str,
    kind: &str,
    body: &str,
) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(format!("http://127.0.0.1:{}{path}", program.management))
        .header("authorization", credentials)
        .header("content-type", kind)
        .body(Bytes::from(body.to_owned()))
        .unwrap();
    let answer = within("an answer", Client::plain(Protocol::Http1).send(request)).await.unwrap();
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or_default())
}

/// The answer to a call that administrators may make.
async fn at(program: &Program, token: &str) -> (u16, Value) {
    call(program, ("GET", USERS), &format!("Bearer {token}"), JSON, "").await
}

/// Registers a client of a user and returns its credentials.
async fn registered(program: &Program, user: &str) -> String {
    let body = json!({ "clientName": "tool", "grantType": "password refresh_token" }).to_string();
    let register = ("POST", "/client-registration/v0.17/register");
    let (status, client) = call(program, register, &basic(user, "secret"), JSON, &body).await;
    assert_eq!(status, 200, "{client}");
    basic(&text(&client["clientId"]), &text(&client["clientSecret"]))
}

async fn token(program: &Program, tool: &str, form: &str) -> (u16, Value) {
    call(program, ("POST", "/oauth2/token"), tool, FORM, form).await
}

/// An access token and a refresh token of a user.
async fn signed_in(program: &Program, tool: &str, user: &str, password: &str) -> [String; 2] {
    let form = format!("grant_type=password&username={user}&password={password}&scope=apim:admin");
    let (status, answer) = token(program, tool, &form).await;
    assert_eq!(status, 200, "{answer}");
    [text(&answer["access_token"]), text(&answer["refresh_token"])]
}

async fn refreshed(program: &Program, tool: &str, refresh: &str) -> (u16, Value) {
    token(program, tool, &format!("grant_type=refresh_token&refresh_token={refresh}")).await
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_at_every_gateway_and_after_a_crash() {
    let mut fleet = Processes::start(KEY);
    let tool = registered(&fleet.one, "admin").await;
    // the client is known to both
    let [access, refresh] = signed_in(&fleet.other, &tool, "admin", "secret").await;
    assert_eq!(fleet.statuses(&access).await, [200, 200]);
    for program in [&mut fleet.one, &mut fleet.other] {
        program.signal("KILL");
        program.wait();
        program.start();
        program.wait_until_ready();
    }
    assert_eq!(fleet.statuses(&access).await, [200, 200]);
    // a refresh token is good for one use, wherever
    let (status, second) = refreshed(&fleet.one, &tool, &refresh).await;
    assert_eq!(status, 200, "{second}");
    for program in [&fleet.other, &fleet.one] {
        let (status, refused) = refreshed(program, &tool, &refresh).await;
        assert_eq!((status, &refused["error"]), (400, &json!("invalid_grant")));
    }
    let second = text(&second["access_token"]);
    assert_eq!(fleet.statuses(&second).await, [200, 200]);
    // and a token that is ended at one is ended at all, also after a restart
    let form = format!("token={second}");
    assert_eq!(call(&fleet.one, ("POST", "/oauth2/revoke"), &tool, FORM, &form).await.0, 200);
    assert_eq!(fleet.statuses(&second).await, [401, 401]);
    fleet.other.signal("KILL");
    fleet.other.wait();
    fleet.other.start();
    fleet.other.wait_until_ready();
    assert_eq!(fleet.statuses(&second).await, [401, 401]);
    assert_eq!(fleet.statuses(&access).await, [200, 200], "the other one goes on");
    for program in [&fleet.one, &fleet.other] {
        let log = program.log();
        assert!(!log.contains("ptc1.") && !log.contains(&access), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_tokens_are_refused_and_told_nothing() {
    let fleet = Processes::start(KEY);
    let tool = registered(&fleet.one, "admin").await;
    let [access, refresh] = signed_in(&fleet.one, &tool, "admin", "secret").await;
    let stranger = process("stranger", &fleet.database, OTHER_KEY);
    let [foreign, _] = signed_in(&stranger, &tool, "admin", "secret").await;
    assert_eq!(at(&stranger, &foreign).await.0, 200);
    let middle = access.len() / 2;
    let other = if access.as_bytes()[middle] == b'A' { "B" } else { "A" };
    let changed = [&access[..middle], other, &access[middle + 1..]].concat();
    let unknown = at(&fleet.one, "unheard-of").await;
    assert_eq!(unknown.0, 401);
    for bad in [&*foreign, &changed, &access[..middle], &refresh, "ptc1.", "ptc1.x.y"] {
        assert_eq!(at(&fleet.one, bad).await, unknown, "{bad}");
        assert_eq!(at(&fleet.other, bad).await.0, 401, "{bad}");
    }
    assert_eq!(refreshed(&fleet.one, &tool, &access).await.0, 400);
    // another client's token is not this one's to use or to end
    let another = registered(&fleet.other, "admin").await;
    assert_eq!(refreshed(&fleet.one, &another, &refresh).await.0, 400);
    let form = format!("token={access}");
    assert_eq!(call(&fleet.one, ("POST", "/oauth2/revoke"), &another, FORM, &form).await.0, 200);
    assert_eq!(fleet.statuses(&access).await, [200, 200]);
    assert_eq!(refreshed(&fleet.other, &tool, &refresh).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_or_deleted_user_has_no_token_anywhere() {
    let fleet = Processes::start(KEY);
    let admin = basic("admin", "secret");
    let user = json!({ "name": "dora", "password": "long enough", "roles": ["admin"] });
    let (status, made) = call(&fleet.one, ("POST", USERS), &admin, JSON, &user.to_string()).await;
    assert_eq!(status, 201, "{made}");
    let tool = registered(&fleet.one, "admin").await;
    let [access, refresh] = signed_in(&fleet.one, &tool, "dora", "long+enough").await;
    assert_eq!(fleet.statuses(&access).await, [200, 200]);
    let own = format!("Bearer {access}");
    let change =
        json!({ "currentPassword": "long enough", "newPassword": "longer than that" }).to_string();
    let path = "/api/portcullis/v1/me/change-password";
    let (status, changed) = call(&fleet.other, ("POST", path), &own, JSON, &change).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(fleet.statuses(&access).await, [401, 401]);
    assert_eq!(refreshed(&fleet.one, &tool, &refresh).await.0, 400);
    let [access, refresh] = signed_in(&fleet.other, &tool, "dora", "longer+than+that").await;
    assert_eq!(refreshed(&fleet.one, &tool, &refresh).await.0, 200);
    assert_eq!(fleet.statuses(&access).await, [200, 200]);
    let one = format!("{USERS}/{}", text(&made["id"]));
    assert_eq!(call(&fleet.one, ("DELETE", &one), &admin, JSON, "").await.0, 200);
    assert_eq!(fleet.statuses(&access).await, [401, 401]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_a_token_is_good_where_it_was_issued() {
    let fleet = Processes::start("");
    let tool = registered(&fleet.one, "admin").await;
    let [access, refresh] = signed_in(&fleet.one, &tool, "admin", "secret").await;
    assert_eq!(fleet.statuses(&access).await, [200, 401]);
    assert_eq!(refreshed(&fleet.other, &tool, &refresh).await.0, 400);
    assert_eq!(refreshed(&fleet.one, &tool, &refresh).await.0, 200);
    assert_eq!(refreshed(&fleet.one, &tool, &refresh).await.0, 400);
}
