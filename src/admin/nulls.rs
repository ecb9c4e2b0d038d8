//! Members without a value: WSO2's definitions know no `null`, so an answer leaves them out.

use serde_json::Value;

/// Removes members that are `null`, at every depth.
pub(super) fn without_nulls(mut value: Value) -> Value {
    remove(&mut value);
    value
}

fn remove(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(remove);
        }
        Value::Array(elements) => elements.iter_mut().for_each(remove),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_member_is_null() {
        let written = json!({ "a": null, "b": [{ "c": null, "d": "" }, null], "e": { "f": null } });
        assert_eq!(without_nulls(written), json!({ "b": [{ "d": "" }, null], "e": {} }));
    }
}
