//! The one spelling of a path, and paths that have none.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

fn normal(path: &str) -> String {
    normalize(path).unwrap_or_else(|error| panic!("{path}: {error}")).as_str().to_owned()
}

#[test]
fn spellings_of_one_path_become_one() {
    for (sent, expected) in [
        ("/", "/"),
        ("//", "/"),
        ("/./", "/"),
        ("/a/b", "/a/b"),
        ("/a/b/", "/a/b/"),
        ("/a//b", "/a/b"),
        ("/a///b//", "/a/b/"),
        ("/a/./b", "/a/b"),
        ("/a/.", "/a/"),
        ("/a/..", "/"),
        ("/a/b/..", "/a/"),
        ("/a/b/../c", "/a/c"),
        ("/a//../b", "/b"),
        ("/a/%2e%2E/b", "/b"),
        ("/a/.%2e/b", "/b"),
        ("/%2e/a", "/a"),
        ("/%61dmin", "/admin"),
        ("/%7Eme/%2D%5F", "/~me/-_"),
        ("/a%40b%3ac%2c%2B%3D", "/a%40b%3Ac%2C%2B%3D"),
        ("/a%2Cb,c", "/a%2Cb,c"),
        ("/%21%24%26%27%28%29%2a", "/%21%24%26%27%28%29%2A"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/a%20b", "/a%20b"),
        ("/100%25", "/100%25"),
        ("/100%25/20", "/100%25/20"),
        ("/%5b%5D%7b%22%3c", "/%5B%5D%7B%22%3C"),
        ("/a[0]|b{c}^\"d\"", "/a%5B0%5D%7Cb%7Bc%7D%5E%22d%22"),
        ("/[../x]", "/%5B../x%5D"),
        ("/a|/../b", "/b"),
        ("/a;x=1/b", "/a;x=1/b"),
        ("/a%3bx", "/a%3Bx"),
        ("/Case/Kept.", "/Case/Kept."),
        ("/.../..a/a..", "/.../..a/a.."),
        ("/a/b;x/../c", "/a/c"),
    ] {
        assert_eq!(normal(sent), expected, "{sent}");
    }
}

#[test]
fn paths_with_two_readings_are_refused() {
    for (sent, expected) in [
        ("", InvalidPath::NotAbsolute),
        ("a", InvalidPath::NotAbsolute),
        ("*", InvalidPath::NotAbsolute),
        ("%2Fa", InvalidPath::NotAbsolute),
        ("/..", InvalidPath::AboveRoot),
        ("/a/../..", InvalidPath::AboveRoot),
        ("/a//../../b", InvalidPath::AboveRoot),
        ("/%2e%2e/a", InvalidPath::AboveRoot),
        ("/a%2Fb", InvalidPath::EncodedDelimiter),
        ("/a%2fb", InvalidPath::EncodedDelimiter),
        ("/a%5Cb", InvalidPath::EncodedDelimiter),
        ("/a%00", InvalidPath::EncodedDelimiter),
        ("/a%0d%0a", InvalidPath::EncodedDelimiter),
        ("/a%7F", InvalidPath::EncodedDelimiter),
        ("/a%C2%85", InvalidPath::EncodedDelimiter),
        ("/a%c0%ae", InvalidPath::NotUtf8),
        ("/a%e0%80%af", InvalidPath::NotUtf8),
        ("/a%ed%a0%80", InvalidPath::NotUtf8),
        ("/a%ff", InvalidPath::NotUtf8),
        ("/a%c3", InvalidPath::NotUtf8),
        ("/a%c3/%a9", InvalidPath::NotUtf8),
        ("/a%c3%61", InvalidPath::NotUtf8),
        ("/a%", InvalidPath::Triplet),
        ("/a%2", InvalidPath::Triplet),
        ("/a%2g", InvalidPath::Triplet),
        ("/a%+1", InvalidPath::Triplet),
        ("/a%u002f", InvalidPath::Triplet),
        ("/a%2é", InvalidPath::Triplet),
        ("/%252e%252e/a", InvalidPath::EncodedTwice),
        ("/a%252Fb", InvalidPath::EncodedTwice),
        ("/a%25%32%46b", InvalidPath::EncodedTwice),
        ("/a%2520b", InvalidPath::EncodedTwice),
        ("/a%2525", InvalidPath::EncodedTwice),
        ("/a/..;/b", InvalidPath::BareParameters),
        ("/a/..;x=1/b", InvalidPath::BareParameters),
        ("/a/.;x/b", InvalidPath::BareParameters),
        ("/a/%2e%2e;x/b", InvalidPath::BareParameters),
        ("/a/..%3bx/b", InvalidPath::BareParameters),
        ("/a/;x/b", InvalidPath::BareParameters),
        ("/;", InvalidPath::BareParameters),
        ("/a\\b", InvalidPath::Character),
        ("/a b", InvalidPath::Character),
        ("/a#b", InvalidPath::Character),
        ("/a?b", InvalidPath::Character),
        ("/a\tb", InvalidPath::Character),
        ("/a\u{7f}", InvalidPath::Character),
        ("/é", InvalidPath::Character),
    ] {
        assert_eq!(normalize(sent), Err(expected), "{sent}");
    }
}

const KEEP: PathRules = PathRules { keep_encoded_slashes: true, keep_empty_segments: false };
const UNMERGED: PathRules = PathRules { keep_encoded_slashes: false, keep_empty_segments: true };
const BOTH: PathRules = PathRules { keep_encoded_slashes: true, keep_empty_segments: true };

#[test]
fn an_api_may_keep_what_others_do_not() {
    for (rules, sent, expected) in [
        (KEEP, "/projects/group%2fproject", Ok("/projects/group%2Fproject")),
        (KEEP, "/@scope%2Fpkg", Ok("/@scope%2Fpkg")),
        (KEEP, "/r/https%3A%2F%2Fgit.example%2Fa", Ok("/r/https%3A%2F%2Fgit.example%2Fa")),
        (KEEP, "/a%2Fb//c", Ok("/a%2Fb/c")),
        (KEEP, "/a%252fb", Ok("/a%252fb")),
        (KEEP, "/100%2525", Ok("/100%2525")),
        (KEEP, "/a/../b", Ok("/b")),
        (KEEP, "/a%2F..%2Fb", Err(InvalidPath::DotSegments)),
        (KEEP, "/a%2F%2e%2e/b", Err(InvalidPath::DotSegments)),
        (KEEP, "/..%2Fb", Err(InvalidPath::DotSegments)),
        (KEEP, "/.%2Fb", Err(InvalidPath::DotSegments)),
        (KEEP, "/%252e%252e%252fb", Err(InvalidPath::DotSegments)),
        (KEEP, "/a%2Fb/../c", Err(InvalidPath::DotSegments)),
        (KEEP, "/a%2F..;x%2Fb", Err(InvalidPath::BareParameters)),
        (KEEP, "/a%2F;x", Err(InvalidPath::BareParameters)),
        (KEEP, "/a%5Cb", Err(InvalidPath::EncodedDelimiter)),
        (KEEP, "/a%255Cb", Err(InvalidPath::EncodedDelimiter)),
        (KEEP, "/a%2500", Err(InvalidPath::EncodedDelimiter)),
        (KEEP, "/a%25c0%25ae", Err(InvalidPath::NotUtf8)),
        (KEEP, "/a%c3%2Fb", Err(InvalidPath::NotUtf8)),
        (KEEP, "/a%252525252525", Err(InvalidPath::EncodedTwice)),
        (UNMERGED, "/a//b", Ok("/a//b")),
        (UNMERGED, "//a///", Ok("//a///")),
        (UNMERGED, "/a//../b", Err(InvalidPath::DotSegments)),
        (UNMERGED, "/a/.//b", Err(InvalidPath::DotSegments)),
        (UNMERGED, "/a/../b", Ok("/b")),
        (UNMERGED, "/a%2Fb", Err(InvalidPath::EncodedDelimiter)),
        (UNMERGED, "/a%252Fb", Err(InvalidPath::EncodedTwice)),
        (BOTH, "/a%2Fb//c", Ok("/a%2Fb//c")),
    ] {
        let path = normalize_by(sent, rules);
        assert_eq!(
            path.as_ref().map(NormalPath::as_str).map_err(|error| *error),
            expected,
            "{sent}"
        );
    }
}

#[test]
fn readings_are_what_decoding_and_folding_make() {
    let path = normalize_by("/a%2F%2Fb/%252f", BOTH).unwrap();
    let mut readings: Vec<_> =
        path.readings().unwrap().iter().map(|path| path.as_str().to_owned()).collect();
    readings.sort();
    let expected =
        ["/a%2F%2Fb/%252f", "/a%2F%2Fb/%2F", "/a//b/%252f", "/a//b//", "/a/b/", "/a/b/%252f"];
    assert_eq!(readings, expected);
    assert!(normalize("/a/b%2Cc").unwrap().readings().unwrap().is_empty());
}

#[test]
fn length_is_bounded() {
    let longest = format!("/{}", "a".repeat(MAX_PATH_BYTES - 1));
    assert_eq!(normal(&longest), longest);
    assert_eq!(normalize(&format!("{longest}a")), Err(InvalidPath::TooLong));
    // encoding makes it longer
    assert_eq!(normalize(&longest.replace('a', "|")), Err(InvalidPath::TooLong));
}

#[test]
fn a_normal_path_is_borrowed() {
    for path in ["/", "/accounts/1.0.0/x@y/", "/caf%C3%A9/100%25;v=1"] {
        assert!(matches!(normalize(path).unwrap().text, Cow::Borrowed(_)), "{path}");
    }
}

/// Pieces that attacks on paths are made of.
fn raw_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "/", "//", ".", "..", "/../", "/./", ";", "..;", "%2e", "%2E", "%2f", "%5c", "\\",
            "%25", "%3b", "%00", "%c0%ae", "%61", "%41", "%c3%a9", "%C3", "a", "b", "me", "%",
            "2e", "41", "*", "%2A", "@", "%40", "=", "%20", "{", "#", "?",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,3}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

