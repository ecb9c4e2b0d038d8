//! The reasons why the gateway does not start, or does not take a new configuration.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::Report;
use crate::listen::TlsError;
use crate::snapshot::compile::CompileError;
use crate::state_dir::FolderFault;
use crate::state_dir::lock::LockError;
use crate::store::StoreError;
use crate::supervise::inventory::TooManyRemoved;
use crate::telemetry::{AccessLogError, with_causes};

/// Each message tells the operator what to do.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    #[error("{0}")]
    Configuration(Report),
    #[error(
        "the configuration could not be read: its thread panicked, or the system has no more \
         threads"
    )]
    Unread,
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Removes(#[from] TooManyRemoved),
    #[error("the configuration cannot be used")]
    Compile(#[from] CompileError),
    #[error(
        "listener \"{listener}\": {address} is taken by another process; stop it, or choose \
         another address"
    )]
    AddressInUse { listener: String, address: SocketAddr },
    #[error(
        "listener \"{listener}\": ports below 1024 such as {} need a privilege; choose a higher \
         port, or give the binary \
         CAP_NET_BIND_SERVICE", address.port()
    )]
    Privileged { listener: String, address: SocketAddr },
    #[error(
        "listener \"{listener}\": the file says {address}, and the service manager passed a \
         socket on {passed}, which does \
         not take its connections; write `address = \"{passed}\"`, or change the .socket unit \
         (`BindIPv6Only=both` lets \
         [::] take IPv4 too)"
    )]
    Passed { listener: String, address: SocketAddr, passed: SocketAddr },
    #[error("the process that this one takes over from cannot be heard")]
    Predecessor(#[source] io::Error),
    #[error("listener \"{listener}\": cannot listen on {address}")]
    Bind {
        listener: String,
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("listener \"{listener}\"")]
    Tls {
        listener: String,
        #[source]
        source: TlsError,
    },
    #[error("the revocations in the state folder {} cannot be read or written", path.display())]
    StateDir {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the state folder {} cannot be used", path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: FolderFault,
    },
    #[error("the state folder {} cannot be used", path.display())]
    Lock {
        path: PathBuf,
        #[source]
        source: LockError,
    },
    #[error("the access log cannot be opened")]
    AccessLog(#[from] AccessLogError),
    #[error("a worker thread cannot start")]
    Worker(#[source] io::Error),
    #[error("the system gives no random numbers")]
    Random,
}

impl SuperviseError {
    /// Returns the message with its causes, on one line.
    pub fn describe(&self) -> String {
        with_causes(self)
    }
}

/// Explains a failed bind. `passed`: a socket on the same port that this process was given and that
/// does not fit.
pub(super) fn bind_error(
    listener: &str,
    address: SocketAddr,
    passed: Option<SocketAddr>,
    source: io::Error,
) -> SuperviseError {
    let listener = listener.to_owned();
    match source.kind() {
        io::ErrorKind::AddrInUse if let Some(passed) = passed => {
            SuperviseError::Passed { listener, address, passed }
        }
        io::ErrorKind::AddrInUse => SuperviseError::AddressInUse { listener, address },
        io::ErrorKind::PermissionDenied => SuperviseError::Privileged { listener, address },
        _ => SuperviseError::Bind { listener, address, source },
    }
}
