//! What holds for every connection's bytes: the verdict does not depend on how they were cut into reads, and where it is
//! a yes, messages end where the HTTP library's parser ends them.

use portcullis::listen::http1_framing::{Framing, Violation};

pub(crate) fn check(bytes: &[u8]) {
    let whole = verdict([bytes]);
    for at in cuts(bytes.len()) {
        let (first, second) = bytes.split_at(at);
        assert_eq!(verdict([first, second]), whole, "cut at {at}");
    }
    assert_eq!(verdict(bytes.chunks(1)), whole, "byte by byte");
    if whole.is_ok() {
        head_is_plain(bytes);
        ends_agree(bytes);
    }
}

/// The state after the bytes, or what ended them.
fn verdict<'b>(parts: impl IntoIterator<Item = &'b [u8]>) -> Result<Framing, Violation> {
    let mut framing = Framing::default();
    for part in parts {
        framing.inspect(part)?;
    }
    Ok(framing)
}

/// Every position; of long inputs every n-th, which is another one for each length.
fn cuts(length: usize) -> impl Iterator<Item = usize> {
    let step = 1 + length / 600;
    (length % step..length).step_by(step)
}

/// Neither a bare LF nor a folded line is in the first head, whatever the parser would say to them.
fn head_is_plain(bytes: &[u8]) {
    let mut request = bytes;
    while let Some(rest) = request.strip_prefix(b"\r\n") {
        request = rest;
    }
    let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { return };
    let mut before = b'\r';
    for byte in request.get(..end).unwrap_or_default() {
        assert!(*byte != b'\n' || before == b'\r', "a bare LF");
        assert!(before != b'\n' || !matches!(byte, b' ' | b'\t'), "a folded line");
        before = *byte;
    }
}

/// Walks over the messages as the parser reads them.
fn ends_agree(bytes: &[u8]) {
    let mut start = 0;
    while let Some(message) = bytes.get(start..).filter(|rest| !rest.is_empty()) {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut fields);
        // what the parser refuses or still waits for is nobody's request
        let Ok(httparse::Status::Complete(head)) = request.parse(message) else { return };
        let Some(body) = message.get(head..).and_then(|rest| body_length(request.headers, rest))
        else {
            return;
        };
        let Some(end) = head.checked_add(body).filter(|end| *end <= message.len()) else { return };
        let through = message.get(..end).unwrap_or_default();
        assert!(is_between_messages(through), "the parser ends a message at {start} + {end}");
        start += end;
    }
}

fn is_between_messages(message: &[u8]) -> bool {
    let state = verdict([message]).map(|framing| format!("{framing:?}"));
    state.is_ok_and(|state| state.contains("state: RequestLine") && state.contains("carried: []"))
}

/// The bytes of the body that stands at the beginning of `rest`, as far as it is there.
fn body_length(fields: &[httparse::Header<'_>], rest: &[u8]) -> Option<usize> {
    let values = |name: &'static str| {
        fields
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value)
    };
    let (codings, lengths): (Vec<_>, Vec<_>) =
        (values("transfer-encoding").collect(), values("content-length").collect());
    assert!(codings.len() + lengths.len() <= 1, "two framings");
    if let Some(length) = lengths.first() {
        let length: u64 = std::str::from_utf8(length)
            .ok()
            .and_then(|digits| digits.parse().ok())
            .expect("a length that is a number");
        return usize::try_from(length).ok();
    }
    if codings.is_empty() { Some(0) } else { chunks_length(rest) }
}

fn chunks_length(rest: &[u8]) -> Option<usize> {
    let mut at = 0_usize;
    loop {
        let Ok(httparse::Status::Complete((line, size))) =
            httparse::parse_chunk_size(rest.get(at..)?)
        else {
            return None;
        };
        at = at.checked_add(line)?;
        if size == 0 {
            break;
        }
        at = at.checked_add(usize::try_from(size).ok()?)?.checked_add(2)?;
    }
    let mut trailers = [httparse::EMPTY_HEADER; 64];
    match httparse::parse_headers(rest.get(at..)?, &mut trailers) {
        Ok(httparse::Status::Complete((length, _))) => at.checked_add(length),
        _ => None,
    }
}
