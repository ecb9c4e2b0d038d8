//! Claims that lie below others, as Keycloak's roles do: `scopes_claim = "realm_access.roles"`.

use serde_json::{Value, json};

use crate::support::config::{Config, api, application};
use crate::support::gateway::Gateway;
use crate::support::origin::Origin;
use crate::support::signer::Signer;

const ISSUER: &str = "https://as.example";

struct Stage {
    gateway: Gateway,
    signer: Signer,
    _backend: Origin,
}

impl Stage {
    async fn of(key_manager: &str) -> Stage {
        let (backend, signer) = (Origin::start(), Signer::new("key-1"));
        let gateway = Config::new()
            .signed_by("as", ISSUER, &signer, key_manager)
            .api(
                api("t:1.0.0")
                    .to(&backend.url())
                    .operation("method = \"*\", path = \"/*\", scopes = [\"orders\"]"),
            )
            .application(application("app").key("as", "client"))
            .start()
            .await;
        Stage { gateway, signer, _backend: backend }
    }

    async fn status(&self, more: Value) -> u16 {
        let exp = jsonwebtoken::get_current_timestamp() + 600;
        let mut claims = json!({ "iss": ISSUER, "azp": "client", "exp": exp });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let token = self.signer.sign(&claims);
        self.gateway.status("/t/1.0.0/x", &token).await
    }
}

#[tokio::test]
async fn scopes_are_found_below_other_claims() {
    let stage = Stage::of("scopes_claim = \"realm_access.roles\"").await;
    for (more, status) in [
        (json!({ "realm_access": { "roles": ["admin", "orders"] } }), 200),
        (json!({ "realm_access": { "roles": "admin orders" } }), 200),
        (json!({ "realm_access": { "roles": ["admin"] } }), 403),
        (json!({ "realm_access": { "roles": [["orders"], { "orders": 1 }] } }), 403),
        (json!({ "realm_access": { "roles": { "orders": true } } }), 403),
        (json!({ "realm_access": ["orders"] }), 403),
        (json!({ "realm_access": "orders", "roles": ["orders"], "scope": "orders" }), 403),
        // a claim of that very name comes first, whatever lies below
        (json!({ "realm_access.roles": "orders" }), 200),
        (json!({ "realm_access.roles": "none", "realm_access": { "roles": ["orders"] } }), 403),
    ] {
        assert_eq!(stage.status(more.clone()).await, status, "{more}");
    }
}

#[tokio::test]
async fn names_on_the_way_may_hold_dots() {
    let stage = Stage::of("scopes_claim = \"resource_access.shop.example.roles\"").await;
    let more = json!({ "resource_access": { "shop.example": { "roles": ["orders"] } } });
    assert_eq!(stage.status(more).await, 200);
    let stage = Stage::of("scopes_claim = \"https://shop.example/claims/roles\"").await;
    assert_eq!(stage.status(json!({ "https://shop.example/claims/roles": ["orders"] })).await, 200);
}

#[tokio::test]
async fn the_client_and_the_choice_of_a_key_manager_may_lie_below() {
    let stage = Stage::of(
        "consumer_key_claim = \"client.id\"\ntoken_handling = [{ type = \"jwt\", claims = { \"tenant.name\" = \"^shop$\" } }]",
    )
    .await;
    let with = |id: &str, tenant: &str| json!({ "azp": null, "client": { "id": id }, "tenant": { "name": tenant }, "scope": "orders" });
    assert_eq!(stage.status(with("client", "shop")).await, 200);
    assert_eq!(stage.status(with("nobody", "shop")).await, 403);
    assert_eq!(stage.status(with("client", "bank")).await, 401);
}
