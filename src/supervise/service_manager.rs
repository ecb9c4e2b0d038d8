//! Reports to the service manager (systemd with `Type=notify` or `notify-reload`): sd_notify(3).
//! Decides nothing and never waits; if no service manager listens, nothing is sent.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::time::{ClockId, clock_gettime};

const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";

/// The gateway serves.
pub(super) fn ready() {
    tell("READY=1\n");
}

/// The files are read again; [`ready`] reports the end of it, whatever the outcome.
pub(super) fn reloading() {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let microseconds = u64::try_from(now.tv_nsec).unwrap_or_default() / 1000;
    let now = seconds.saturating_mul(1_000_000).saturating_add(microseconds);
    tell(&format!("RELOADING=1\nMONOTONIC_USEC={now}\n"));
}

/// No more connections are accepted; exchanges in flight are finished.
pub(super) fn stopping() {
    tell("STOPPING=1\n");
}

/// This process is the service from now on.
pub(super) fn main_process(pid: u32) {
    tell(&format!("MAINPID={pid}\nREADY=1\n"));
}

fn tell(state: &str) {
    let Some(path) = std::env::var_os(NOTIFY_SOCKET).filter(|path| !path.is_empty()) else {
        return;
    };
    if let Err(error) = send(&path, state) {
        let state = state.trim_end().replace('\n', " ");
        tracing::warn!(
            target: "portcullis::supervise",
            %error,
            state,
            "the service manager could not be told",
        );
    }
}

fn send(path: &OsString, state: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    // its queue may be full
    socket.set_nonblocking(true)?;
    // a name that starts with @ is no file
    let address = match path.to_str().and_then(|path| path.strip_prefix('@')) {
        Some(name) => SocketAddr::from_abstract_name(name.as_bytes())?,
        None => SocketAddr::from_pathname(path)?,
    };
    socket.send_to_addr(state.as_bytes(), &address).map(drop)
}
