//! Ids of traces and spans, and the `traceparent` header of the W3C recommendation.

use std::fmt;

/// The bytes of a `traceparent` of version 00.
const LENGTH: usize = 55;

/// The flag of a trace that is sampled.
const SAMPLED: u8 = 1;

/// The bits of a trace id that OpenTelemetry's samplers decide by: the last 56.
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
    pub(super) fn low(self) -> u64 {
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
        let (trace, span) = (self.trace.digits(), self.span.digits());
        copy(&mut value, 3, &trace);
        copy(&mut value, 36, &span);
        if self.sampled {
            copy(&mut value, LENGTH - 1, b"1");
        }
        value
    }
}

fn copy(value: &mut [u8; LENGTH], at: usize, digits: &[u8]) {
    for (to, from) in value.iter_mut().skip(at).zip(digits) {
        *to = *from;
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

/// Writes a number as so many lower-case hexadecimal digits.
fn digits<const N: usize>(number: u128) -> [u8; N] {
    let mut digits = [b'0'; N];
    for (digit, place) in digits.iter_mut().rev().zip(0_u32..) {
        let four = usize::try_from((number >> (place * 4)) & 0xF).unwrap_or_default();
        *digit = b"0123456789abcdef".get(four).copied().unwrap_or(b'0');
    }
    digits
}

impl TraceId {
    pub(in crate::telemetry) fn digits(self) -> [u8; 32] {
        digits(self.0)
    }
}

impl SpanId {
    fn digits(self) -> [u8; 16] {
        digits(self.0.into())
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
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
