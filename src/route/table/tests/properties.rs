//! The table against a matcher that tries every operation, and against backends that read paths leniently.

use super::*;

const METHODS: [&str; 4] = ["GET", "POST", "HEAD", "*"];

fn template() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec!["a", "b", "me", "a.b", "a%20b", "x%2A", "{p}"]);
    (prop::collection::vec(segment, 0..4), any::<bool>()).prop_map(|(segments, tail)| {
        let mut text = String::new();
        for (position, segment) in segments.iter().enumerate() {
            text.push('/');
            text.push_str(&segment.replace("{p}", &format!("{{p{position}}}")));
        }
        if tail || text.is_empty() {
            text.push_str(if tail { "/*" } else { "/" });
        }
        text
    })
}

fn table() -> impl Strategy<Value = Vec<Operation>> {
    let written = (prop::sample::select(METHODS.to_vec()), template());
    prop::collection::vec(written, 1..12).prop_map(|written| {
        let mut operations: Vec<Operation> = Vec::new();
        for (method, template) in written {
            let new = operation(method, &template);
            if !operations.iter().any(|other| {
                other.method == new.method && other.template.shape() == new.template.shape()
            }) {
                operations.push(new);
            }
        }
        operations
    })
}

fn sent_path() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/", "/", "/", "//", "/.", "/..", "a", "b", "me", "a.b", "a%20b", "x*", "x%2a", "z", ";v",
        "%3bv", "%61", "%2561", "%252f", "%25", "%2e", "%5c", "%2F", "%C3%A9", ".", " ",
    ]);
    prop::collection::vec(piece, 0..10).prop_map(|pieces| format!("/{}", pieces.concat()))
}

fn served(operations: Vec<Operation>) -> RouteTable {
    let mut api = api("/base", &[]);
    api.operations = operations;
    RouteTable::build(&[api])
}

/// The best operation by trying each one, over segments that are decoded already.
fn naive(
    operations: &[Operation],
    segments: &[String],
    slash: bool,
    method: &Method,
) -> Option<u32> {
    let fits = |operation: &Operation| {
        let by_method = match &operation.method {
            OperationMethod::Exact(own) if own == method => 0,
            OperationMethod::Exact(own) if own == Method::GET && method == Method::HEAD => 1,
            OperationMethod::Exact(_) => return None,
            OperationMethod::Any => 2,
        };
        let mut key = Vec::new();
        let mut rest = segments.iter();
        for segment in operation.template.segments() {
            match (segment, rest.next()?) {
                (Segment::Literal(literal), sent) if decode_fully(literal) == *sent => key.push(0),
                (Segment::Parameter(_), _) => key.push(1),
                _ => return None,
            }
        }
        match (operation.template.tail(), rest.next().is_some()) {
            (Tail::Exact, true) => return None,
            (Tail::Below, true) => key.push(2),
            (Tail::Exact, false) => key.push(i32::from(slash)),
            (Tail::Below, false) => key.push(i32::from(!slash)),
        }
        key.push(by_method);
        Some(key)
    };
    let fitting = operations
        .iter()
        .zip(0_u32..)
        .filter_map(|(operation, position)| Some((fits(operation)?, position)));
    fitting.min().map(|(_, position)| position)
}

/// Decodes until nothing changes, as the most careless chain of backends would.
fn decode_fully(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    loop {
        let mut decoded = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let digits =
                bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
            match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                Some(byte) if bytes[at] == b'%' => {
                    decoded.push(byte);
                    at += 3;
                }
                _ => {
                    decoded.push(bytes[at]);
                    at += 1;
                }
            }
        }
        if decoded == bytes {
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        bytes = decoded;
    }
}

/// A path as a lenient backend reads it: decoded, backslashes turned, parameters cut, slashes folded, dots removed.
fn read_leniently(path: &str, cut: bool) -> (Vec<String>, bool) {
    let decoded = decode_fully(path).replace('\\', "/");
    let mut segments: Vec<String> = Vec::new();
    let mut slash = false;
    for segment in decoded.split('/').skip(1) {
        let segment = if cut { segment.split(';').next().unwrap_or_default() } else { segment };
        slash = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            _ => segments.push(segment.to_owned()),
        }
    }
    (segments, slash)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// For every path that is let through, the operation is the one that lenient and strict backends come to as well,
    /// whether they are handed the path as sent or as forwarded.
    #[test]
    fn no_reading_of_a_path_reaches_another_operation(
        operations in table(),
        sent in sent_path(),
        method in prop::sample::select(vec!["GET", "POST", "HEAD", "PUT"]),
    ) {
        let method: Method = method.parse().unwrap();
        let sent = format!("/base{sent}");
        let table = served(operations.clone());
        if let Ok(path) = normalise(&sent) {
            match table.find("", &path, &method) {
                Ok(found) => for reading in [read_leniently(&sent, true), read_leniently(path.as_str(), true), read_leniently(&sent, false)] {
                    let (segments, slash) = reading;
                    prop_assert_eq!(&segments[0], "base");
                    prop_assert_eq!(naive(&operations, &segments[1..], slash, &method), Some(found.operation));
                },
                Err(NotFound::Operation { .. } | NotFound::Method { .. }) => {
                    let (segments, slash) = read_leniently(path.as_str(), true);
                    prop_assert_eq!(naive(&operations, &segments[1..], slash, &method), None);
                }
                Err(NotFound::PathParameters) => prop_assert!(path.as_str().contains(';') || path.as_str().contains("%3B")),
                Err(NotFound::Api) => prop_assert!(!path.as_str().starts_with("/base/") && path.as_str() != "/base"),
            }
        }
    }

    /// Plain paths only, so that each case compares a search.
    #[test]
    fn the_tree_finds_what_trying_every_operation_finds(
        operations in table(),
        segments in prop::collection::vec(prop::sample::select(vec!["a", "b", "me", "a.b", "z", "x*"]), 0..5),
        slash in any::<bool>(),
        method in prop::sample::select(vec!["GET", "POST", "HEAD", "PUT"]),
    ) {
        let method: Method = method.parse().unwrap();
        let sent = format!("/base/{}{}", segments.join("/"), if slash { "/" } else { "" });
        let slash = slash || segments.is_empty();
        let table = served(operations.clone());
        let found = table.find("", &normalise(&sent).unwrap(), &method);
        let segments: Vec<String> = segments.into_iter().map(str::to_owned).collect();
        prop_assert_eq!(found.as_ref().ok().map(|found| found.operation), naive(&operations, &segments, slash, &method));
        if let Err(NotFound::Method { allowed, .. }) = found {
            for method in allowed {
                prop_assert!(naive(&operations, &segments, slash, &method).is_some());
            }
        }
    }
}
