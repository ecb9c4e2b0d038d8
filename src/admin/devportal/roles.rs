//! Permissions by role: of key managers, and of throttling policies.

use serde_json::Value;

/// Tells whether a caller with these roles is permitted. A permission has a `type` (or WSO2's
/// `permissionType`) and `roles`. Its type is public, allow or deny. An unknown type permits no
/// caller.
pub(in crate::admin) fn permits(permission: Option<&Value>, own: &[String]) -> bool {
    let Some(permission) = permission.filter(|permission| !permission.is_null()) else {
        return true;
    };
    let kind = permission.get("type").or_else(|| permission.get("permissionType"));
    let listed = permission.get("roles").and_then(Value::as_array);
    let mut listed = listed.into_iter().flatten().filter_map(Value::as_str);
    let holds = listed.any(|role| own.iter().any(|own| own == role));
    match kind.and_then(Value::as_str).map(str::to_ascii_lowercase).as_deref() {
        Some("public") => true,
        Some("allow") => holds,
        Some("deny") => !holds,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn roles_decide() {
        let own = ["dev".to_owned()];
        let cases = [
            (json!(null), true),
            (json!({ "type": "public" }), true),
            (json!({ "permissionType": "PUBLIC", "roles": [] }), true),
            (json!({ "type": "allow", "roles": ["dev"] }), true),
            (json!({ "type": "allow", "roles": ["ops"] }), false),
            (json!({ "permissionType": "DENY", "roles": ["dev"] }), false),
            (json!({ "type": "deny", "roles": ["ops"] }), true),
            (json!({ "type": "odd", "roles": ["dev"] }), false),
            (json!({}), false),
        ];
        for (permission, expected) in cases {
            assert_eq!(permits(Some(&permission), &own), expected, "{permission}");
        }
        assert!(permits(None, &[]));
    }
}