/// Characters of a segment, including the ones that must stay encoded.
fn normal_segment() -> impl Strategy<Value = Vec<String>> {
    let character = prop_oneof![
        4 => "[a-zA-Z0-9._~!$&'()*+,=:@-]",
        1 => prop::sample::select(vec!["%20", "%3F", "%C3%A9", "%E2%82%AC", "%22"]).prop_map(str::to_owned),
    ];
    prop::collection::vec(character, 1..6)
        .prop_filter("dots", |characters| !matches!(characters.concat().as_str(), "." | ".."))
}

fn unreserved(character: &str) -> bool {
    character.len() == 1 && character.bytes().all(spelling::is_unreserved)
}

fn respell(characters: &[String], choices: &mut impl Iterator<Item = u8>) -> String {
    let mut sent = String::new();
    for character in characters {
        match choices.next().unwrap_or_default() % 3 {
            0 if unreserved(character) => {
                write!(sent, "%{:02x}", character.as_bytes()[0]).unwrap();
            }
            1 if unreserved(character) => {
                write!(sent, "%{:02X}", character.as_bytes()[0]).unwrap();
            }
            0 => sent.push_str(&character.to_ascii_lowercase()),
            _ => sent.push_str(character),
        }
    }
    sent
}

proptest! {
    #[test]
    fn an_ordinary_path_would_read_the_same_looked_at_closely(sent in prop_oneof![raw_path(), "(/[a-c.;]{0,3}){1,4}"]) {
        if is_ordinary(&sent) && sent.starts_with('/') {
            prop_assert_eq!(read_closely(&sent, PathRules::default()), normalize(&sent));
        }
    }

    #[test]
    fn what_comes_out_is_in_normal_form(sent in raw_path()) {
        if let Ok(path) = normalize(&sent) {
            let path = path.as_str();
            prop_assert!(path.starts_with('/'));
            prop_assert!(path.len() <= 3 * sent.len());
            let inner: Vec<&str> = path.split('/').skip(1).collect();
            prop_assert!(inner.iter().all(|segment| !matches!(*segment, "." | "..")));
            prop_assert!(inner.iter().rev().skip(1).all(|segment| !segment.is_empty()));
            let mut rest = path.bytes();
            while let Some(byte) = rest.next() {
                if byte == b'%' {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    prop_assert!(digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F')));
                } else {
                    prop_assert!(byte == b'/' || stands_plainly(byte), "{}", path);
                }
            }
            prop_assert_eq!(normalize(path).map(NormalPath::into_owned), Ok(NormalPath { text: Cow::Owned(path.to_owned()), needs: PathRules::default() }));
            let borrowed = matches!(normalize(path).unwrap().text, Cow::Borrowed(_));
            prop_assert!(borrowed);
        }
    }

    #[test]
    fn never_climbs(depth in 0_usize..5, climbs in 0_usize..8, last in "[a-z]{1,3}") {
        let sent = format!("{}{}/{last}", "/d".repeat(depth), "/%2E.".repeat(climbs));
        let expected = depth.checked_sub(climbs).map(|left| format!("{}/{last}", "/d".repeat(left)));
        prop_assert_eq!(normalize(&sent).ok().map(|path| path.as_str().to_owned()), expected);
    }

    #[test]
    fn every_spelling_comes_to_the_same_path(
        segments in prop::collection::vec(normal_segment(), 0..5),
        trailing in any::<bool>(),
        choices in prop::collection::vec(any::<u8>(), 64),
    ) {
        let mut choices = choices.into_iter();
        let (mut expected, mut sent) = (String::new(), String::new());
        for segment in &segments {
            expected.push('/');
            expected.push_str(&segment.concat());
            sent.push_str(["/", "//", "/./", "/x/../", "/%2e/", "/x//.%2E///"][usize::from(choices.next().unwrap_or_default() % 6)]);
            sent.push_str(&respell(segment, &mut choices));
        }
        if trailing || expected.is_empty() {
            expected.push('/');
            sent.push_str(["/", "//", "/.", "/x/.."][usize::from(choices.next().unwrap_or_default() % 4)]);
        }
        prop_assert_eq!(normal(&sent), expected);
    }
}
