//! Reads how long a server lets its answer be kept (RFC 9111 sections 4.2 and 5.2).

use std::time::Duration;

use http::{HeaderMap, HeaderName, header};

/// The time for which a server lets its answer be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// The response does not say.
    Unsaid,
    /// The response is good for this long.
    For(Duration),
    /// The response must not be kept.
    Uncached,
}

/// Reads `Cache-Control`, `Age`, `Expires` and `Pragma` together.
pub(super) fn of(headers: &HeaderMap) -> Freshness {
    let all = |name: HeaderName| {
        headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>()
    };
    let controls = all(header::CACHE_CONTROL).join(",");
    let directives = || controls.split(',').map(str::trim).filter(|text| !text.is_empty());
    let named = |wanted: &str| {
        directives().any(|directive| {
            let name = directive.split('=').next().unwrap_or_default();
            name.trim().eq_ignore_ascii_case(wanted)
        })
    };
    // `no-cache="field"` means less than `no-cache`; asking again does no harm
    if named("no-cache") || named("no-store") {
        return Freshness::Uncached;
    }
    let max_age = directives().find_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        let value = value.trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case("max-age").then(|| value.parse().ok()).flatten()
    });
    if let Some(seconds) = max_age {
        let age = all(header::AGE).first().and_then(|age| age.trim().parse().ok());
        let left = u64::saturating_sub(seconds, age.unwrap_or_default());
        return Freshness::For(Duration::from_secs(left));
    }
    if directives().next().is_some() {
        return Freshness::Unsaid;
    }
    if all(header::PRAGMA).iter().any(|pragma| pragma.to_ascii_lowercase().contains("no-cache")) {
        return Freshness::Uncached;
    }
    let Some(expires) = all(header::EXPIRES).first().map(|expires| seconds(expires)) else {
        return Freshness::Unsaid;
    };
    // "0" and other invalid dates mean that it has expired
    let Some(expires) = expires else { return Freshness::Uncached };
    match all(header::DATE).first().and_then(|date| seconds(date)) {
        Some(date) if date < expires => {
            Freshness::For(Duration::from_secs(expires.saturating_sub(date)))
        }
        Some(_) => Freshness::Uncached,
        None => Freshness::Unsaid,
    }
}

/// Seconds since 1970 of a date as every server of today writes it: `Sun, 06 Nov 1994 08:49:37
/// GMT`.
fn seconds(date: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, date) = date.trim().split_once(", ")?;
    let date = date.strip_suffix(" GMT")?;
    let mut parts = date.split([' ', ':']);
    let mut number = |limit: u64| -> Option<u64> {
        parts.next()?.parse().ok().filter(|number| *number <= limit)
    };
    let day = number(31)?;
    let month = parts.next()?;
    let month = u64::try_from(MONTHS.iter().position(|name| *name == month)?).ok()?;
    let mut number = |limit: u64| -> Option<u64> {
        parts.next()?.parse().ok().filter(|number| *number <= limit)
    };
    let (year, hour, minute, second) = (number(9999)?, number(23)?, number(59)?, number(60)?);
    // years that begin in March, so that a leap day is the last of its year
    let (year, month) =
        if month < 2 { (year.checked_sub(1)?, month + 10) } else { (year, month - 2) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    let days = days.checked_sub(719_469)?;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&'static str, &'static str)]) -> Freshness {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        of(&headers)
    }

    fn lasts(seconds: u64) -> Freshness {
        Freshness::For(Duration::from_secs(seconds))
    }

    #[test]
    fn each_way_to_say_it() {
        let control = |value| read(&[("cache-control", value)]);
        assert_eq!(control("public, Max-Age=120"), lasts(120));
        assert_eq!(control("max-age=\"90\", must-revalidate"), lasts(90));
        for value in [
            "no-cache",
            "No-Store",
            "max-age=3600, no-cache",
            "private, no-cache=\"x, y\", max-age=9",
        ] {
            assert_eq!(control(value), Freshness::Uncached, "{value}");
        }
        assert_eq!(
            read(&[("cache-control", "public"), ("cache-control", "no-cache")]),
            Freshness::Uncached
        );
        assert_eq!(control("max-age=soon"), Freshness::Unsaid);
        assert_eq!(control("x-no-cache"), Freshness::Unsaid);
        assert_eq!(read(&[]), Freshness::Unsaid);
        assert_eq!(read(&[("pragma", "no-cache")]), Freshness::Uncached);
        assert_eq!(read(&[("pragma", "no-cache"), ("cache-control", "max-age=60")]), lasts(60));
    }

    #[test]
    fn what_a_cache_before_the_server_has_used_up_is_over() {
        assert_eq!(read(&[("cache-control", "max-age=120"), ("age", "100")]), lasts(20));
        assert_eq!(read(&[("cache-control", "max-age=120"), ("age", "500")]), lasts(0));
    }

    #[test]
    fn expires_counts_where_nothing_else_does() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let expires = |value| read(&[date, ("expires", value)]);
        assert_eq!(expires("Sun, 06 Nov 1994 08:51:07 GMT"), lasts(90));
        assert_eq!(expires("Sun, 06 Nov 1994 08:49:37 GMT"), Freshness::Uncached);
        assert_eq!(expires("0"), Freshness::Uncached);
        assert_eq!(expires("-1"), Freshness::Uncached);
        assert_eq!(read(&[date, ("expires", "0"), ("cache-control", "max-age=300")]), lasts(300));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(seconds("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(seconds("Thu, 29 Feb 2024 23:59:59 GMT"), Some(1_709_251_199));
    }
}
