//! `Accept`: a caller that cannot read the answer gets 406. Only reading calls are judged, because
//! a change that was made is not taken back for its answer.

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use crate::admin::refused::Refused;

/// The media types that a caller can read.
#[derive(Debug, Default)]
pub(super) struct AcceptedTypes(Vec<HeaderValue>);

impl AcceptedTypes {
    pub(super) fn of(method: &Method, headers: &HeaderMap) -> Self {
        let judged = matches!(*method, Method::GET | Method::HEAD);
        let fields = headers.get_all(header::ACCEPT).into_iter();
        Self(if judged { fields.cloned().collect() } else { Vec::new() })
    }

    /// Refuses an answer of another type.
    pub(super) fn check<B>(&self, response: &Response<B>) -> Result<(), Refused> {
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|own| own.to_str().ok());
        let Some(kind) = kind.filter(|_| response.status() == StatusCode::OK) else {
            return Ok(());
        };
        let kind = essence(kind);
        if self.0.is_empty() || self.takes(&kind) {
            return Ok(());
        }
        Err(Refused::plain(StatusCode::NOT_ACCEPTABLE, format!("this call answers with {kind}")))
    }

    /// The most exact range decides, as RFC 9110 wants it.
    fn takes(&self, kind: &str) -> bool {
        let family = kind.split_once('/').map_or(kind, |(family, _)| family);
        let ranges = [kind.to_owned(), format!("{family}/*"), "*/*".to_owned()];
        ranges.iter().find_map(|range| self.wants(range)).unwrap_or(false)
    }

    /// Tells whether the client wants this range; `None` if it does not name the range. A field
    /// that cannot be read accepts everything.
    fn wants(&self, range: &str) -> Option<bool> {
        self.0.iter().find_map(|field| {
            let Ok(text) = field.to_str() else { return Some(true) };
            text.split(',').filter(|own| essence(own) == range).map(is_wanted).next()
        })
    }
}

fn essence(text: &str) -> String {
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_wanted(range: &str) -> bool {
    let mut parameters = range.split(';').skip(1).map(|own| own.trim().to_ascii_lowercase());
    let weight = parameters.find_map(|own| own.strip_prefix("q=").map(str::to_owned));
    weight.is_none_or(|weight| weight.trim().parse::<f32>().is_ok_and(|weight| weight > 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &Method, accept: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for field in accept {
            headers.append(header::ACCEPT, field.parse().unwrap());
        }
        let json = "application/json; charset=utf-8";
        let response = Response::builder().header(header::CONTENT_TYPE, json).body(()).unwrap();
        AcceptedTypes::of(method, &headers).check(&response).is_ok()
    }

    #[test]
    fn json_is_sent_to_those_who_read_it() {
        for good in [
            &[][..],
            &["*/*"],
            &["application/json"],
            &["Application/JSON;q=0.1"],
            &["text/html, application/*;q=0.2"],
            &["text/html", "*/*;q=0.8"],
        ] {
            assert!(check(&Method::GET, good), "{good:?}");
        }
        for bad in [
            &["text/xml"][..],
            &["application/xml, text/*"],
            &["*/*;q=0"],
            &["*/*, application/json;q=0"],
            &["application/jsonp"],
        ] {
            assert!(!check(&Method::GET, bad), "{bad:?}");
            assert!(check(&Method::POST, bad), "{bad:?}");
        }
    }
}
