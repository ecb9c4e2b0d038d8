//! Hosts that a request may name, and their places.

use super::*;

fn read(text: &str) -> Result<(String, Option<u16>), InvalidAuthority> {
    parse_authority(text).map(|authority| (authority.host().to_owned(), authority.port()))
}

#[test]
fn hosts_have_one_spelling() {
    for (text, host, port) in [
        ("bank.example", "bank.example", None),
        ("Bank.EXAMPLE.:8243", "bank.example", Some(8243)),
        ("10.0.0.1:80", "10.0.0.1", Some(80)),
        ("[::1]", "[::1]", None),
        ("[0:0::1]:8243", "[::1]", Some(8243)),
        ("[2001:DB8::A]", "[2001:db8::a]", None),
        ("my_service-1", "my_service-1", None),
        ("a:", "a", None),
        ("[::1]:", "[::1]", None),
    ] {
        assert_eq!(read(text), Ok((host.to_owned(), port)), "{text}");
    }
    assert!(matches!(parse_authority("bank.example:1").unwrap().host, Cow::Borrowed(_)));
    assert!(matches!(parse_authority("[::1]:1").unwrap().host, Cow::Borrowed(_)));
}

#[test]
fn what_is_no_host_is_refused() {
    for (text, expected) in [
        ("", InvalidAuthority::Host),
        (":80", InvalidAuthority::Host),
        (".", InvalidAuthority::Host),
        ("a..b", InvalidAuthority::Host),
        (".a", InvalidAuthority::Host),
        ("a b", InvalidAuthority::Host),
        ("a%2eb", InvalidAuthority::Host),
        ("a,b", InvalidAuthority::Host),
        ("a/b", InvalidAuthority::Host),
        ("a\"b", InvalidAuthority::Host),
        ("é.example", InvalidAuthority::Host),
        ("user@bank.example", InvalidAuthority::UserInformation),
        ("::1", InvalidAuthority::Port),
        ("[::1", InvalidAuthority::Host),
        ("[::1%25eth0]", InvalidAuthority::Host),
        ("[v1.x]", InvalidAuthority::Host),
        ("[::1]80", InvalidAuthority::Port),
        ("a::", InvalidAuthority::Port),
        (":", InvalidAuthority::Host),
        ("a:0", InvalidAuthority::Port),
        ("a:65536", InvalidAuthority::Port),
        ("a:+80", InvalidAuthority::Port),
        ("a:80:80", InvalidAuthority::Port),
    ] {
        assert_eq!(read(text), Err(expected), "{text}");
    }
    assert_eq!(read(&"a".repeat(256)), Err(InvalidAuthority::Host));
}

fn of_request(
    version: Version,
    target: &str,
    hosts: &[&str],
) -> Result<Option<String>, InvalidAuthority> {
    let mut headers = HeaderMap::new();
    for host in hosts {
        headers.append(HOST, host.parse().unwrap());
    }
    let target: Uri = target.parse().unwrap();
    request_authority(version, &target, &headers)
        .map(|authority| authority.map(|authority| authority.to_string()))
}

#[test]
fn one_host_is_taken_from_where_it_stands() {
    let some = |host: &str| Ok(Some(host.to_owned()));
    for (version, target, hosts, expected) in [
        (Version::HTTP_11, "/a", &["A.example"][..], some("a.example")),
        (Version::HTTP_11, "http://a.example/a", &["A.example."], some("a.example")),
        (Version::HTTP_11, "http://a.example/a", &["a.example:80"], some("a.example")),
        (Version::HTTP_2, "https://a.example/a", &["a.example:443"], some("a.example")),
        (Version::HTTP_2, "https://a.example:8243/a", &[], some("a.example:8243")),
        (Version::HTTP_2, "/a", &["a.example"], some("a.example")),
        (Version::HTTP_10, "/a", &[], Ok(None)),
        (Version::HTTP_10, "/a", &["a.example"], some("a.example")),
        (Version::HTTP_11, "/a", &[], Err(InvalidAuthority::Missing)),
        (Version::HTTP_11, "http://a.example/a", &[], Err(InvalidAuthority::Missing)),
        (Version::HTTP_2, "/a", &[], Err(InvalidAuthority::Missing)),
        (Version::HTTP_11, "/a", &[""], Err(InvalidAuthority::Host)),
        (Version::HTTP_11, "/a", &["a.example", "a.example"], Err(InvalidAuthority::Several)),
        (Version::HTTP_10, "/a", &["a.example", "b.example"], Err(InvalidAuthority::Several)),
        (Version::HTTP_11, "http://a.example/a", &["b.example"], Err(InvalidAuthority::Disagree)),
        (
            Version::HTTP_11,
            "http://a.example/a",
            &["a.example:81"],
            Err(InvalidAuthority::Disagree),
        ),
        (Version::HTTP_2, "https://a.example/a", &["b.example"], Err(InvalidAuthority::Disagree)),
        (
            Version::HTTP_11,
            "http://u@a.example/a",
            &["a.example"],
            Err(InvalidAuthority::UserInformation),
        ),
    ] {
        assert_eq!(of_request(version, target, hosts), expected, "{version:?} {target} {hosts:?}");
    }
}
