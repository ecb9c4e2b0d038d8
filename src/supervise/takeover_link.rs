//! Carries the conversation of a takeover over a socket pair, which is the new process's standard
//! input.
//!
//! The new process says [`STAGED`] when everything is read and nothing is served, and [`READY`]
//! when it serves. The old one says [`JOURNAL`] when it has let go of `state_dir`, and
//! [`MANAGEMENT`] when it accepts nothing more. No file is needed, so no path can be too long.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

pub(super) const STAGED: &str = "staged";
pub(super) const READY: &str = "ready";
pub(super) const JOURNAL: &str = "journal";
pub(super) const MANAGEMENT: &str = "management";
/// As [`MANAGEMENT`], after the configuration was read again in the meantime.
pub(super) const MANAGEMENT_RELOADED: &str = "management, reload";

/// Tells a process that it takes over, and that its standard input is a [`TakeoverLink`].
pub(super) const VARIABLE: &str = "PORTCULLIS_TAKEOVER";

/// The time for saying a word, which is a few bytes: a process that does not read them has gone.
const SAY: Duration = Duration::from_secs(5);
const MOST_WORD: usize = 100;

/// One end of the link, before there is a runtime.
#[derive(Debug)]
pub(super) struct Predecessor(StdUnixStream);

/// One end of the link.
#[derive(Debug)]
pub(super) struct TakeoverLink {
    stream: UnixStream,
    heard: Vec<u8>,
}

impl Predecessor {
    /// Returns `None` for a process that no other gateway started.
    pub(super) fn from_environment() -> Option<Self> {
        std::env::var_os(VARIABLE)?;
        let input: OwnedFd = io::stdin().as_fd().try_clone_to_owned().ok()?;
        let stream = StdUnixStream::from(input);
        // anything else than a socket has no address
        stream.local_addr().ok()?;
        Some(Self(stream))
    }

    pub(super) fn link(self) -> io::Result<TakeoverLink> {
        TakeoverLink::new(self.0)
    }
}

impl TakeoverLink {
    /// Makes a pair: this end, and the other one as a process' standard input.
    pub(super) fn pair() -> io::Result<(Self, Stdio)> {
        let (own, other) = StdUnixStream::pair()?;
        Ok((Self::new(own)?, Stdio::from(OwnedFd::from(other))))
    }

    fn new(stream: StdUnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream: UnixStream::from_std(stream)?, heard: Vec::new() })
    }

    pub(super) async fn say(&mut self, word: &str) -> io::Result<()> {
        let line = format!("{word}\n");
        timeout(SAY, self.stream.write_all(line.as_bytes())).await?
    }

    /// Returns the next word; `None` if the other process has gone. If the future is dropped, no
    /// word is lost.
    pub(super) async fn hear(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.heard.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.heard.len() > MOST_WORD {
                return None;
            }
            match self.stream.read_buf(&mut self.heard).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Waits for one of these words, and returns it; `None` if the other process has gone or took
    /// too long.
    pub(super) async fn wait_for(&mut self, words: &[&str], within: Duration) -> Option<String> {
        let heard = async {
            loop {
                let word = self.hear().await?;
                if words.contains(&word.as_str()) {
                    return Some(word);
                }
            }
        };
        timeout(within, heard).await.ok().flatten()
    }
}
