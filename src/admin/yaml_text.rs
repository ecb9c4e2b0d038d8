//! YAML of callers, within bounds.

use serde_json::Value;

use crate::admin::json_text::repeated_member;

/// The longest document, also after aliases are replaced.
const MOST_BYTES: usize = 1024 * 1024;

/// Values of a document. Aliases count as often as they are used.
const MOST_NODES: usize = 200_000;

/// Levels of a document. JSON's reader stops at as many.
const MOST_DEPTH: usize = 100;

const MOST_ALIASES: usize = 1_000;

/// Reads a document in JSON or YAML. A reader of YAML accepts JSON too, but describes faults in
/// another way.
pub(super) fn json_or_yaml(text: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned())?;
    if let Some(fault) = repeated_member(text.as_bytes()) {
        return Err(fault);
    }
    let read = serde_json::from_str(text).or_else(|_| yaml(text))?;
    // aliases can make a short document long
    if serde_json::to_string(&read).is_ok_and(|own| own.len() > MOST_BYTES) {
        return Err("it is longer than 1 MiB with its aliases replaced".to_owned());
    }
    Ok(read)
}

/// Reads a document. An error describes the fault in words for its author.
pub(super) fn yaml(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: MOST_NODES,
            max_events: MOST_NODES,
            max_depth: MOST_DEPTH,
            max_aliases: MOST_ALIASES,
            max_documents: 1,
        },
        with_snippet: false,
    };
    let read = serde_saphyr::from_str_with_options(text, options);
    read.map_err(|fault: serde_saphyr::Error| {
        // a message can repeat the document
        let told: String = fault.to_string().chars().take(200).collect();
        format!("it is not YAML that can be read: {told}")
    })
}
