//! A sliding window: a ring of sub-windows, counted conservatively.
//!
//! A window is cut into sixteen sub-windows. The cell holds the current one and the sixteen before
//! it, so it covers the whole window at any moment, and up to one sub-window more. Hence never more
//! than the quota is granted in any window, wherever it begins, and at most a sixteenth of the time
//! is counted too long.
//!
//! Most requests come in the sub-window of the one before. For these the cell holds the moments at
//! which something changes, so that counting compares and adds, and nothing else.

/// The number of sub-windows in a window: finer ones cost memory, coarser ones grant less at the
/// edge.
pub const SUB_WINDOWS: u64 = 16;

/// The sub-windows before the current one that the cell remembers: a whole window.
const PAST: usize = 16;

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

/// The counts of one window. `length` (milliseconds) is the same in all calls. The order of the
/// fields is kept: the past, which few requests look at, comes last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub(super) struct SlidingCell<T> {
    /// The moment at which the current sub-window ends; 0 before the first one.
    ends: u64,
    /// Milliseconds from there until the oldest count is no longer held: of the past, or of the
    /// current sub-window if the past is empty.
    stays: u32,
    /// The count of all sub-windows: what the past does not have of it is the current one's.
    total: T,
    /// The sub-windows before the current one, each at the place of its number.
    past: [T; PAST],
}

/// The number of the sub-window in which a moment lies, counted from 1970.
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
        if steady >= self.ends {
            self.advance_to(sub_window(steady, length), length);
        }
    }

    /// Makes a sub-window the current one. It is not before the one that is.
    #[inline(never)]
    fn advance_to(&mut self, now: u64, length: u64) {
        let before = self.current_number(length);
        if self.total.get() == 0 || now.saturating_sub(before) > PAST as u64 {
            let stays = stays(now, now, length);
            *self = Self { ends: start(now.saturating_add(1), length), stays, ..Self::default() };
            return;
        }
        let mut count = T::of(self.current());
        for number in before..now {
            // the place of the one that has left the window
            if let Some(place) = self.past.get_mut(position(number)) {
                let gone = std::mem::replace(place, count);
                self.total = T::of(self.total().saturating_sub(gone.get()));
            }
            count = T::default();
        }
        self.ends = start(now.saturating_add(1), length);
        self.stays = self.oldest_stays(now, length);
    }

    /// The count of the window that ends now, and of up to a sixteenth before it.
    pub(super) fn total(&self) -> u64 {
        self.total.get()
    }

    /// Counts in the current sub-window.
    pub(super) fn add(&mut self, amount: u64) {
        self.total = T::of(self.total.get().saturating_add(amount));
    }

    /// Counts in another sub-window: a count of another gateway, or of a file. An older one than
    /// the cell has is over.
    pub(super) fn absorb(&mut self, number: u64, amount: u64, length: u64) {
        if number > self.current_number(length) {
            self.advance_to(number, length);
        }
        let current = self.current_number(length);
        let age = current.saturating_sub(number);
        if age > PAST as u64 {
            return;
        }
        let before = self.total();
        self.add(amount);
        if let Some(count) = self.past.get_mut(position(number)).filter(|_| age > 0) {
            *count = T::of(count.get() + (self.total.get() - before));
            self.stays = self.oldest_stays(current, length);
        }
    }

    /// Milliseconds until at most `most` are counted, if nothing is added.
    pub(super) fn until_at_most(&self, most: u64, steady: u64, length: u64) -> u64 {
        let mut left = self.total();
        if left <= most {
            return 0;
        }
        let freeing = self.counted(length).find(|(_, count)| {
            left = left.saturating_sub(*count);
            left <= most
        });
        let last = freeing.map_or_else(|| self.current_number(length), |(number, _)| number);
        end_of_stay(last, length).saturating_sub(steady)
    }

    /// Milliseconds until the oldest count leaves the window; 0 if there is none.
    pub(super) fn until_first_leaves(&self, steady: u64) -> u64 {
        if self.total() == 0 {
            return 0;
        }
        self.ends.saturating_add(self.stays.into()).saturating_sub(steady)
    }

    /// The sub-windows in which something was counted, oldest first.
    pub(super) fn counted(&self, length: u64) -> impl Iterator<Item = (u64, u64)> {
        let current = self.current_number(length);
        self.past(current)
            .chain(std::iter::once((current, self.current())))
            .filter(|(_, count)| *count > 0)
    }

    /// The number of the current sub-window.
    fn current_number(&self, length: u64) -> u64 {
        sub_window(self.ends.saturating_sub(1), length)
    }

    /// The count of the current sub-window.
    fn current(&self) -> u64 {
        let past = self.past.iter().fold(0, |sum, count| count.get().saturating_add(sum));
        self.total().saturating_sub(past)
    }

    /// The sub-windows before the current one, oldest first.
    fn past(&self, current: u64) -> impl Iterator<Item = (u64, u64)> {
        (current.saturating_sub(PAST as u64)..current)
            .map(|number| (number, self.past.get(position(number)).map_or(0, |count| count.get())))
    }

    fn oldest_stays(&self, current: u64, length: u64) -> u32 {
        let oldest = self.past(current).find(|(_, count)| *count > 0);
        stays(oldest.map_or(current, |(number, _)| number), current, length)
    }
}

/// The place of a sub-window among those of the past.
fn position(number: u64) -> usize {
    usize::try_from(number % PAST as u64).unwrap_or_default()
}

/// Milliseconds from the end of the current sub-window until a count of this one is no longer held:
/// at most a window.
fn stays(number: u64, current: u64, length: u64) -> u32 {
    let end = start(current.saturating_add(1), length);
    u32::try_from(end_of_stay(number, length).saturating_sub(end)).unwrap_or(u32::MAX)
}

/// The moment from which the counts of a sub-window are no longer held.
fn end_of_stay(number: u64, length: u64) -> u64 {
    start(number.saturating_add(1 + PAST as u64), length)
}

/// The first moment of a sub-window.
fn start(number: u64, length: u64) -> u64 {
    if let Some(parts) = number.checked_mul(length) {
        return parts.div_ceil(SUB_WINDOWS);
    }
    let parts = u128::from(number) * u128::from(length);
    u64::try_from(parts.div_ceil(u128::from(SUB_WINDOWS))).unwrap_or(u64::MAX)
}
