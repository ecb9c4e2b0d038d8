//! [`Peer`]: the backend's side of one connection: reads requests without judging them and plays scripts.

use std::fmt::Write;
use std::time::Duration;

use serde_json::json;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::origin::Received;
use crate::support::recorded::Exchange;
use crate::support::script::{Script, Step};

/// What happens to the connection after an answer.
#[derive(PartialEq, Eq)]
pub(crate) enum Next {
    KeepAlive,
    End,
}

pub(crate) struct Peer {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Peer {
    pub(crate) fn new(stream: TcpStream) -> Peer {
        Peer { stream, unread: Vec::new() }
    }

    pub(crate) async fn head(&mut self, connection: usize) -> Option<Received> {
        let end = self.find(b"\r\n\r\n").await?;
        let head = self.take(end + 4);
        let text = String::from_utf8_lossy(&head).into_owned();
        let mut lines = text.lines();
        let mut request_line = lines.next()?.split(' ');
        Some(Received {
            connection,
            method: request_line.next()?.to_owned(),
            target: request_line.next()?.to_owned(),
            headers: lines.filter_map(parse_field).collect(),
            head,
            body: Vec::new(),
            trailers: Vec::new(),
            complete: false,
        })
    }

    pub(crate) async fn body(&mut self, request: &mut Received) {
        if request.values("expect").iter().any(|value| value.eq_ignore_ascii_case("100-continue")) {
            let _ = self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await;
        }
        if request
            .values("transfer-encoding")
            .iter()
            .any(|value| value.eq_ignore_ascii_case("chunked"))
        {
            request.complete = self.chunks(request).await.is_some();
            return;
        }
        let length = request
            .values("content-length")
            .first()
            .and_then(|value| value.parse().ok())
            .unwrap_or(0);
        while self.unread.len() < length && self.more().await {}
        request.complete = self.unread.len() >= length;
        request.body = self.take(length);
    }

    async fn chunks(&mut self, request: &mut Received) -> Option<()> {
        loop {
            let end = self.find(b"\r\n").await?;
            let line = self.take(end + 2);
            let size = usize::from_str_radix(
                std::str::from_utf8(&line).ok()?.trim().split(';').next()?,
                16,
            )
            .ok()?;
            if size == 0 {
                break;
            }
            while self.unread.len() < size + 2 && self.more().await {}
            let whole = self.unread.len() >= size + 2;
            let chunk = self.take(size + 2);
            request.body.extend(&chunk[..size.min(chunk.len())]);
            if !whole {
                return None;
            }
        }
        loop {
            let end = self.find(b"\r\n").await?;
            let line = self.take(end + 2);
            if end == 0 {
                return Some(());
            }
            request.trailers.extend(parse_field(&String::from_utf8_lossy(&line)));
        }
    }

    pub(crate) async fn play(&mut self, script: &Script, request: &Received) -> Next {
        for step in &script.steps {
            let written = match step {
                Step::Echo => self.stream.write_all(&echo(request)).await,
                Step::Answer { status, headers, body } => {
                    self.stream.write_all(&render(*status, headers, body, &request.method)).await
                }
                Step::Replay(exchanges) => {
                    let (status, headers, body) = Exchange::answer(exchanges, request);
                    self.stream.write_all(&render(status, &headers, &body, &request.method)).await
                }
                Step::Bytes(bytes) => self.stream.write_all(bytes).await,
                Step::Drip { bytes, pause } => self.drip(bytes, *pause).await,
                Step::Wait(delay) => {
                    tokio::time::sleep(*delay).await;
                    Ok(())
                }
                Step::Hang => {
                    while self.more().await {}
                    return Next::End;
                }
                Step::Close => return Next::End,
                Step::Reset => {
                    let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
                    return Next::End;
                }
            };
            if written.is_err() {
                return Next::End;
            }
        }
        Next::KeepAlive
    }

    async fn drip(&mut self, bytes: &[u8], pause: Duration) -> std::io::Result<()> {
        for byte in bytes {
            self.stream.write_all(&[*byte]).await?;
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    async fn find(&mut self, pattern: &[u8]) -> Option<usize> {
        loop {
            if let Some(position) =
                self.unread.windows(pattern.len()).position(|window| window == pattern)
            {
                return Some(position);
            }
            if !self.more().await {
                return None;
            }
        }
    }

    async fn more(&mut self) -> bool {
        self.stream.read_buf(&mut self.unread).await.is_ok_and(|read| read > 0)
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.unread.split_off(count.min(self.unread.len()));
        std::mem::replace(&mut self.unread, rest)
    }
}

fn parse_field(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    Some((name.to_owned(), value.trim().to_owned()))
}

fn echo(request: &Received) -> Vec<u8> {
    let Received { method, target, headers, body, .. } = request;
    let said = json!({ "method": method, "target": target, "headers": headers, "body": String::from_utf8_lossy(body) });
    render(
        200,
        &[("content-type".to_owned(), "application/json".to_owned())],
        said.to_string().as_bytes(),
        method,
    )
}

fn render(status: u16, headers: &[(String, String)], body: &[u8], method: &str) -> Vec<u8> {
    let reason = http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Scripted");
    let mut head = format!("HTTP/1.1 {status} {reason}\r\n");
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    if status != 204 && status != 304 {
        write!(head, "content-length: {}\r\n", body.len()).unwrap();
    }
    let body = if method == "HEAD" { &[] } else { body };
    [head.as_bytes(), b"\r\n", body].concat()
}
