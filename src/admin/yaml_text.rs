//! YAML as callers write it, within bounds.

use serde_json::Value;

/// Values of a document. Aliases count as often as they are used.
const MOST_NODES: usize = 200_000;

/// Levels of a document. JSON's reader stops at as many.
const MOST_DEPTH: usize = 100;

const MOST_ALIASES: usize = 1_000;

/// Reads a document. An error tells what is wrong with it, in words for its author.
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
