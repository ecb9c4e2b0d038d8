//! Reads a token from a file or standard input, as it was pasted.

use std::io::Read;
use std::path::Path;

/// The largest file: far larger than any token that would be accepted.
const MOST_TOKEN: u64 = 1024 * 1024;

/// Returns the file's text; `-` is standard input.
pub(super) fn read(path: &Path) -> std::io::Result<String> {
    let mut token = String::new();
    if path.as_os_str() == "-" {
        std::io::stdin().lock().take(MOST_TOKEN).read_to_string(&mut token)?;
    } else {
        std::fs::File::open(path)?.take(MOST_TOKEN).read_to_string(&mut token)?;
    }
    Ok(token)
}

/// Returns the token itself, without `Bearer` and without white space around it.
pub(super) fn bare(text: &str) -> &str {
    let text = text.trim();
    match text.split_once(char::is_whitespace) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => rest.trim(),
        _ => text,
    }
}
