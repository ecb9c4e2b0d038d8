//! The format of a refusal: the one that `Accept` prefers (RFC 9110 section 12.5.1), or else the
//! operator's choice. A client is never refused for its `Accept`: if it accepts no format that
//! exists, it gets the operator's choice. XML is for clients that accept only XML, because browsers
//! and many libraries list it beside others. If the operator chose RFC 9457, a client that accepts
//! JSON gets `problem+json`.

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};

use crate::model::gateway::ErrorFormat;
use crate::proxy::stream::kind::StreamKind;

/// The format of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyFormat {
    /// `{"code","message","description"}`.
    Wso2,
    /// RFC 9457.
    Problem,
    ApplicationXml,
    TextXml,
    /// A status in headers, for gRPC's libraries.
    Grpc,
}

/// The parts of a request's head that choose a format. They are kept because the head itself leaves
/// with the request, and a failure of the backend is reported in the client's format too.
#[derive(Debug, Clone)]
pub struct FormatPreference {
    accept: Option<HeaderValue>,
    grpc: bool,
}

impl FormatPreference {
    pub fn of(headers: &HeaderMap) -> Self {
        let mut lines = headers.get_all(ACCEPT).iter();
        let accept = match (lines.next(), lines.next()) {
            (Some(_), Some(_)) => {
                let lines = headers.get_all(ACCEPT).iter();
                let lines: Vec<&str> = lines.filter_map(|line| line.to_str().ok()).collect();
                HeaderValue::try_from(lines.join(",")).ok()
            }
            (line, _) => line.cloned(),
        };
        Self { accept, grpc: StreamKind::of(headers) == StreamKind::Grpc }
    }

    pub fn is_grpc(&self) -> bool {
        self.grpc
    }

    /// Chooses the format; `preferred` is the operator's.
    pub fn choose(&self, preferred: ErrorFormat) -> ReplyFormat {
        if self.grpc {
            return ReplyFormat::Grpc;
        }
        let mut accepted = Accepted::default();
        if let Some(Ok(line)) = self.accept.as_ref().map(HeaderValue::to_str) {
            line.split(',').for_each(|range| accepted.read(range));
        }
        let Accepted { json, problem, application_xml, text_xml } = accepted;
        let xml = if text_xml > application_xml {
            ReplyFormat::TextXml
        } else {
            ReplyFormat::ApplicationXml
        };
        let only_xml =
            !json.wanted() && !problem.wanted() && application_xml.max(text_xml).wanted();
        match preferred {
            _ if only_xml => xml,
            ErrorFormat::Problem => ReplyFormat::Problem,
            ErrorFormat::Wso2 if problem.wanted() && problem.named() && problem > json => {
                ReplyFormat::Problem
            }
            ErrorFormat::Wso2 => ReplyFormat::Wso2,
        }
    }
}

#[derive(Debug, Default)]
struct Accepted {
    json: MediaWeight,
    problem: MediaWeight,
    application_xml: MediaWeight,
    text_xml: MediaWeight,
}

/// The weight of a media type. Of two with equal quality, the one that is named more exactly weighs
/// more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct MediaWeight {
    thousandths: u16,
    precision: u8,
}

const NAMED: u8 = 3;

impl Accepted {
    fn read(&mut self, range: &str) {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let quality =
            parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let thousandths = quality.map_or(1000, parse_quality);
        for (name, weight) in [
            ("application/json", &mut self.json),
            ("application/problem+json", &mut self.problem),
            ("application/xml", &mut self.application_xml),
            ("text/xml", &mut self.text_xml),
        ] {
            let precision = precision(media, name);
            // the most exact range decides
            if precision > 0 && precision >= weight.precision {
                *weight = MediaWeight { thousandths, precision };
            }
        }
    }
}

impl MediaWeight {
    fn wanted(self) -> bool {
        self.thousandths > 0
    }

    fn named(self) -> bool {
        self.precision == NAMED
    }
}

/// Returns 0 if the range does not cover the type.
fn precision(range: &str, name: &str) -> u8 {
    let kind = |text: &str| text.split_once('/').map(|(kind, _)| kind.to_ascii_lowercase());
    if range.eq_ignore_ascii_case(name) {
        NAMED
    } else if range.ends_with("/*") && kind(range) == kind(name) {
        2
    } else {
        u8::from(range == "*/*")
    }
}

/// Reads a quality such as `0`, `0.5` or `1.000` in thousandths. A text that is no quality counts
/// as 1.
fn parse_quality(text: &str) -> u16 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let well_formed = matches!(whole, "0" | "1")
        && fraction.len() <= 3
        && fraction.bytes().all(|digit| digit.is_ascii_digit());
    if !well_formed || whole == "1" {
        return 1000;
    }
    format!("{fraction:0<3}").parse().unwrap_or(1000)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn chosen(accept: &[&str], format: ErrorFormat) -> ReplyFormat {
        let mut headers = HeaderMap::new();
        for line in accept {
            headers.append(ACCEPT, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        FormatPreference::of(&headers).choose(format)
    }

    #[test]
    fn the_client_is_answered_in_its_format() {
        for (accept, expected) in [
            ("", ReplyFormat::Wso2),
            ("*/*", ReplyFormat::Wso2),
            ("application/json", ReplyFormat::Wso2),
            ("image/png", ReplyFormat::Wso2),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", ReplyFormat::Wso2),
            ("application/xml, application/json;q=0.1", ReplyFormat::Wso2),
            ("application/*", ReplyFormat::Wso2),
            ("application/xml", ReplyFormat::ApplicationXml),
            ("Application/XML; charset=utf-8", ReplyFormat::ApplicationXml),
            ("text/xml", ReplyFormat::TextXml),
            ("text/*", ReplyFormat::TextXml),
            ("text/xml;q=0.5, application/xml", ReplyFormat::ApplicationXml),
            ("text/xml, application/xml;q=0.5", ReplyFormat::TextXml),
            ("text/xml, */*;q=0", ReplyFormat::TextXml),
            ("application/xml, application/json;q=0", ReplyFormat::ApplicationXml),
            ("application/xml;q=0", ReplyFormat::Wso2),
            ("application/problem+json", ReplyFormat::Problem),
            ("application/problem+json, */*", ReplyFormat::Problem),
            ("application/json;q=0.5, application/problem+json", ReplyFormat::Problem),
            ("application/json, application/problem+json", ReplyFormat::Wso2),
            ("application/json, application/problem+json;q=0.9", ReplyFormat::Wso2),
            ("application/problem+json;q=0", ReplyFormat::Wso2),
            ("application/problem+json;q=0.001, text/xml", ReplyFormat::Problem),
            ("application/xml;q=oops, ;;;,/,", ReplyFormat::ApplicationXml),
        ] {
            assert_eq!(chosen(&[accept], ErrorFormat::Wso2), expected, "{accept}");
        }
        assert_eq!(chosen(&[], ErrorFormat::Wso2), ReplyFormat::Wso2);
        assert_eq!(
            chosen(&["text/xml", "application/json;q=0.1"], ErrorFormat::Wso2),
            ReplyFormat::Wso2
        );
        assert_eq!(chosen(&["caf\u{e9}", "text/xml"], ErrorFormat::Wso2), ReplyFormat::TextXml);
    }

    #[test]
    fn the_operator_may_choose_problems() {
        for accept in ["", "*/*", "application/json", "image/png", "application/json, text/xml"] {
            assert_eq!(chosen(&[accept], ErrorFormat::Problem), ReplyFormat::Problem, "{accept}");
        }
        assert_eq!(chosen(&["text/xml"], ErrorFormat::Problem), ReplyFormat::TextXml);
    }
}
