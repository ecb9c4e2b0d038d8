//! The format of a scrape, chosen by the scraper's `Accept`.

/// A format of a scrape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScrapeFormat {
    /// Prometheus' text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.0, which has exemplars.
    OpenMetrics,
}

impl ScrapeFormat {
    /// Chooses the format with the higher weight; the text format if neither is named. The range
    /// that names a format most exactly has its weight (RFC 9110 section 12.5.1).
    pub fn accepted(accept: &str) -> Self {
        // the text format's weight, behind the exactness of its range
        let (mut open, mut text) = (0, (0, 0));
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let (mut weight, mut known) = (1000, true);
            for part in parts {
                let Some((name, value)) = part.split_once('=') else { continue };
                match name.to_ascii_lowercase().as_str() {
                    "q" => weight = thousandths(value),
                    "version" => known = matches!(value.trim_matches('"'), "1.0.0" | "0.0.1"),
                    _ => {}
                }
            }
            match media.as_str() {
                "application/openmetrics-text" if known => open = weight.max(open),
                "text/plain" => text = text.max((3, weight)),
                "text/*" => text = text.max((2, weight)),
                "*/*" => text = text.max((1, weight)),
                _ => {}
            }
        }
        if open > 0 && open >= text.1 { Self::OpenMetrics } else { Self::Text }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Reads a quality, 0 to 1 with at most three decimals; a text that is no quality counts as 0.
fn thousandths(quality: &str) -> u16 {
    let (whole, decimals) = quality.split_once('.').unwrap_or((quality, ""));
    let digits = decimals.bytes().all(|byte| byte.is_ascii_digit());
    match (whole, format!("{decimals:0<3}").get(..3).map(str::parse)) {
        ("1", _) => 1000,
        ("0", Some(Ok(decimals))) if digits => decimals,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heavier_format_is_chosen() {
        // as Prometheus 2 and 3 ask
        let second = "application/openmetrics-text;version=1.0.0,\
                      application/openmetrics-text;version=0.0.1;q=0.75,\
                      text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let third = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                     application/openmetrics-text;version=0.0.1;q=0.4,\
                     text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
                     text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        for accept in [
            second,
            third,
            "application/openmetrics-text",
            "Application/OpenMetrics-Text; q=1",
            // the range that names the text format has its weight
            "text/plain;q=0.1,*/*;q=0.8,application/openmetrics-text;q=0.5",
        ] {
            assert_eq!(ScrapeFormat::accepted(accept), ScrapeFormat::OpenMetrics, "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "text/plain",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;version=2.0.0",
            "application/openmetrics-text;q=0.4,text/plain;q=0.5",
            "application/openmetrics-text;q=x",
            "application/openmetrics-text;Q=0.4,*/*",
            "text/html,application/xhtml+xml,*/*;q=0.8",
        ] {
            assert_eq!(ScrapeFormat::accepted(accept), ScrapeFormat::Text, "{accept}");
        }
    }
}
