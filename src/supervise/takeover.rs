//! Hands over to another process on SIGUSR2: the same command, perhaps with a new binary behind it.
//!
//! The listening sockets are one queue for both processes, so no connection is refused. At any
//! moment at most one process owns the journal and answers on the management listener. The new
//! process reads its configuration. The old one stops answering there and releases the journal. The
//! new one reads the journal and serves. The old one stops accepting, and only then the new one
//! answers on the management listener. Management calls in between wait in the socket's queue.
//! Until it stops accepting, the old process takes everything back if the new one does not come up.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use tokio::time::{Instant, sleep, sleep_until};

use crate::model::clock::{Clock, UnixSeconds};
use crate::revocation::journal::Journal;
use crate::revocation::journal::follower::JournalFollower;
use crate::revocation::{RevocationError, Revocations};
use crate::state_dir::lock::{Lock, LockError};
use crate::supervise::running::RunningGateway;
use crate::supervise::saved_counts;
use crate::supervise::service_manager;
use crate::supervise::signals::{SignalMeaning, Signals};
use crate::supervise::takeover_link::{self, TakeoverLink};

/// The first of the passed descriptors.
const FIRST_DESCRIPTOR: i32 = 3;

/// The longest times for the new process: to read its configuration, and then to read the journal
/// and to listen. In the second time no process answers on the management listener.
const STAGING: Duration = Duration::from_mins(2);
const TAKING: Duration = Duration::from_secs(30);

/// The longest time for a killed process to end.
const END: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(10);

/// The longest time for a process that has closed its end to end by itself.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The pause between two looks by a replaced process for revocations that the new one received.
const FOLLOW: Duration = Duration::from_millis(5);

