//! Parses durations and sizes.

use std::time::Duration;

/// Parses `250ms`, `5s`, `1m`, `24h`, `7d`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (digits, unit) = split(text)?;
    let number: u64 = digits.parse().ok()?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

/// Parses `512B`, `64KiB`, `1MiB`, `2GiB`.
pub(super) fn size(text: &str) -> Option<u64> {
    let (digits, unit) = split(text)?;
    let number: u64 = digits.parse().ok()?;
    let factor = match unit {
        "" | "B" => 1,
        "KiB" => 1024,
        "MiB" => 1024 * 1024,
        "GiB" => 1024 * 1024 * 1024,
        _ => return None,
    };
    number.checked_mul(factor)
}

fn split(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).filter(|(digits, _)| !digits.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_a_duration_or_a_size() {
        for text in
            ["", "5", "s", "5 s", "-5s", "5.5s", "5S", "1w", "99999999999999999999s", "5sec"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
        for text in [
            "",
            "KiB",
            "1KB",
            "1 KiB",
            "-1B",
            "1.5MiB",
            "99999999999999999999B",
            "18446744073709551615GiB",
        ] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(number in 0_u64..1_000_000) {
            prop_assert_eq!(duration(&format!("{number}ms")), Some(Duration::from_millis(number)));
            let minutes = Some(Duration::from_secs(number * 60));
            prop_assert_eq!(duration(&format!("{number}m")), minutes);
            prop_assert_eq!(size(&format!("{number}KiB")), Some(number * 1024));
            prop_assert_eq!(size(&format!("{number}")), Some(number));
        }
    }
}
