//! The scopes of each operation: any one that WSO2's definitions name opens it, and no other does.

use http::Request;

use crate::support::bank::{Bank, ISSUER};
use crate::support::signer::claims;

const ADMIN: &str = "/api/am/admin/v4";
const PORTAL: &str = "/api/am/devportal/v3";
const PUBLISHER: &str = "/api/am/publisher/v4";

/// The id of no object, in place of `{}`.
const NOBODY: &str = "11111111-2222-3333-4444-555555555555";

/// The operations below a path that each of these scopes opens.
type Opened = (&'static str, &'static str, &'static [&'static str]);

const OPENED: &[Opened] = &[
    (
        ADMIN,
        "admin admin_operations keymanagers_manage",
        &[
            "GET /key-managers",
            "POST /key-managers",
            "GET /key-managers/{}",
            "PUT /key-managers/{}",
            "POST /key-managers/discover",
            "GET /global-key-managers",
            "POST /global-key-managers",
            "GET /global-key-managers/{}",
            "PUT /global-key-managers/{}",
            "DELETE /global-key-managers/{}",
        ],
    ),
    (
        ADMIN,
        "admin admin_operations",
        &[
            "DELETE /key-managers/{}",
            "GET /key-managers/{}/api-usages",
            "GET /key-managers/{}/app-usages",
        ],
    ),
    (
        ADMIN,
        "admin tier_view admin_tier_view policies_import_export",
        &["GET /throttling/policies/search"],
    ),
    (
        ADMIN,
        "admin tier_view admin_tier_view",
        &[
            "GET /throttling/policies/application",
            "GET /throttling/policies/application/{}",
            "GET /throttling/policies/subscription",
            "GET /throttling/policies/subscription/{}",
            "GET /throttling/policies/custom",
            "GET /throttling/policies/custom/{}",
            "GET /throttling/policies/advanced",
            "GET /throttling/policies/advanced/{}",
        ],
    ),
    (
        ADMIN,
        "admin tier_manage admin_tier_manage",
        &[
            "POST /throttling/policies/application",
            "PUT /throttling/policies/application/{}",
            "POST /throttling/policies/subscription",
            "PUT /throttling/policies/subscription/{}",
            "POST /throttling/policies/custom",
            "PUT /throttling/policies/custom/{}",
            "POST /throttling/policies/advanced",
            "PUT /throttling/policies/advanced/{}",
        ],
    ),
    (
        ADMIN,
        "admin tier_manage admin_tier_manage policies_import_export",
        &[
            "DELETE /throttling/policies/application/{}",
            "DELETE /throttling/policies/subscription/{}",
            "DELETE /throttling/policies/custom/{}",
            "DELETE /throttling/policies/advanced/{}",
            "GET /throttling/policies/export",
            "POST /throttling/policies/import",
        ],
    ),
    (ADMIN, "admin bl_view", &["GET /throttling/deny-policies", "GET /throttling/deny-policy/{}"]),
    (
        ADMIN,
        "admin bl_manage",
        &[
            "POST /throttling/deny-policies",
            "DELETE /throttling/deny-policy/{}",
            "PATCH /throttling/deny-policy/{}",
        ],
    ),
    (
        ADMIN,
        "admin app_settings_change app_owner_change app_import_export admin_application_view",
        &["GET /applications"],
    ),
    (ADMIN, "admin app_import_export admin_application_view", &["GET /applications/{}"]),
    (ADMIN, "admin app_import_export", &["DELETE /applications/{}"]),
    (ADMIN, "admin app_settings_change", &["POST /applications/{}/change-settings"]),
    (ADMIN, "admin app_owner_change", &["POST /applications/{}/change-owner"]),
    (ADMIN, "admin admin_settings", &["GET /settings"]),
    (
        PORTAL,
        "subscribe app_manage app_import_export",
        &["GET /applications", "DELETE /applications/{}"],
    ),
    (
        PORTAL,
        "subscribe app_manage",
        &[
            "POST /applications",
            "GET /applications/{}",
            "PUT /applications/{}",
            "POST /applications/{}/generate-keys",
            "POST /applications/{}/map-keys",
            "GET /applications/{}/oauth-keys",
            "GET /applications/{}/oauth-keys/{}",
            "PUT /applications/{}/oauth-keys/{}",
            "DELETE /applications/{}/oauth-keys/{}",
            "POST /applications/{}/oauth-keys/{}/regenerate-secret",
            "POST /applications/{}/oauth-keys/{}/clean-up",
            "POST /applications/{}/oauth-keys/{}/generate-token",
            "POST /applications/{}/oauth-keys/{}/generate-secret",
            "GET /applications/{}/oauth-keys/{}/secrets",
            "POST /applications/{}/oauth-keys/{}/revoke-secret",
            "GET /applications/{}/keys",
            "GET /applications/{}/keys/PRODUCTION",
            "PUT /applications/{}/keys/PRODUCTION",
            "POST /applications/{}/keys/PRODUCTION/regenerate-secret",
            "POST /applications/{}/keys/PRODUCTION/clean-up",
            "POST /applications/{}/keys/PRODUCTION/generate-token",
        ],
    ),
    (PORTAL, "app_import_export", &["GET /applications/export", "POST /applications/import"]),
    (PORTAL, "app_manage subscribe", &["POST /applications/{}/reset-throttle-policy"]),
    (
        PORTAL,
        "subscribe sub_manage",
        &[
            "GET /subscriptions",
            "POST /subscriptions",
            "POST /subscriptions/multiple",
            "GET /subscriptions/{}",
            "PUT /subscriptions/{}",
            "DELETE /subscriptions/{}",
            "GET /subscriptions/{}/usage",
        ],
    ),
    (PORTAL, "subscribe", &["GET /key-managers", "GET /settings/application-attributes"]),
    (PORTAL, "store_settings", &["GET /settings"]),
    (PUBLISHER, "api_view api_manage api_import_export api_list_view", &["GET /apis"]),
    (
        PUBLISHER,
        "api_create api_manage",
        &[
            "POST /apis",
            "POST /apis/import-openapi",
            "POST /apis/validate-openapi",
            "PUT /apis/{}/swagger",
        ],
    ),
    (
        PUBLISHER,
        "api_view api_manage api_import_export api_product_import_export",
        &["GET /apis/{}"],
    ),
    (
        PUBLISHER,
        "api_create api_manage api_publish",
        &["PUT /apis/{}", "POST /apis/{}/deploy-revision", "POST /apis/{}/restore-revision"],
    ),
    (PUBLISHER, "api_delete api_manage api_import_export", &["DELETE /apis/{}"]),
    (PUBLISHER, "api_publish api_manage api_import_export", &["POST /apis/change-lifecycle"]),
    (PUBLISHER, "api_view api_manage api_definition_view", &["GET /apis/{}/swagger"]),
    (PUBLISHER, "api_view api_manage", &["GET /apis/{}/subscription-policies"]),
    (PUBLISHER, "api_view api_publish api_manage", &["GET /apis/{}/lifecycle-history"]),
    (PUBLISHER, "api_view api_publish api_create api_manage", &["GET /apis/{}/lifecycle-state"]),
    (PUBLISHER, "api_publish api_manage", &["DELETE /apis/{}/lifecycle-state/pending-tasks"]),
    (
        PUBLISHER,
        "api_view api_create api_manage api_publish api_import_export",
        &["GET /apis/{}/revisions"],
    ),
    (
        PUBLISHER,
        "api_create api_manage api_publish api_import_export",
        &[
            "POST /apis/{}/revisions",
            "DELETE /apis/{}/revisions/{}",
            "POST /apis/{}/undeploy-revision",
        ],
    ),
    (
        PUBLISHER,
        "api_view api_create api_manage api_publish",
        &["GET /apis/{}/revisions/{}", "GET /apis/{}/deployments"],
    ),
    (
        PUBLISHER,
        "api_view mcp_server_view subscription_view subscription_manage",
        &[
            "GET /subscriptions",
            "GET /subscriptions/{}/usage",
            "GET /subscriptions/{}/subscriber-info",
        ],
    ),
    (
        PUBLISHER,
        "subscription_block subscription_manage",
        &["POST /subscriptions/block-subscription", "POST /subscriptions/unblock-subscription"],
    ),
    (PUBLISHER, "subscription_manage", &["POST /subscriptions/change-business-plan"]),
    (
        PUBLISHER,
        "api_view mcp_server_view tier_view tier_manage",
        &["GET /throttling-policies/api", "GET /throttling-policies/api/{}"],
    ),
    (PUBLISHER, "api_view mcp_server_view shared_scope_manage", &["GET /scopes", "GET /scopes/{}"]),
    (PUBLISHER, "shared_scope_manage", &["POST /scopes", "PUT /scopes/{}", "DELETE /scopes/{}"]),
    (
        PUBLISHER,
        "api_create api_publish api_manage mcp_server_create mcp_server_publish mcp_server_manage shared_scope_manage",
        &["HEAD /scopes/{}"],
    ),
    (PUBLISHER, "api_view api_manage shared_scope_manage", &["GET /scopes/{}/usage"]),
    (PUBLISHER, "api_view publisher_settings", &["GET /settings"]),
    (
        PUBLISHER,
        "api_view api_create api_manage mcp_server_view mcp_server_create mcp_server_manage",
        &["GET /key-managers"],
    ),
];

async fn status(bank: &Bank, line: &str, base: &str, scope: &str) -> u16 {
    let (method, path) = line.split_once(' ').unwrap();
    let url = bank.gateway.management_url(&format!("{base}{}", path.replace("{}", NOBODY)));
    let token = bank.signer.sign(&claims(ISSUER, "good", scope));
    let request = Request::builder()
        .method(method)
        .uri(url)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json");
    let body = if matches!(method, "POST" | "PUT" | "PATCH") { "{}" } else { "" };
    let answer = bank.gateway.send(request.body(bytes::Bytes::from(body)).unwrap()).await;
    answer.status().as_u16()
}

#[tokio::test]
async fn each_scope_of_wso2s_definitions_opens_its_operations() {
    let bank = Bank::of(|config| config.management("token_key_manager = \"bank-is\"")).await;
    for (base, scopes, lines) in OPENED {
        for line in *lines {
            for scope in scopes.split(' ') {
                let opened = status(&bank, line, base, &format!("apim:{scope}")).await;
                assert!(!matches!(opened, 401 | 403), "{scope} opens {line} of {base}: {opened}");
            }
            let others = "apim:none openid admin subscribe";
            assert_eq!(status(&bank, line, base, others).await, 403, "{others} open {line}");
        }
    }
}
