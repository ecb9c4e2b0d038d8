//! The time at the beginning of a line. Dates are worked out once a second; the milliseconds of a
//! line are put behind.

use std::fmt::Write;

use super::UnixMillis;

/// The last requested second, as text.
#[derive(Debug, Default)]
pub(super) struct Calendar {
    /// Seconds since 1970.
    second: Option<u64>,
    text: String,
    /// The length of the text that the second shares.
    date_bytes: usize,
}

impl Calendar {
    /// Returns the time in RFC 3339, UTC, to the millisecond. A time outside the calendar is
    /// written as its number.
    pub(super) fn text(&mut self, UnixMillis(time): UnixMillis) -> &str {
        let (second, millisecond) = (time / 1000, time % 1000);
        if self.second != Some(second) {
            self.second = Some(second);
            self.text.clear();
            match i64::try_from(second)
                .ok()
                .and_then(|second| jiff::Timestamp::from_second(second).ok())
            {
                // writing to memory cannot fail
                Some(timestamp) => drop(write!(self.text, "{timestamp:.0}")),
                None => self.second = None,
            }
            // the zone stands behind the milliseconds
            self.text.pop();
            self.date_bytes = self.text.len();
        }
        self.text.truncate(self.date_bytes);
        if self.second.is_none() {
            self.text.push_str(itoa::Buffer::new().format(time));
            return &self.text;
        }
        self.text.push('.');
        for place in [100, 10, 1] {
            self.text.push(
                char::from_digit(u32::try_from(millisecond / place % 10).unwrap_or_default(), 10)
                    .unwrap_or('0'),
            );
        }
        self.text.push('Z');
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_full_however_the_one_before_it_was() {
        let mut calendar = Calendar::default();
        for (time, text) in [
            (1_772_600_767_089, "2026-03-04T05:06:07.089Z"),
            (1_772_600_767_999, "2026-03-04T05:06:07.999Z"),
            (1_772_600_768_000, "2026-03-04T05:06:08.000Z"),
            (u64::MAX, "18446744073709551615"),
            (u64::MAX, "18446744073709551615"),
            (1_772_600_767_001, "2026-03-04T05:06:07.001Z"),
            (0, "1970-01-01T00:00:00.000Z"),
            (253_402_207_200_000, "9999-12-30T22:00:00.000Z"),
            (253_402_300_800_000, "253402300800000"),
        ] {
            assert_eq!(calendar.text(UnixMillis(time)), text);
        }
    }
}
