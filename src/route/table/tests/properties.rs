//! The table against a matcher that tries every operation, and against backends that read paths leniently.

use super::*;

const METHODS: [&str; 4] = ["GET", "POST", "HEAD", "*"];

fn template() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec!["a", "b", "me", "a.b", "a,b", "a%20b", "x%2A", "{p}"]);
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
        "%3bv", ",", "%2C", "%3A", "|", "%61", "%2561", "%252f", "%25", "%2e", "%5c", "%2F",
        "%C3%A9", ".", " ",
    ]);
    prop::collection::vec(piece, 0..10).prop_map(|pieces| format!("/{}", pieces.concat()))
}

/// Paths that only some settings let through, and those that attack them.
fn kept_path() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/", "/", "//", "a", "b", "me", "a,b", "z", "%2F", "%2f", "%252F", "%25252f", "%2525",
        "%25", "%32F", ";v", "%3bv", "%253b", "..", ".", "%2e", "%252e", "%61", "%2561", "%2C",
        "%252C",
    ]);
    prop::collection::vec(piece, 0..8).prop_map(|pieces| format!("/{}", pieces.concat()))
}

/// No token, and tokens with these scopes.
const TOKENS: [Option<&[&str]>; 5] =
    [None, Some(&[]), Some(&["x"]), Some(&["y"]), Some(&["x", "y"])];

fn ask(operation: &mut Operation, rule: usize) {
    let scopes: &[&str] = [&[][..], &[], &["x"], &["y"], &["x", "y"]][rule];
    operation.auth = if rule == 0 { AuthScheme::None } else { AuthScheme::Required };
    operation.scopes = scopes.iter().map(|scope| Scope::try_from(*scope).unwrap()).collect();
}

fn passes(operation: &Operation, token: Option<&[&str]>) -> bool {
    let held = |scopes: &[&str]| {
        operation.scopes.is_empty()
            || operation.scopes.iter().any(|scope| scopes.contains(&scope.as_str()))
    };
    operation.auth == AuthScheme::None || token.is_some_and(held)
}

/// A path as backends read it that decode so and so often, cut parameters or not, and fold slashes or not.
fn every_reading(path: &str) -> Vec<(Vec<String>, bool)> {
    let mut readings = Vec::new();
    let mut text = path.to_owned();
    for _ in 0..5 {
        text = decode_once(&text);
        for (cut, merge) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut segments: Vec<String> = Vec::new();
            let mut slash = false;
            let parts: Vec<&str> = text.split('/').skip(1).collect();
            for (position, part) in parts.iter().enumerate() {
                let part = if cut { part.split(';').next().unwrap_or_default() } else { part };
                let last = position + 1 == parts.len();
                slash = matches!(part, "" | "." | "..");
                match part {
                    "" if merge || last => {}
                    "." => {}
                    ".." => drop(segments.pop()),
                    _ => segments.push(part.to_owned()),
                }
            }
            readings.push((segments, slash));
        }
    }
    readings
}

fn served(operations: Vec<Operation>) -> RouteTable {
    let mut api = api("/base", &[]);
    api.operations = operations;
    built(&[api])
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
                (Segment::Parameter(_), sent) if !sent.is_empty() => key.push(1),
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
    let decoded = decode_once(text);
    if decoded == text { decoded } else { decode_fully(&decoded) }
}

