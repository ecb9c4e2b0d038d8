//! What holds for every path that is let through: one spelling, and one operation in every reading.

use std::fmt::Write;
use std::sync::LazyLock;

use http::Method;
use portcullis::config;
use portcullis::route::{NotFound, RouteTable, normalize};

pub(crate) fn check(bytes: &[u8]) {
    let Ok(sent) = std::str::from_utf8(bytes) else { return };
    check_kept(sent);
    let Ok(path) = normalize(sent) else { return };
    has_the_normal_form(path.as_str(), sent);
    assert_eq!(normalize(path.as_str()).as_ref(), Ok(&path), "not idempotent");
    for method in [Method::GET, Method::DELETE] {
        let verdict = TABLE.find("", &path, &method);
        if let Ok(found) = &verdict {
            let rest = path
                .as_str()
                .get(found.base_length..)
                .expect("the base path ends between characters");
            assert!(
                rest.is_empty() || rest.starts_with('/'),
                "the base path ends within a segment: {path}"
            );
        }
        if matches!(verdict, Err(NotFound::PathParameters)) {
            assert!(path.as_str().contains(';') || path.as_str().contains("%3B"), "{path}");
            continue;
        }
        if matches!(verdict, Err(NotFound::OtherReading)) {
            assert!(path.as_str().contains('%'), "{path}");
            continue;
        }
        let here = verdict.as_ref().ok().map(|found| (found.api, found.operation));
        for (text, parameters) in
            [(sent, Parameters::Cut), (path.as_str(), Parameters::Cut), (sent, Parameters::Kept)]
        {
            let reading = read_leniently(text, parameters);
            let lenient = normalize(&reading).expect("a reading is a plain path");
            let there =
                TABLE.find("", &lenient, &method).ok().map(|found| (found.api, found.operation));
            assert!(
                here == there || (here.is_none() && text == sent),
                "{sent} is {path}, but {reading} to others"
            );
        }
    }
}

/// An API that keeps `%2F` and `//` is never asked for what a backend reads as another API's path.
fn check_kept(sent: &str) {
    let Ok(path) = KEEPING.normalize("", sent) else { return };
    let Ok(found) = KEEPING.find("", &path, &Method::GET) else { return };
    for text in [sent, path.as_str()] {
        let reading = read_leniently(text, Parameters::Cut);
        let lenient = normalize(&reading).expect("a plain path");
        if let Ok(there) = KEEPING.find("", &lenient, &Method::GET) {
            assert_eq!(found.api, there.api, "{sent} is {path}, but {lenient} to others");
        }
    }
}

fn has_the_normal_form(path: &str, sent: &str) {
    assert!(path.starts_with('/') && path.len() <= 3 * sent.len(), "{path}");
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        assert!(!segment.is_empty() || segments.peek().is_none(), "an empty segment: {path}");
        let name = segment.replace("%3B", ";");
        assert!(
            !matches!(name.split(';').next(), Some("." | "..")) && !name.starts_with(';'),
            "a dot segment: {path}"
        );
    }
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            assert!(*first == b'/' || PLAIN.contains(first), "{path}");
            continue;
        }
        let (digits, after) = after.split_at_checked(2).expect("two digits");
        assert!(digits.iter().all(|digit| b"0123456789ABCDEF".contains(digit)), "{path}");
        let byte = u8::from_str_radix(&String::from_utf8_lossy(digits), 16).expect("digits");
        assert!(!UNRESERVED.contains(&byte), "encoded without need: {path}");
        assert!(
            !byte.is_ascii_control() && !matches!(byte, b'/' | b'\\'),
            "an encoded delimiter: {path}"
        );
        let twice = after.get(..2).is_some_and(|next| next.iter().all(u8::is_ascii_hexdigit));
        assert!(byte != b'%' || !twice, "encoded twice: {path}");
        rest = after;
    }
}

/// RFC 3986 section 2.3.
const UNRESERVED: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

/// RFC 3986 `pchar`, the encoded ones apart.
const PLAIN: &[u8] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@";

#[derive(Clone, Copy, PartialEq)]
enum Parameters {
    Cut,
    Kept,
}

/// A path as the most careless backend reads it: decoded until nothing changes, backslashes turned, parameters cut,
/// slashes folded, dots removed. Spelled out again so that nothing in it has two readings.
fn read_leniently(path: &str, parameters: Parameters) -> String {
    let decoded = decode_fully(path.as_bytes());
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut slash = false;
    for segment in decoded.split(|byte| matches!(byte, b'/' | b'\\')).skip(1) {
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        let segment = if parameters == Parameters::Cut { name } else { segment };
        slash = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    let mut text = String::new();
    for segment in segments {
        text.push('/');
        for byte in segment {
            match byte {
                b';' => text.push(';'),
                _ if byte.is_ascii_alphanumeric() => text.push(char::from(*byte)),
                _ => drop(write!(text, "%{byte:02X}")),
            }
        }
    }
    if slash || text.is_empty() {
        text.push('/');
    }
    text
}

fn decode_fully(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let digits = after
            .get(..2)
            .filter(|digits| *first == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let byte = digits
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        decoded.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    if decoded == text { decoded } else { decode_fully(&decoded) }
}

static TABLE: LazyLock<RouteTable> = LazyLock::new(|| table(APIS));

static KEEPING: LazyLock<RouteTable> = LazyLock::new(|| {
    let kept = "context = \"/shop\"\nencoded_slashes = \"keep\"\nmerge_slashes = false\n";
    table(&APIS.replacen("context = \"/shop\"\n", kept, 1))
});

fn table(apis: &str) -> RouteTable {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, apis).expect("a file");
    RouteTable::build(&config::load(&path).expect("a configuration").model.apis)
}

/// Two base paths, one below the other, and operations of every kind.
const APIS: &str = r#"
[[apis]]
name = "shop"
version = "1"
context = "/shop"
production = { urls = ["http://127.0.0.1:1"] }
operations = [
  { method = "GET", path = "/" },
  { method = "GET", path = "/orders/{id}" },
  { method = "*", path = "/orders/me" },
  { method = "GET", path = "/files/*" },
  { method = "DELETE", path = "/files/caf%C3%A9" },
]

[[apis]]
name = "admin"
version = "1"
context = "/shop/1/admin"
production = { urls = ["http://127.0.0.1:1"] }
operations = [{ method = "*", path = "/*" }]
"#;
