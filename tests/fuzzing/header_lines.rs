//! A header block as text, one field a line: `name: value`. Lines that are no field are left out.

use http::{HeaderMap, HeaderName, HeaderValue};

pub(crate) fn read(text: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in text.split(|byte| *byte == b'\n').take(MOST_FIELDS) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else { continue };
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value.trim_ascii()))
        {
            headers.append(name, value);
        }
    }
    headers
}

/// As many as the gateway takes by default.
const MOST_FIELDS: usize = 100;
