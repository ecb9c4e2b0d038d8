//! Asks the gateway that runs on a `state_dir`, over its control socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use crate::fetch;
use crate::management::control::SOCKET;

const MOST_ANSWER: usize = 4 * 1024 * 1024;

/// The number of tries: during a takeover a call may end without an answer, and the next one
/// succeeds.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// The longest wait for an answer: a reload of a million applications.
pub(super) const RELOAD: Duration = Duration::from_mins(5);
pub(super) const QUESTION: Duration = Duration::from_mins(1);
pub(super) const LOOK: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub(super) enum ControlError {
    #[error("no gateway runs on {}: nothing listens on its {SOCKET}", .0.display())]
    Nobody(PathBuf),
    #[error("cannot open {}: {source}; run this command as the gateway's user", path.display())]
    Socket { path: PathBuf, source: io::Error },
    #[error("the running gateway did not answer: {0}")]
    Answer(String),
}

/// Sends one call and returns the answer.
pub(super) async fn ask(
    state_dir: &Path,
    (method, path): (Method, &str),
    body: Bytes,
    within: Duration,
) -> Result<(StatusCode, String), ControlError> {
    let tries = async {
        let mut last = String::new();
        for _ in 0..TRIES {
            match once(state_dir, &method, path, body.clone()).await? {
                Ok(answer) => return Ok(answer),
                Err(why) => last = why,
            }
            sleep(PAUSE).await;
        }
        Err(ControlError::Answer(last))
    };
    timeout(within, tries).await.unwrap_or_else(|_| {
        Err(ControlError::Answer(format!("no answer within {} s", within.as_secs())))
    })
}

async fn once(
    state_dir: &Path,
    method: &Method,
    path: &str,
    body: Bytes,
) -> Result<Result<(StatusCode, String), String>, ControlError> {
    let socket = state_dir.join(SOCKET);
    let stream = match UnixStream::connect(&socket).await {
        Ok(stream) => stream,
        Err(error) => {
            return Err(match error.kind() {
                io::ErrorKind::NotFound
                | io::ErrorKind::ConnectionRefused
                // the path is too long for a socket, so nothing can listen there
                | io::ErrorKind::InvalidInput => ControlError::Nobody(state_dir.to_owned()),
                _ => ControlError::Socket { path: socket, source: error },
            });
        }
    };
    Ok(exchange(stream, method, path, body).await)
}

async fn exchange(
    stream: UnixStream,
    method: &Method,
    path: &str,
    body: Bytes,
) -> Result<(StatusCode, String), String> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "control")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(body))
        .map_err(|error| error.to_string())?;
    let response =
        fetch::send(TokioIo::new(stream), request).await.map_err(|error| error.to_string())?;
    let status = response.status();
    let body = response.content(MOST_ANSWER).await.map_err(|error| error.to_string())?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// Returns the reason of a refusal: `report` or `detail` of the answer, or else all of it.
pub(super) fn words(body: &str) -> String {
    let read: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let said = |name: &str| read.as_ref()?.get(name)?.as_str().map(str::to_owned);
    said("report").or_else(|| said("detail")).unwrap_or_else(|| body.to_owned())
}
