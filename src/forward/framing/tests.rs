//! Framings that pass, that are corrected, and that are refused.

use super::*;

fn answer(version: Version, status: u16, lines: &[(&'static str, &str)]) -> Response<()> {
    let mut response = Response::builder().version(version).status(status);
    for (name, value) in lines {
        response = response.header(*name, *value);
    }
    response.body(()).unwrap()
}

const CL: &str = "content-length";
const TE: &str = "transfer-encoding";

#[test]
fn what_has_two_readings_is_refused() {
    use FramingFault::{ContentLength, OldVersion, TransferCoding, TwoFramings};
    let rows: [(&[(&'static str, &str)], FramingFault); 15] = [
        (&[(CL, "5"), (TE, "chunked")], TwoFramings),
        (&[(TE, "chunked"), (CL, "0")], TwoFramings),
        (&[(TE, "identity"), (CL, "5")], TwoFramings),
        (&[(TE, "gzip, chunked")], TransferCoding),
        (&[(TE, "gzip"), (TE, "chunked")], TransferCoding),
        (&[(TE, "chunked, chunked")], TransferCoding),
        (&[(TE, "chunked"), (TE, "chunked")], TransferCoding),
        (&[(TE, "identity")], TransferCoding),
        (&[(TE, "gzip")], TransferCoding),
        (&[(TE, "")], TransferCoding),
        (&[(CL, "5"), (CL, "6")], ContentLength),
        (&[(CL, "5, 6")], ContentLength),
        (&[(CL, "+5")], ContentLength),
        (&[(CL, "")], ContentLength),
        (&[(CL, "18446744073709551616")], ContentLength),
    ];
    for (lines, fault) in rows {
        for status in [200, 204, 304, 500] {
            let mut answer = answer(Version::HTTP_11, status, lines);
            assert_eq!(check(&mut answer, &Method::GET), Err(fault), "{status} {lines:?}");
        }
    }
    let mut old = answer(Version::HTTP_10, 200, &[(TE, "chunked")]);
    assert_eq!(check(&mut old, &Method::GET), Err(OldVersion));
}

#[test]
fn one_length_is_written_once() {
    for lines in [
        &[(CL, "5")][..],
        &[(CL, "5"), (CL, "5")],
        &[(CL, "5, 5")],
        &[(CL, "0005")],
        &[(CL, "5,5"), (CL, " 5")],
    ] {
        let mut answer = answer(Version::HTTP_11, 200, lines);
        assert_eq!(check(&mut answer, &Method::GET), Ok(Reuse::Allowed), "{lines:?}");
        let lengths: Vec<_> = answer.headers().get_all(CL).iter().collect();
        assert_eq!(lengths, ["5"], "{lines:?}");
    }
    for lines in [&[(TE, "Chunked")][..], &[], &[(CL, "0")]] {
        let mut answer = answer(Version::HTTP_11, 200, lines);
        assert_eq!(check(&mut answer, &Method::GET), Ok(Reuse::Allowed), "{lines:?}");
    }
}

#[test]
fn an_answer_without_a_body_has_no_length_and_one_that_claims_a_body_ends_the_connection() {
    for (lines, reuse) in [
        (&[(CL, "5")][..], Reuse::Forbidden),
        (&[(TE, "chunked")], Reuse::Forbidden),
        (&[(CL, "0")], Reuse::Allowed),
        (&[], Reuse::Allowed),
    ] {
        let mut answer = answer(Version::HTTP_11, 204, lines);
        assert_eq!(check(&mut answer, &Method::GET), Ok(reuse), "{lines:?}");
        assert!(!answer.headers().contains_key(CL), "{lines:?}");
    }
    let mut unchanged = answer(Version::HTTP_11, 304, &[(CL, "5")]);
    let reuse = check(&mut unchanged, &Method::GET);
    assert_eq!(reuse, Ok(Reuse::Doubtful), "the length of what is not sent");
    assert!(unchanged.headers().contains_key(CL));
    let mut head = answer(Version::HTTP_11, 200, &[(TE, "chunked")]);
    assert_eq!(check(&mut head, &Method::HEAD), Ok(Reuse::Doubtful));
}
