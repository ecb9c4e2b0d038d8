//! Ids of traces and spans, and the `traceparent` header of the W3C recommendation.

use std::fmt;

/// The bytes of a `traceparent` of version 00.
const LENGTH: usize = 55;

/// The flag of a trace that is sampled.
const SAMPLED: u8 = 1;

/// The bits of a trace id that are its randomness (W3C Trace Context Level 2): the last 56.
const DECIDING_BITS: u128 = (1 << 56) - 1;

/// The id of a trace; never zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(u128);

/// The id of a span; never zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(u64);

/// A trace as a header names it: the span is the one that made the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    pub trace: TraceId,
    pub span: SpanId,
    pub sampled: bool,
}

impl TraceId {
    /// Makes an id of random bits.
    pub fn random(bits: u128) -> Self {
        Self(bits.max(1))
    }

    /// The part that decides on sampling: all services that see the trace get the same answer.
    pub(super) fn randomness(self) -> u64 {
        u64::try_from(self.0 & DECIDING_BITS).unwrap_or_default()
    }
}

impl SpanId {
    /// Makes an id of random bits.
    pub fn random(bits: u64) -> Self {
        Self(bits.max(1))
    }
}

impl TraceContext {
    /// Reads `version "-" trace-id "-" parent-id "-" flags`, in lower-case hexadecimal. Later
    /// versions can have more fields.
    pub fn read(value: &[u8]) -> Option<Self> {
        let mut fields = value.split(|byte| *byte == b'-');
        let version = number(fields.next()?, 2)?;
        let trace = number(fields.next()?, 32)?;
        let span = u64::try_from(number(fields.next()?, 16)?).ok()?;
        let flags = u8::try_from(number(fields.next()?, 2)?).ok()?;
        let whole = version != 0 || fields.next().is_none();
        (version != 0xFF && trace != 0 && span != 0 && whole).then_some(Self {
            trace: TraceId(trace),
            span: SpanId(span),
            sampled: flags & SAMPLED != 0,
        })
    }

    /// Writes the header's value.
    pub fn header(&self) -> [u8; LENGTH] {
        let mut value = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write_digits(&mut value[3..35], self.trace.0);
        write_digits(&mut value[36..52], self.span.0.into());
        if self.sampled {
            value[LENGTH - 1] = b'1';
        }
        value
    }
}

fn number(field: &[u8], digits: usize) -> Option<u128> {
    if field.len() != digits {
        return None;
    }
    field.iter().try_fold(0_u128, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit.wrapping_sub(b'0'),
            b'a'..=b'f' => digit.wrapping_sub(b'a').wrapping_add(10),
            _ => return None,
        };
        Some((number << 4) | u128::from(digit))
    })
}

/// Writes a number as lower-case hexadecimal digits, all eight at once.
fn eight_digits(number: u32) -> [u8; 8] {
    // each half byte moves into a byte of its own
    let mut halves = u64::from(number);
    halves = (halves | halves << 16) & 0x0000_FFFF_0000_FFFF;
    halves = (halves | halves << 8) & 0x00FF_00FF_00FF_00FF;
    halves = (halves | halves << 4) & 0x0F0F_0F0F_0F0F_0F0F;
    // 1 in each byte that is 10 or more, hence a letter: the letters begin 39 after the figure 9
    let letters = (halves.wrapping_add(0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    let figures = halves.wrapping_add(0x3030_3030_3030_3030);
    figures.wrapping_add(letters.wrapping_mul(39)).to_be_bytes()
}

/// Writes a number's last digits, as many as there is room for.
fn write_digits(digits: &mut [u8], number: u128) {
    for (place, eight) in digits.rchunks_exact_mut(8).zip(0_u32..) {
        let low = (number >> (eight * u32::BITS)) & u128::from(u32::MAX);
        place.copy_from_slice(&eight_digits(u32::try_from(low).unwrap_or_default()));
    }
}

impl TraceId {
    pub(in crate::telemetry) fn digits(self) -> [u8; 32] {
        let mut digits = [0; 32];
        write_digits(&mut digits, self.0);
        digits
    }
}

impl SpanId {
    fn digits(self) -> [u8; 16] {
        let mut digits = [0; 16];
        write_digits(&mut digits, self.0.into());
        digits
    }
}

fn show(digits: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(std::str::from_utf8(digits).unwrap_or_default())
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(&self.digits(), f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(&self.digits(), f)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
