//! Framing with two readings, however its bytes are cut.

use proptest::prelude::*;

use super::*;

fn whole(bytes: &[u8]) -> Result<FramingState, Violation> {
    let mut framing = Framing::default();
    framing.inspect(bytes)?;
    Ok(framing.state)
}

#[test]
fn plain_requests_end_where_they_end() {
    for request in [
        &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: Chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nx: y\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\n\r\n",
    ] {
        assert_eq!(
            whole(request),
            Ok(FramingState::RequestLine),
            "{}",
            String::from_utf8_lossy(request)
        );
    }
}

/// RFC 9112 section 7.1.1, and violations of it.
#[test]
fn extensions_of_a_chunk_follow_their_grammar() {
    let chunk = |line: &str| {
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        whole(format!("{head}{line}\r\nhello\r\n0\r\n\r\n").as_bytes())
    };
    for line in [
        "5;a",
        "5;a=b",
        "5 ;a=b",
        "5\t; a = b",
        "5; a=\"b c\"",
        "5;a=\"\\\"\";b;c=d",
        "5;a=\"\"",
        "5;a=\"é;=\"",
    ] {
        assert_eq!(chunk(line), Ok(FramingState::RequestLine), "{line}");
    }
    for line in [
        "5;",
        "5 ",
        "5;;",
        "5;=b",
        "5;a=",
        "5;a=\"b",
        "5;a=\"b\"c",
        "5;a b",
        "5;a=b c",
        "5;a=b ",
        "5 a",
        "5;a=\"\\",
        "5;a=\"b\u{1}\"",
        "5;é",
        "5;a\0",
    ] {
        assert_eq!(chunk(line), Err(Violation::Chunk), "{line}");
    }
}

#[test]
fn the_request_line_is_looked_at() {
    let long = "x".repeat(1000);
    for (line, expected) in [
        ("GET /a#b HTTP/1.1".to_owned(), Err(Violation::Fragment)),
        ("GET http://a/#b HTTP/1.1".to_owned(), Err(Violation::Fragment)),
        (format!("GET /{long}#b HTTP/1.1"), Err(Violation::Fragment)),
        ("GET /a HTTP/1.2".to_owned(), Err(Violation::Version)),
        (format!("GET /{long} HTTP/1.9"), Err(Violation::Version)),
        (format!("GET /{long} HTTP/1.0"), Ok(())),
        ("GET /a HTTP/2.0".to_owned(), Ok(())),
    ] {
        let bytes = format!("{line}\r\n");
        for size in [1, 7, 300, bytes.len()] {
            let mut framing = Framing::default();
            let verdict = bytes.as_bytes().chunks(size).try_for_each(|part| framing.inspect(part));
            assert_eq!(verdict, expected, "{line} by {size}");
            if verdict.is_ok() {
                assert_eq!(framing.request_line(), bytes.len());
            }
        }
    }
}

#[test]
fn two_readings_are_refused() {
    for (request, violation) in [
        (&b"GET / HTTP/1.1\nHost: a\r\n\r\n"[..], Violation::BareLineFeed),
        (b"GET / HTTP/1.1\r\nHost: a\n\r\n", Violation::BareLineFeed),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\n", Violation::BareLineFeed),
        (b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", Violation::FoldedHeader),
        (
            b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            Violation::TwoFramings,
        ),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
            Violation::TwoFramings,
        ),
        (
            b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
            Violation::ContentLength,
        ),
        (b"POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n", Violation::ContentLength),
        (b"POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n", Violation::ContentLength),
        (
            b"POST / HTTP/1.1\r\nContent-Length: 18446744073709551619\r\n\r\n",
            Violation::ContentLength,
        ),
        (b"POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", Violation::ContentLength),
        (
            b"POST / HTTP/1.1\r\nContent-Length : 5\r\nTransfer-Encoding : chunked\r\n\r\n",
            Violation::TwoFramings,
        ),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            Violation::TransferEncoding,
        ),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n", Violation::TransferEncoding),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
            Violation::TransferEncoding,
        ),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: \x0bchunked\r\n\r\n", Violation::TransferEncoding),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello", Violation::BareLineFeed),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n", Violation::Chunk),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n",
            Violation::Chunk,
        ),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            Violation::Chunk,
        ),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\n",
            Violation::Chunk,
        ),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n", Violation::Chunk),
    ] {
        assert_eq!(whole(request), Err(violation), "{}", String::from_utf8_lossy(request));
    }
}

#[test]
fn a_long_framing_header_is_refused_and_a_long_other_one_is_not() {
    let long = "x".repeat(1000);
    let other = format!("GET / HTTP/1.1\r\nCookie: {long}\r\nContent-Length: 3\r\n\r\n");
    let framing = format!("GET / HTTP/1.1\r\nTransfer-Encoding: {long}");
    for size in [1, 7, 100] {
        let mut guard = Framing::default();
        for part in other.as_bytes().chunks(size) {
            guard.inspect(part).unwrap();
        }
        assert_eq!(guard.state, FramingState::Fixed(3), "parts of {size}");
        let mut guard = Framing::default();
        let verdict = framing.as_bytes().chunks(size).try_for_each(|part| guard.inspect(part));
        assert_eq!(verdict, Err(Violation::LongLine), "parts of {size}");
    }
}

#[test]
fn a_line_that_decides_the_framing_is_as_long_in_one_read_as_in_many() {
    const CHUNKED: &str = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (zeros, extension) = ("0".repeat(300), "x".repeat(300));
    for request in [
        format!("POST / HTTP/1.1\r\nContent-Length: {zeros}5\r\n\r\n"),
        format!("POST / HTTP/1.1\r\nContent-Length-{extension}: 5\r\n\r\n"),
        format!("{CHUNKED}5;{extension}\r\n"),
        format!("{CHUNKED}{zeros}5\r\n"),
        format!("{CHUNKED}1\r\na{extension}\r\n"),
    ] {
        for size in [1, 7, request.len()] {
            let mut guard = Framing::default();
            let verdict = request.as_bytes().chunks(size).try_for_each(|part| guard.inspect(part));
            assert_eq!(verdict, Err(Violation::LongLine), "parts of {size}");
        }
    }
}

proptest! {
    /// The verdict is the same for any cut of the bytes into reads.
    #[test]
    fn reads_do_not_matter(
        parts in prop::collection::vec(prop_oneof![
            Just("GET / HTTP/1.1\r\n"), Just("Host: a\r\n"), Just("Content-Length: 4\r\n"), Just("Transfer-Encoding: chunked\r\n"),
            Just("\r\n"), Just("\n"), Just(" x\r\n"), Just("4\r\n"), Just("data"), Just("0\r\n"), Just("4;x\r\ndata\r\n"),
        ], 0..12),
        cut in 1_usize..9,
    ) {
        let bytes: String = parts.concat();
        let at_once = whole(bytes.as_bytes());
        let mut framing = Framing::default();
        let in_parts = bytes.as_bytes().chunks(cut).try_for_each(|part| framing.inspect(part)).map(|()| framing.state);
        prop_assert_eq!(at_once, in_parts);
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = whole(&bytes);
    }
}