/// The reason why the new process did not take over; the old one goes on.
#[derive(Debug, thiserror::Error)]
pub(super) enum TakeoverError {
    #[error("the new process cannot be started")]
    Start(#[source] io::Error),
    #[error("the new process ended with {0}: its own log says why")]
    Ended(ExitStatus),
    #[error("the new process left the conversation, and was ended")]
    Silent,
    #[error("the new process was not ready in time, and was ended")]
    Late,
    #[error("revocations that hold cannot be written for the new process, which was ended")]
    Journal(#[source] RevocationError),
    #[error("state_dir cannot be handed over; the new process was ended")]
    Lock(#[source] io::Error),
    #[error("a signal ended this process first; the new one was ended too")]
    Signal(SignalMeaning),
}

/// The outcome of a takeover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TakeoverOutcome {
    /// Another process serves; this one drains.
    Taken,
    /// This one goes on.
    Kept,
    /// A signal told this process to end in the meantime.
    Told(SignalMeaning),
}

/// The new process.
struct Successor {
    child: Child,
    link: TakeoverLink,
}

impl Successor {
    fn start(sockets: Vec<TcpListener>) -> io::Result<Self> {
        let mut arguments = std::env::args_os();
        let written = arguments.next().map(PathBuf::from).unwrap_or_default();
        // the name by which this process was started: a new binary may stand there, while /proc
        // still leads to the old one
        let program =
            if written.components().count() > 1 { written } else { std::env::current_exe()? };
        let count = sockets.len();
        let mappings = sockets
            .into_iter()
            .zip(FIRST_DESCRIPTOR..)
            .map(|(socket, child_fd)| FdMapping { parent_fd: OwnedFd::from(socket), child_fd });
        let (link, input) = TakeoverLink::pair()?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(input)
            .env(takeover_link::VARIABLE, "1")
            .env("LISTEN_FDS", count.to_string())
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDNAMES");
        command.fd_mappings(mappings.collect()).map_err(io::Error::other)?;
        Ok(Self { child: command.spawn()?, link })
    }

    /// Ends it, if it has not ended by itself within `grace`; how it ended by itself.
    async fn end(&mut self, grace: Duration) -> Option<ExitStatus> {
        if let Some(status) = self.ended(grace).await {
            return Some(status);
        }
        let _ = self.child.kill();
        let _ = self.ended(END).await;
        None
    }

    async fn ended(&mut self, within: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + within;
        loop {
            let status = self.child.try_wait().ok().flatten();
            if status.is_some() || Instant::now() >= deadline {
                return status;
            }
            sleep(LOOK).await;
        }
    }
}

impl RunningGateway {
    /// Starts a new process on the same sockets and hands everything over to it. If that fails,
    /// this one goes on.
    pub(super) async fn hand_over(&mut self, signals: &mut Signals) -> TakeoverOutcome {
        if std::process::id() == 1 {
            tracing::error!(
                target: "portcullis::supervise",
                "SIGUSR2 is refused: this process is PID 1 of its container, which would end with \
                 it, and the new process too. Start the gateway under an init (`docker run \
                 --init`, \
                 tini), or replace the container",
            );
            return TakeoverOutcome::Kept;
        }
        let guarded = tokio::select! {
            guarded = self.reloader.guard_takeover() => guarded,
            told = signals.next_end() => return TakeoverOutcome::Told(told),
        };
        if let Err(error) = guarded {
            tracing::error!(
                target: "portcullis::supervise",
                error = %error.describe(),
                "no other process took over; this one goes on",
            );
            return TakeoverOutcome::Kept;
        }
        tracing::info!(target: "portcullis::supervise", "a new process takes over");
        let listeners = self.reloader.listeners.iter().map(|listener| listener.copy());
        let management = self.management_socket.iter().map(TcpListener::try_clone);
        let sockets: io::Result<Vec<_>> = listeners.chain(management).collect();
        let error = match sockets.and_then(Successor::start) {
            Err(error) => TakeoverError::Start(error),
            Ok(mut successor) => match self.hand_over_to(&mut successor, signals).await {
                Ok(()) => return TakeoverOutcome::Taken,
                Err(error) => {
                    // a process that leaves the conversation is about to end
                    let leaves = matches!(error, TakeoverError::Silent);
                    let grace = if leaves { LAST_WORDS } else { Duration::ZERO };
                    let status = successor.end(grace).await;
                    self.take_back().await;
                    match (error, status) {
                        (TakeoverError::Silent, Some(status)) => TakeoverError::Ended(status),
                        (error, _) => error,
                    }
                }
            },
        };
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::error!(
            target: "portcullis::supervise",
            %error,
            cause,
            "no other process took over; this one goes on",
        );
        match error {
            TakeoverError::Signal(told) => TakeoverOutcome::Told(told),
            _ => TakeoverOutcome::Kept,
        }
    }

    async fn hand_over_to(
        &mut self,
        successor: &mut Successor,
        signals: &mut Signals,
    ) -> Result<(), TakeoverError> {
        let generation = self.snapshots.load().generation;
        self.serve_until(successor, takeover_link::STAGED, STAGING, signals).await?;
        self.leave_management(signals).await?;
        self.release(successor.child.id()).await?;
        let told = successor.link.say(takeover_link::JOURNAL).await;
        told.map_err(|_| TakeoverError::Silent)?;
        self.serve_until(successor, takeover_link::READY, TAKING, signals).await?;
        let process = successor.child.id();
        tracing::info!(target: "portcullis::supervise", process, "another process took over");
        // a service manager that watches this process must watch the other one from now on
        service_manager::main_process(process);
        for listener in self.reloader.listeners.iter() {
            listener.close();
            self.threads.unlisten(listener).await;
        }
        self.threads.settled().await;
        let revocations = Arc::clone(&self.revocations);
        let folder = self.reloader.settings.state_dir.clone();
        self.tasks.spawn(follow(
            revocations,
            JournalFollower::new(&folder),
            self.reloader.clock.clone(),
        ));
        let reloaded = self.snapshots.load().generation != generation;
        let word =
            if reloaded { takeover_link::MANAGEMENT_RELOADED } else { takeover_link::MANAGEMENT };
        // it goes on by itself without a message
        let _ = successor.link.say(word).await;
        Ok(())
    }

    /// Serves as usual until the new process sends this.
    async fn serve_until(
        &mut self,
        successor: &mut Successor,
        word: &str,
        within: Duration,
        signals: &mut Signals,
    ) -> Result<(), TakeoverError> {
        let deadline = Instant::now() + within;
        loop {
            tokio::select! {
                heard = successor.link.hear() => match heard {
                    Some(heard) if heard == word => return Ok(()),
                    Some(_) => {}
                    None => return Err(TakeoverError::Silent),
                },
                told = signals.next() => match told {
                    SignalMeaning::Reload => {
                        self.access_log.reopen();
                        self.reload_now(None).await;
                    }
                    SignalMeaning::HandOver => {
                        tracing::warn!(
                            target: "portcullis::supervise",
                            "a new process is taking over already",
                        );
                    }
                    end => return Err(TakeoverError::Signal(end)),
                },
                Some(request) = self.reloads.recv() => self.reload_now(Some(request)).await,
                () = self.watch.changed() => self.reload_now(None).await,
                () = sleep_until(deadline) => return Err(TakeoverError::Late),
            }
        }
    }

    /// Accepts no more management calls, and answers those that were accepted.
    async fn leave_management(&mut self, signals: &mut Signals) -> Result<(), TakeoverError> {
        let (gate, control) = (Arc::clone(&self.gate), Arc::clone(&self.control));
        let listens = self.management_socket.is_some();
        gate.close();
        control.close();
        let quiet = async {
            if listens {
                gate.quiet().await;
            }
            control.quiet().await;
        };
        let mut quiet = std::pin::pin!(quiet);
        loop {
            tokio::select! {
                () = &mut quiet => return Ok(()),
                // a call may be a reload
                Some(request) = self.reloads.recv() => self.reload_now(Some(request)).await,
                told = signals.next() => match told {
                    SignalMeaning::Reload => self.reload_now(None).await,
                    SignalMeaning::HandOver => {}
                    end => return Err(TakeoverError::Signal(end)),
                },
            }
        }
    }

    /// Lets the journal and the folder go.
    async fn release(&mut self, heir: u32) -> Result<(), TakeoverError> {
        self.reloader.channel.pause().await;
        let revocations = Arc::clone(&self.revocations);
        let (counts, now) =
            (Arc::clone(&self.counts), saved_counts::time(&self.counts, &*self.reloader.clock));
        let released = tokio::task::spawn_blocking(move || {
            counts.hand_over(now);
            revocations.hand_over()
        })
        .await;
        match released {
            Ok(released) => released.map_err(TakeoverError::Journal)?,
            Err(_) => return Err(TakeoverError::Silent),
        }
        match self.lock.take() {
            Some(lock) => lock.hand_over(heir).map_err(TakeoverError::Lock),
            None => Ok(()),
        }
    }

    /// Owns everything again after the new process has ended.
    async fn take_back(&mut self) {
        if !self.revocations.is_owner() {
            let folder = self.reloader.settings.state_dir.clone();
            let keep_from = self.reloader.clock.forget_before();
            let (revocations, lock) = (Arc::clone(&self.revocations), self.lock.take());
            let (counts, now) =
                (Arc::clone(&self.counts), saved_counts::time(&self.counts, &*self.reloader.clock));
            let owned = tokio::task::spawn_blocking(move || {
                counts.take_back(now);
                let lock = lock.map_or_else(|| Lock::take_back(&folder), Ok);
                let opened = Journal::open(&folder, keep_from).map_err(LockError::Unusable);
                lock.and_then(|lock| opened.map(|opened| (lock, revocations.own(opened))))
            });
            match owned.await {
                Ok(Ok((lock, ()))) => self.lock = Some(lock),
                Ok(Err(error)) => {
                    tracing::error!(
                        target: "portcullis::supervise",
                        %error,
                        "state_dir cannot be taken back: revocations are refused until the gateway \
                         is started anew",
                    );
                }
                Err(_) => {}
            }
        }
        self.reloader.channel.resume().await;
        self.gate.open();
        self.control.open();
    }
}

/// Sends later changes to the new process, for the streams that are still here.
async fn follow(
    revocations: Arc<Revocations>,
    mut follower: JournalFollower,
    clock: Arc<dyn Clock>,
) {
    loop {
        let (told, now): (_, UnixSeconds) = (Arc::clone(&revocations), clock.forget_before());
        let read = tokio::task::spawn_blocking(move || {
            // a file that is being replaced is there the next time
            if let Ok(records) = follower.read(now) {
                told.follow(&records);
            }
            follower
        });
        match read.await {
            Ok(back) => follower = back,
            Err(_) => return,
        }
        sleep(FOLLOW).await;
    }
}
