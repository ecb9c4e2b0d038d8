//! What holds for every beginning of a connection: a header is read only once it is whole, whatever follows it changes
//! nothing, and no part of it is taken for the client's own bytes.

use portcullis::listen::proxy_protocol::{LONGEST, Preamble, read};

pub(crate) fn check(bytes: &[u8]) {
    let whole = read(bytes);
    if let Ok(Preamble::Present { length, .. }) = whole {
        assert!(length <= bytes.len() && length <= LONGEST, "{length}");
        assert_eq!(read(&bytes[..length]), whole, "what follows says nothing");
        for cut in 0..length {
            assert_eq!(read(&bytes[..cut]), Ok(Preamble::Incomplete), "{cut} of {length}");
        }
        assert!(bytes.starts_with(b"PROXY ") || bytes.starts_with(b"\r\n\r\n\0\r\nQUIT\n"));
    }
    if whole == Ok(Preamble::Absent) {
        assert!(!bytes.starts_with(b"PROXY ") && !bytes.starts_with(b"\r\n\r\n\0\r\nQUIT\n"));
    }
    // a verdict stands: more bytes do not change it
    for cut in 0..bytes.len().min(256) {
        let part = read(&bytes[..cut]);
        assert!(
            part == Ok(Preamble::Incomplete) || part == whole,
            "{cut}: {part:?}, then {whole:?}"
        );
    }
}
