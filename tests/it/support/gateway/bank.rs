//! The bank: one API with everything that a refusal can be about, and a signer for its tokens.

use serde_json::Value;

use crate::support::config::{Api, Config, api, application};
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::signer::{Signer, claims};

pub(crate) const ISSUER: &str = "https://issuer.example/oauth2/token";

/// A gateway in front of a production and a sandbox backend.
pub(crate) struct Bank {
    pub(crate) gateway: Gateway,
    pub(crate) production: Origin,
    pub(crate) sandbox: Origin,
    pub(crate) signer: Signer,
    pub(crate) config: Config,
}

impl Bank {
    pub(crate) async fn open() -> Bank {
        Bank::of(|config| config).await
    }

    /// With more tables at the end of `gateway.toml`.
    pub(crate) async fn with(more: &str) -> Bank {
        Bank::of(|config| config.tables(more)).await
    }

    /// With one more API.
    pub(crate) async fn beside(api: Api) -> Bank {
        Bank::of(|config| config.api(api)).await
    }

    /// With a changed `gateway.toml`.
    pub(crate) async fn of(change: impl FnOnce(Config) -> Config) -> Bank {
        let (production, sandbox, signer) =
            (Origin::start(), Origin::start(), Signer::new("key-1"));
        let config = change(config(&production.url(), &sandbox.url(), &signer));
        let gateway = config.start().await;
        Bank { gateway, production, sandbox, signer, config }
    }

    /// Reloads with a changed `gateway.toml`.
    pub(crate) async fn reload(
        &self,
        change: impl FnOnce(Config) -> Config,
    ) -> Result<u64, String> {
        self.gateway.change(&change(self.config.clone())).await
    }

    /// A good token of the subscribed application's production key.
    pub(crate) fn token(&self) -> String {
        self.token_of("good", "accounts:read")
    }

    pub(crate) fn token_of(&self, client: &str, scope: &str) -> String {
        self.signer.sign(&claims(ISSUER, client, scope))
    }

    /// A good token but for these claims; null takes one away.
    pub(crate) fn token_with(&self, changes: &Value) -> String {
        let mut claims = claims(ISSUER, "good", "accounts:read");
        for (name, value) in changes.as_object().expect("an object") {
            if value.is_null() {
                claims.as_object_mut().expect("an object").remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        self.signer.sign(&claims)
    }

    /// The facts that most tests ask of an answer.
    pub(crate) async fn code(&self, path: &str, token: Option<&str>) -> (u16, Value) {
        let answer = self.gateway.get(path, token).await;
        let body = serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
        (answer.status().as_u16(), body)
    }
}

/// The bank's `gateway.toml`, in front of these backends.
pub(crate) fn config(production: &str, sandbox: &str, signer: &Signer) -> Config {
    let limits = "connect_timeout = \"500ms\"\nresponse_timeout = \"500ms\"";
    let sandbox = format!("urls = [\"{sandbox}\"]");
    let accounts = api("accounts:1.0.0")
        .lines("key_managers = [\"bank-is\"]\nmax_body_bytes = \"1KiB\"")
        .to(&format!("{production}/base"))
        .production(limits)
        .sandbox(&sandbox)
        .operation("method = \"GET\", path = \"/accounts/{id}\", scopes = [\"accounts:read\"]")
        .operation(
            "method = \"POST\", path = \"/accounts\", scopes = [\"accounts:write\", \"accounts:read\"]",
        )
        .operation("method = \"DELETE\", path = \"/accounts/{id}\", scopes = [\"accounts:write\"]")
        .operation("method = \"GET\", path = \"/status\", auth = \"none\"");
    let other =
        |name: &str| api(&format!("{name}:1.0.0")).operation("method = \"GET\", path = \"/*\"");
    let is = "type = \"WSO2-IS-7\"";
    let config = Config::new()
        .signed_by("bank-is", ISSUER, signer, is)
        .signed_by("other-is", "https://other.example/oauth2/token", signer, is)
        .signed_by(
            "closed-is",
            "https://closed.example/oauth2/token",
            signer,
            &format!("{is}\nenabled = false"),
        )
        .api(accounts)
        .api(other("production-only").to(production))
        .api(other("sandbox-only").sandbox(&sandbox))
        .api(other("audience").to(production).lines("audiences = [\"https://api.bank.example\"]"))
        .api(other("blocked").to(production).lines("lifecycle = \"blocked\""))
        .api(other("retired").to(production).lines("lifecycle = \"retired\""))
        .api(
            other("open")
                .to(production)
                .without_subscription()
                .lines("forward_authorization = true"),
        );
    applications(config)
}

fn applications(config: Config) -> Config {
    const ACCOUNTS: &str = "accounts:1.0.0";
    let of_bank = |name: &str| application(name).key("bank-is", name);
    let good =
        of_bank("good").key_of("sandbox", "bank-is", "good-sandbox").lines("owner = \"charlie\"");
    let subscribed = ["accounts", "production-only", "sandbox-only", "audience", "blocked"];
    let good = subscribed.iter().fold(good, |good, name| good.subscribed(&format!("{name}:1.0.0")));
    config
        .application(good)
        .application(of_bank("unsubscribed").unsubscribed())
        .application(of_bank("blocked").subscribed_as(ACCOUNTS, "blocked"))
        .application(
            of_bank("half-blocked")
                .key_of("sandbox", "bank-is", "half-blocked-sandbox")
                .subscribed_as(ACCOUNTS, "prod_only_blocked"),
        )
        .application(of_bank("on-hold").subscribed_as(ACCOUNTS, "on_hold"))
        .application(of_bank("rejected").subscribed_as(ACCOUNTS, "rejected"))
        .application(application("elsewhere").key("other-is", "elsewhere").subscribed(ACCOUNTS))
}
