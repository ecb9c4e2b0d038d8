//! Signals, received by a thread of their own, so that a busy gateway can be told to end.

use std::io;
use std::process;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::sleep;

/// The longest orderly end after SIGQUIT: log lines are written, and nothing else is waited for.
const LAST_CALL: Duration = Duration::from_secs(3);

/// The exit code of a process that did not end by itself after SIGQUIT.
const CUT_OFF: i32 = 1;

/// SIGXFSZ, SIGVTALRM, SIGPROF and SIGPWR, which have no name in the library.
const NAMELESS: [i32; 4] = [25, 26, 27, 30];

/// The signals to a gateway, in the order in which they came.
#[derive(Debug)]
pub struct Signals {
    told: mpsc::UnboundedReceiver<SignalMeaning>,
}

/// The meaning of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalMeaning {
    Reload,
    Drain,
    EndNow,
    HandOver,
}

impl Signals {
    /// Hears signals from now on; once per process.
    pub fn hear() -> io::Result<Self> {
        let (teller, told) = mpsc::unbounded_channel();
        let (ready, outcome) = sync_channel(1);
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(ready.send(Err(error))),
            };
            runtime.block_on(async {
                match Heard::new() {
                    Ok(heard) => {
                        let _ = ready.send(Ok(()));
                        heard.pass_on(&teller).await;
                    }
                    Err(error) => drop(ready.send(Err(error))),
                }
            });
        })?;
        outcome.recv().map_err(io::Error::other)??;
        Ok(Self { told })
    }

    pub(super) async fn next(&mut self) -> SignalMeaning {
        match self.told.recv().await {
            Some(told) => told,
            // the thread has gone, so no signal can come any more
            None => std::future::pending().await,
        }
    }

    /// Returns at the next signal that ends a gateway.
    pub async fn end(&mut self) {
        let _ = self.next_end().await;
    }

    /// The next signal that ends a gateway.
    pub(super) async fn next_end(&mut self) -> SignalMeaning {
        loop {
            match self.next().await {
                SignalMeaning::Reload | SignalMeaning::HandOver => {}
                end => return end,
            }
        }
    }
}

/// The streams of the process's signals.
struct Heard {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    take_over: Signal,
    /// Held so that these signals do not end the process, which is their default.
    _unused: Vec<Signal>,
}

impl Heard {
    fn new() -> io::Result<Self> {
        let named = [SignalKind::user_defined1(), SignalKind::alarm(), SignalKind::io()];
        let unused = named.into_iter().chain(NAMELESS.map(SignalKind::from_raw));
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            take_over: signal(SignalKind::user_defined2())?,
            _unused: unused.map(signal).collect::<io::Result<_>>()?,
        })
    }

    async fn next(&mut self) -> SignalMeaning {
        tokio::select! {
            _ = self.hangup.recv() => SignalMeaning::Reload,
            _ = self.terminate.recv() => SignalMeaning::Drain,
            _ = self.interrupt.recv() => SignalMeaning::Drain,
            _ = self.quit.recv() => SignalMeaning::EndNow,
            _ = self.take_over.recv() => SignalMeaning::HandOver,
        }
    }

    /// Passes signals on. If the process should end at once and does not, this ends it.
    async fn pass_on(mut self, teller: &mpsc::UnboundedSender<SignalMeaning>) {
        loop {
            let told = self.next().await;
            let _ = teller.send(told);
            if told == SignalMeaning::EndNow {
                sleep(LAST_CALL).await;
                end_process();
            }
        }
    }
}

#[expect(clippy::exit, reason = "SIGQUIT ends at once, whatever hangs")]
fn end_process() -> ! {
    process::exit(CUT_OFF)
}
