//! One request over an open stream, and its response.

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use tokio::task::JoinSet;

/// A response whose head has arrived. Dropping it closes the connection.
#[derive(Debug)]
pub struct OpenResponse {
    response: Response<Incoming>,
    /// The task that drives the connection.
    _driver: JoinSet<hyper::Result<()>>,
}

/// The reasons why the content of a response cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    #[error("the response is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the response broke off: {0}")]
    BrokenOff(Box<dyn std::error::Error + Send + Sync>),
}

/// Sends a request by HTTP/1.1 and waits for the response's head. The deadline is the caller's.
pub async fn send<S>(stream: S, request: Request<Full<Bytes>>) -> hyper::Result<OpenResponse>
where
    S: Read + Write + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(stream).await?;
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let response = sender.send_request(request).await?;
    Ok(OpenResponse { response, _driver: driver })
}

impl OpenResponse {
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Reads the whole content, up to `most` bytes.
    pub async fn content(self, most: usize) -> Result<Bytes, ContentError> {
        let body = Limited::new(self.response.into_body(), most).collect().await;
        body.map(http_body_util::Collected::to_bytes).map_err(|error| {
            if error.is::<LengthLimitError>() {
                ContentError::TooLarge(most)
            } else {
                ContentError::BrokenOff(error)
            }
        })
    }
}
