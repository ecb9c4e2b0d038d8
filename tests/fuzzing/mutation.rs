//! Small changes of inputs, endless and the same each time: bytes flipped, replaced, left out, repeated, and pieces of
//! other inputs put in.

/// Changes one input after the other, each by one to four steps.
pub(crate) struct Mutations<'i> {
    inputs: &'i [&'i [u8]],
    next: usize,
    random: Random,
}

impl<'i> Mutations<'i> {
    pub(crate) fn of(inputs: &'i [&'i [u8]]) -> Self {
        Self { inputs, next: 0, random: Random(0) }
    }

    fn step(&mut self, bytes: &mut Vec<u8>) {
        let random = &mut self.random;
        let at = random.below(bytes.len() + 1);
        let end = (at + 1 + random.below(8)).min(bytes.len());
        match random.below(8) {
            0 if at < end => bytes[at] ^= 1 << random.below(8),
            1 if at < end => bytes[at] = TELLING[random.below(TELLING.len())],
            2 => bytes.insert(at, TELLING[random.below(TELLING.len())]),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let piece = bytes[at..end].to_vec();
                let to = random.below(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            5 => bytes.truncate(at),
            6 => {
                let other = self.inputs[random.below(self.inputs.len())];
                let from = random.below(other.len() + 1);
                let to = (from + random.below(32)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
            _ => {
                let other = self.inputs[random.below(self.inputs.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[random.below(other.len() + 1)..]);
            }
        }
    }
}

impl Iterator for Mutations<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut bytes = self.inputs.get(self.next % self.inputs.len())?.to_vec();
        self.next += 1;
        for _ in 0..=self.random.below(4) {
            self.step(&mut bytes);
        }
        Some(bytes)
    }
}

/// Bytes that parsers look for.
const TELLING: &[u8] = b"\0\t\n\r \"#%&'+,-./0123456789:;<=>?@A[\\]_abcdefx{}~\x7f\x80\xc0\xff";

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(bound.max(1)).unwrap_or(1))
            .unwrap_or(0)
    }
}
