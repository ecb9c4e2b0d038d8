//! A sliding window: a ring of sub-windows, counted conservatively.
//!
//! A window is cut into sixteen sub-windows. The ring holds the current one and the sixteen before
//! it, so it covers the whole window at any moment, and up to one sub-window more. Hence never more
//! than the quota is granted in any window, wherever it begins, and at most a sixteenth of the time
//! is counted too long.

/// The number of sub-windows in a window: finer ones cost memory, coarser ones grant less at the
/// edge.
pub const SUB_WINDOWS: u64 = 16;

/// The sub-windows of the ring: those of a window, and the current one.
const SLOTS: usize = 17;

/// A number of requests (32 bits), or of bytes and reported units (64 bits).
pub(super) trait Tally: Copy + Default {
    fn get(self) -> u64;
    /// The nearest number that fits.
    fn of(number: u64) -> Self;
}

impl Tally for u32 {
    fn get(self) -> u64 {
        self.into()
    }

    fn of(number: u64) -> Self {
        Self::try_from(number).unwrap_or(Self::MAX)
    }
}

impl Tally for u64 {
    fn get(self) -> u64 {
        self
    }

    fn of(number: u64) -> Self {
        number
    }
}

/// The ring of one window. `length` (milliseconds) is the same in all calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SlidingCell<T> {
    /// The current sub-window, counted from 1970.
    head: u64,
    total: T,
    counts: [T; SLOTS],
}

/// Returns the number of the sub-window in which a moment lies.
pub fn sub_window(steady: u64, length: u64) -> u64 {
    let length = length.max(1);
    if let Some(parts) = steady.checked_mul(SUB_WINDOWS) {
        return parts / length;
    }
    // beyond the year 36,000,000, where the cost of a division of 128 bits does not matter
    let number = u128::from(steady) * u128::from(SUB_WINDOWS) / u128::from(length);
    u64::try_from(number).unwrap_or(u64::MAX)
}

impl<T: Tally> SlidingCell<T> {
    /// Forgets the sub-windows that have left the window. A moment before the latest one counts as
    /// the latest one.
    pub(super) fn advance(&mut self, steady: u64, length: u64) {
        self.advance_to(sub_window(steady, length));
    }

    fn advance_to(&mut self, now: u64) {
        if now <= self.head {
            return;
        }
        if self.total.get() == 0 || now - self.head >= SLOTS as u64 {
            *self = Self { head: now, ..Self::default() };
            return;
        }
        let mut gone: u64 = 0;
        for number in self.head + 1..=now {
            if let Some(count) = self.counts.get_mut(position(number)) {
                gone = gone.saturating_add(std::mem::take(count).get());
            }
        }
        self.head = now;
        self.total = T::of(self.total.get().saturating_sub(gone));
    }

    /// The count of the window that ends now, and of up to a sixteenth before it.
    pub(super) fn total(&self) -> u64 {
        self.total.get()
    }

    /// Counts in the current sub-window.
    pub(super) fn add(&mut self, amount: u64) {
        self.add_at(self.head, amount);
    }

    /// Counts in another sub-window: a count of another gateway, or of a file. One that is older
    /// than the ring has expired.
    pub(super) fn absorb(&mut self, number: u64, amount: u64) {
        self.advance_to(number);
        self.add_at(number, amount);
    }

    fn add_at(&mut self, number: u64, amount: u64) {
        if self.head - number >= SLOTS as u64 {
            return;
        }
        if let Some(count) = self.counts.get_mut(position(number)) {
            let before = count.get();
            *count = T::of(before.saturating_add(amount));
            let added = count.get() - before;
            self.total = T::of(self.total.get().saturating_add(added));
        }
    }

    /// Milliseconds until at most `most` are in the ring, if nothing is added.
    pub(super) fn until_at_most(&self, most: u64, steady: u64, length: u64) -> u64 {
        let mut left = self.total();
        if left <= most {
            return 0;
        }
        let oldest = self.oldest();
        let freeing = self.counts_from(oldest).find(|(_, count)| {
            left = left.saturating_sub(*count);
            left <= most
        });
        let last = freeing.map_or(self.head, |(number, _)| number);
        end_of_stay(last, length).saturating_sub(steady)
    }

    /// Milliseconds until the oldest count leaves the ring; 0 if it is empty.
    pub(super) fn until_first_leaves(&self, steady: u64, length: u64) -> u64 {
        if self.total() == 0 {
            return 0;
        }
        let oldest = self.oldest();
        let (later, first) = self.counts.split_at_checked(position(oldest)).unwrap_or_default();
        let counted = |counts: &[T]| counts.iter().position(|count| count.get() > 0);
        let place = counted(first).or_else(|| Some(first.len() + counted(later)?));
        let number = oldest + place.unwrap_or_default() as u64;
        end_of_stay(number, length).saturating_sub(steady)
    }

    /// Returns the sub-windows with a count, oldest first.
    pub(super) fn counted(&self) -> impl Iterator<Item = (u64, u64)> {
        self.counts_from(self.oldest()).filter(|(_, count)| *count > 0)
    }

    /// The oldest sub-window of the ring.
    fn oldest(&self) -> u64 {
        (self.head + 1).saturating_sub(SLOTS as u64)
    }

    /// Returns the counts from `oldest`, at most a whole ring before the current sub-window, up to
    /// the current one.
    fn counts_from(&self, oldest: u64) -> impl Iterator<Item = (u64, u64)> {
        // by two slices: a remainder for each of seventeen places would cost more than all else
        let (later, first) = self.counts.split_at_checked(position(oldest)).unwrap_or_default();
        let counts = first.iter().chain(later).map(|count| count.get());
        (oldest..=self.head).zip(counts)
    }
}

/// The place of a sub-window in the ring.
fn position(number: u64) -> usize {
    usize::try_from(number % SLOTS as u64).unwrap_or_default()
}

/// The moment at which a sub-window leaves the ring.
fn end_of_stay(number: u64, length: u64) -> u64 {
    let slots = number.saturating_add(SLOTS as u64);
    if let Some(ends) = slots.checked_mul(length) {
        return ends.div_ceil(SUB_WINDOWS);
    }
    let ends = u128::from(slots) * u128::from(length);
    u64::try_from(ends.div_ceil(u128::from(SUB_WINDOWS))).unwrap_or(u64::MAX)
}