fn decode_once(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
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
    String::from_utf8_lossy(&decoded).into_owned()
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

    /// For every path that is let through, lenient and strict backends find the same operation,
    /// from the path as sent and as forwarded.
    #[test]
    fn no_reading_of_a_path_reaches_another_operation(
        operations in table(),
        sent in sent_path(),
        method in prop::sample::select(vec!["GET", "POST", "HEAD", "PUT"]),
    ) {
        let method: Method = method.parse().unwrap();
        let sent = format!("/base{sent}");
        let table = served(operations.clone());
        if let Ok(path) = normalize(&sent) {
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
                Err(NotFound::OtherReading) => prop_assert!(path.as_str().contains("%2A") || path.as_str().contains("%2C")),
                Err(NotFound::PathParameters) => prop_assert!(path.as_str().contains(';') || path.as_str().contains("%3B")),
                Err(NotFound::Api) => prop_assert!(!path.as_str().starts_with("/base/") && path.as_str() != "/base"),
            }
        }
    }

    /// The same for a strict backend, which distinguishes `,` from `%2C`.
    #[test]
    fn a_backend_that_decodes_nothing_asks_for_no_more(
        operations in table(),
        sent in "(/(a|b|me|a,b|a%2Cb|x[*]|x%2A|z)){0,4}/?",
        rules in prop::collection::vec(0_usize..5, 12),
        method in prop::sample::select(vec!["GET", "POST"]),
    ) {
        let method: Method = method.parse().unwrap();
        let sent = format!("/base{sent}");
        let mut operations = operations;
        for (operation, rule) in operations.iter_mut().zip(rules) {
            ask(operation, rule);
        }
        if let Ok(found) = served(operations.clone()).find("", &normalize(&sent).unwrap(), &method) {
            // spelled so that the matcher's decoding changes nothing
            let (segments, slash) = read_leniently(&sent.replace("%2", "_"), false);
            let here = &operations[found.operation as usize];
            if let Some(there) = naive(&operations, &segments[1..], slash, &method) {
                let there = &operations[there as usize];
                for token in TOKENS {
                    prop_assert!(!passes(here, token) || passes(there, token), "{sent} as {segments:?}");
                }
            }
        }
    }

    /// Over all settings: any reading by a backend of a path that is let through requires no more
    /// than the gateway did.
    #[test]
    fn no_setting_lets_a_path_reach_an_operation_by_a_weaker_rule(
        operations in table(),
        rules in prop::collection::vec(0_usize..5, 12),
        sent in kept_path(),
        settings in (any::<bool>(), any::<bool>()),
        nested in any::<bool>(),
        method in prop::sample::select(vec!["GET", "POST"]),
    ) {
        let method: Method = method.parse().unwrap();
        let sent = format!("/base{sent}");
        let mut operations = operations;
        for (operation, rule) in operations.iter_mut().zip(rules) {
            ask(operation, rule);
        }
        let mut keeping = api("/base", &[]);
        keeping.operations.clone_from(&operations);
        keeping.paths = PathRules { keep_encoded_slashes: settings.0, keep_empty_segments: settings.1 };
        let other = api("/base/me", &[("*", "/*")]);
        let table = built(&if nested { vec![keeping, other] } else { vec![keeping] });
        let Ok(path) = table.normalize("", &sent) else { return Ok(()) };
        let Ok(found) = table.find("", &path, &method) else { return Ok(()) };
        if found.api.0 == 1 {
            return Ok(());
        }
        let here = &operations[found.operation as usize];
        for (segments, slash) in every_reading(path.as_str()) {
            let beside = nested && segments.get(1).is_some_and(|segment| segment == "me");
            prop_assert!(!beside, "{sent} is another API's as {segments:?}");
            if let Some(there) = naive(&operations, &segments[1..], slash, &method) {
                let there = &operations[there as usize];
                for token in TOKENS {
                    prop_assert!(!passes(here, token) || passes(there, token), "{sent} as {segments:?}");
                }
            }
        }
    }

    /// An encoded slash stays inside one parameter, or below a `*`.
    #[test]
    fn an_encoded_slash_is_part_of_a_segment(before in "[a-z]{1,3}", after in "[a-z]{1,3}") {
        let mut keeping = api("/base", &[("GET", "/{one}"), ("GET", "/{one}/{two}"), ("GET", "/files/*")]);
        keeping.paths.keep_encoded_slashes = true;
        let table = built(&[keeping]);
        for (sent, expected) in [(format!("/base/{before}%2F{after}"), 0), (format!("/base/{before}%2F{after}/x"), 1), (format!("/base/files/{before}%2F{after}"), 2)] {
            let path = table.normalize("", &sent).unwrap();
            let found = table.find("", &path, &Method::GET).map(|found| found.operation);
            prop_assert_eq!(found, Ok(expected), "{}", sent);
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
        let found = table.find("", &normalize(&sent).unwrap(), &method);
        let segments: Vec<String> = segments.into_iter().map(str::to_owned).collect();
        prop_assert_eq!(found.as_ref().ok().map(|found| found.operation), naive(&operations, &segments, slash, &method));
        if let Err(NotFound::Method { allowed, .. }) = found {
            for method in allowed {
                prop_assert!(naive(&operations, &segments, slash, &method).is_some());
            }
        }
    }
}
