//! [`Script`]: how a backend answers one request, as steps that may be as wrong as a test wants them.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::support::recorded::Exchange;

/// How one request is answered, step by step. After the last step the connection waits for the next request.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) steps: Vec<Step>,
    pub(crate) body: RequestBody,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestBody {
    /// Read whole before the first step.
    Read,
    /// Left in the socket: the answer comes early, and the connection is closed after it.
    Ignored,
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Echo,
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    /// What a real server answered to the same question.
    Replay(Arc<Vec<Exchange>>),
    Bytes(Vec<u8>),
    Drip {
        bytes: Vec<u8>,
        pause: Duration,
    },
    Wait(Duration),
    Hang,
    Close,
    Reset,
}

impl Script {
    fn new(steps: Vec<Step>) -> Script {
        Script { steps, body: RequestBody::Read }
    }

    /// 200 with the request as JSON: method, target, headers, body.
    pub(crate) fn echo() -> Script {
        Script::new(vec![Step::Echo])
    }

    pub(crate) fn answer(
        status: u16,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Script {
        let headers =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Script::new(vec![Step::Answer { status, headers, body: body.into() }])
    }

    /// 200 with these chunks and trailers.
    pub(crate) fn chunked(chunks: &[&str], trailers: &[(&str, &str)]) -> Script {
        let mut bytes = String::from("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n");
        if !trailers.is_empty() {
            let names: Vec<&str> = trailers.iter().map(|(name, _)| *name).collect();
            write!(bytes, "trailer: {}\r\n", names.join(", ")).unwrap();
        }
        bytes.push_str("\r\n");
        for chunk in chunks {
            write!(bytes, "{:x}\r\n{chunk}\r\n", chunk.len()).unwrap();
        }
        bytes.push_str("0\r\n");
        for (name, value) in trailers {
            write!(bytes, "{name}: {value}\r\n").unwrap();
        }
        bytes.push_str("\r\n");
        Script::bytes(bytes)
    }

    /// These bytes, whatever they are.
    pub(crate) fn bytes(bytes: impl Into<Vec<u8>>) -> Script {
        Script::new(vec![Step::Bytes(bytes.into())])
    }

    /// 200 with a body of which one byte comes at a time.
    pub(crate) fn drip(body: &str, pause: Duration) -> Script {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        Script::new(vec![Step::Bytes(head.into()), Step::Drip { bytes: body.into(), pause }])
    }

    /// 200 that promises `declared` bytes, sends `body` and closes.
    pub(crate) fn ends_early(declared: usize, body: &str) -> Script {
        Script::bytes(format!("HTTP/1.1 200 OK\r\ncontent-length: {declared}\r\n\r\n{body}"))
            .then_close()
    }

    /// What a real server answered to the same question; 404 where nobody has asked it.
    pub(crate) fn replay(exchanges: Arc<Vec<Exchange>>) -> Script {
        Script::new(vec![Step::Replay(exchanges)])
    }

    /// No byte, for ever.
    pub(crate) fn hang() -> Script {
        Script::new(vec![Step::Hang])
    }

    /// The connection ends before the head of an answer.
    pub(crate) fn close() -> Script {
        Script::new(vec![Step::Close])
    }

    /// A TCP reset before the head of an answer.
    pub(crate) fn reset() -> Script {
        Script::new(vec![Step::Reset])
    }

    pub(crate) fn then_close(self) -> Script {
        self.then(Step::Close)
    }

    /// A TCP reset after what came so far has had time to arrive.
    pub(crate) fn then_reset(self) -> Script {
        self.then(Step::Wait(Duration::from_millis(50))).then(Step::Reset)
    }

    pub(crate) fn then_hang(self) -> Script {
        self.then(Step::Hang)
    }

    /// The same, later.
    pub(crate) fn after(mut self, delay: Duration) -> Script {
        self.steps.insert(0, Step::Wait(delay));
        self
    }

    /// The same, without reading the request's body.
    pub(crate) fn early(mut self) -> Script {
        self.body = RequestBody::Ignored;
        self.then_close()
    }

    fn then(mut self, step: Step) -> Script {
        self.steps.push(step);
        self
    }
}
