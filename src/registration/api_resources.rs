//! Scopes at WSO2 Identity Server 7: an API resource that holds them, and roles that may have them.

use http::Method;
use serde_json::{Value, json};

use crate::fetch::form_encoded;
use crate::registration::call::CallBody;
use crate::registration::failure::RegistrationFailure;
use crate::registration::server::RegistrationServer;

/// The API resource that holds the scopes of all APIs: a scope can be of one resource only.
const RESOURCE: &str = "portcullis";

const RESOURCE_NAME: &str = "Portcullis";

/// More permissions of a role than a person assigns.
const MOST_PERMISSIONS: usize = 10_000;

/// A scope that APIs ask for, with the roles that may have it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiScope {
    pub name: String,
    pub roles: Vec<String>,
}

/// The addresses at which an administrator of the server registers scopes.
#[derive(Debug, Clone)]
pub struct ScopeEndpoints {
    pub api_resources: String,
    pub roles: Option<String>,
    /// Makes roles that are not there; otherwise scopes are given to existing roles only.
    pub creates_roles: bool,
}

impl RegistrationServer {
    /// Takes scopes away, from their roles too. Those that are gone already are as good.
    pub async fn forget_scopes(
        &self,
        endpoints: &ScopeEndpoints,
        scopes: &[String],
    ) -> Result<(), RegistrationFailure> {
        let Some(resource) = self.resource(endpoints).await? else { return Ok(()) };
        for scope in scopes {
            let url = format!("{resource}/scopes/{}", form_encoded(scope));
            match self.administer(Method::DELETE, &url, CallBody::None).await {
                Err(RegistrationFailure::Refused { status: 404 | 410, .. }) => {}
                other => drop(other?),
            }
        }
        Ok(())
    }

    /// Returns the address of the API resource that holds our scopes, if there is one.
    async fn resource(
        &self,
        endpoints: &ScopeEndpoints,
    ) -> Result<Option<String>, RegistrationFailure> {
        let address = endpoints.api_resources.trim_end_matches('/');
        let filter = form_encoded(&format!("identifier eq {RESOURCE}"));
        let url = format!("{address}?filter={filter}");
        let found = self.administer(Method::GET, &url, CallBody::None).await?;
        let id = found.get("apiResources").and_then(|all| all.get(0)?.get("id")?.as_str());
        Ok(id.map(|id| format!("{address}/{}", form_encoded(id))))
    }

    /// Registers the scopes that the server does not have yet, and gives them to their roles.
    pub async fn register_scopes(
        &self,
        endpoints: &ScopeEndpoints,
        scopes: &[ApiScope],
    ) -> Result<(), RegistrationFailure> {
        if let Some(resource) = self.resource(endpoints).await? {
            self.add_scopes(&resource, scopes).await?;
        } else {
            let address = endpoints.api_resources.trim_end_matches('/');
            let body = json!({
                "identifier": RESOURCE,
                "name": RESOURCE_NAME,
                "description": "The scopes of the APIs behind Portcullis",
                "requiresAuthorization": true,
                "scopes": scopes.iter().map(shown).collect::<Vec<_>>(),
            });
            self.administer(Method::POST, address, CallBody::Json(&body)).await?;
        }
        let Some(roles) = &endpoints.roles else { return Ok(()) };
        for scope in scopes {
            for role in &scope.roles {
                self.permit(roles, endpoints.creates_roles, role, &scope.name).await?;
            }
        }
        Ok(())
    }

    async fn add_scopes(
        &self,
        resource: &str,
        scopes: &[ApiScope],
    ) -> Result<(), RegistrationFailure> {
        let url = format!("{resource}/scopes");
        let own = self.administer(Method::GET, &url, CallBody::None).await?;
        let own: Vec<&str> = own
            .as_array()
            .ok_or_else(|| RegistrationFailure::unreadable(&url, "it is no list of scopes"))?
            .iter()
            .filter_map(|own| own.get("name")?.as_str())
            .collect();
        let missing = scopes.iter().filter(|scope| !own.contains(&scope.name.as_str()));
        let missing: Vec<_> = missing.map(shown).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let body = json!({ "addedScopes": missing });
        self.administer(Method::PATCH, resource, CallBody::Json(&body)).await.map(drop)
    }

    /// Gives a role a scope, which is a permission there.
    async fn permit(
        &self,
        endpoint: &str,
        creates_roles: bool,
        role: &str,
        scope: &str,
    ) -> Result<(), RegistrationFailure> {
        let endpoint = endpoint.trim_end_matches('/');
        let filter = form_encoded(&format!("displayName eq \"{}\"", role.replace(['"', '\\'], "")));
        let url = format!("{endpoint}?filter={filter}");
        let found = self.administer(Method::GET, &url, CallBody::None).await?;
        let id = found.get("Resources").and_then(|all| all.get(0)?.get("id")?.as_str());
        let permission = json!({ "value": scope, "display": scope });
        let Some(id) = id else {
            if creates_roles {
                let body = json!({ "displayName": role, "permissions": [permission] });
                self.administer(Method::POST, endpoint, CallBody::Json(&body)).await?;
            }
            return Ok(());
        };
        let url = format!("{endpoint}/{}", form_encoded(id));
        let role = self.administer(Method::GET, &url, CallBody::None).await?;
        let permissions = role.get("permissions").and_then(Value::as_array);
        let mut permissions = permissions.cloned().unwrap_or_default();
        let is = |own: &Value| own.get("value").and_then(Value::as_str) == Some(scope);
        if permissions.iter().any(is) || permissions.len() >= MOST_PERMISSIONS {
            return Ok(());
        }
        permissions.push(permission);
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{ "op": "replace", "value": { "permissions": permissions } }],
        });
        self.administer(Method::PATCH, &url, CallBody::Json(&body)).await.map(drop)
    }
}

fn shown(scope: &ApiScope) -> Value {
    json!({ "name": scope.name, "displayName": scope.name, "description": "" })
}
