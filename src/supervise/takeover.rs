//! Listening sockets that pass from one process to the next: from systemd at the start, and on SIGUSR2 to a new process of
//! the same command, perhaps with a new binary behind it.
//!
//! The sockets are one queue for both processes, so no connection is refused while the old one finishes what it has. The
//! old process goes on as before when the new one does not come up. Protocols: sd_listen_fds(3) and sd_notify(3).

use std::ffi::OsString;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram as StdUnixDatagram};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use listenfd::ListenFd;
use tokio::net::UnixDatagram;
use tokio::time::{Instant, sleep, timeout};

/// Where a process says that it is ready.
const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";

/// The first of the passed descriptors.
const FIRST_DESCRIPTOR: i32 = 3;

/// How long the new process may take to read its configuration and to listen.
const PATIENCE: Duration = Duration::from_mins(2);

/// Sockets that were opened by whoever started this process.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<(SocketAddr, TcpListener)>,
}

/// Why the new process did not take over; the old one goes on.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    #[error("the new process cannot be started")]
    Start(#[source] io::Error),
    #[error("the new process ended with {0}: its own log says why")]
    Ended(std::process::ExitStatus),
    #[error("the new process was not ready in time, and was ended")]
    Late,
}

impl Inherited {
    /// Takes what the environment names; to be called once, before there is another thread.
    pub fn from_environment() -> Self {
        let mut passed = ListenFd::from_env();
        let sockets = (0..passed.len()).filter_map(|index| {
            let socket = passed.take_tcp_listener(index).ok().flatten()?;
            Some((socket.local_addr().ok()?, socket))
        });
        Self { sockets: sockets.collect() }
    }

    /// The socket that listens on this address already.
    pub fn take(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let position = self.sockets.iter().position(|(known, _)| *known == address)?;
        Some(self.sockets.swap_remove(position).1)
    }

    /// Closes what no listener of the configuration asked for.
    pub fn close_unused(self) {
        for (address, _) in self.sockets {
            tracing::warn!(target: "portcullis::supervise", %address, "an inherited socket that no listener has; it is closed");
        }
    }
}

/// Tells whoever started this process (systemd with `Type=notify`, or the process before) that it serves.
pub fn notify_ready() {
    notify("READY=1\n");
}

fn notify(state: &str) {
    let Some(path) = std::env::var_os(NOTIFY_SOCKET).filter(|path| !path.is_empty()) else {
        return;
    };
    if let Err(error) = send(&path, state) {
        tracing::warn!(target: "portcullis::supervise", %error, "nobody could be told that the gateway is ready");
    }
}

fn send(path: &OsString, state: &str) -> io::Result<()> {
    let socket = StdUnixDatagram::unbound()?;
    // a name that starts with @ is no file
    let address = match path.to_str().and_then(|path| path.strip_prefix('@')) {
        Some(name) => UnixAddress::from_abstract_name(name.as_bytes())?,
        None => UnixAddress::from_pathname(path)?,
    };
    socket.send_to_addr(state.as_bytes(), &address).map(drop)
}

/// Starts a process of the same command with these sockets, and waits until it says that it serves.
pub async fn hand_over(sockets: Vec<TcpListener>, state_dir: &Path) -> Result<(), TakeoverError> {
    let place = Place::new(state_dir).map_err(TakeoverError::Start)?;
    let mut child = spawn(sockets, &place.path).map_err(TakeoverError::Start)?;
    let deadline = Instant::now() + PATIENCE;
    let mut message = [0; 512];
    loop {
        match timeout(Duration::from_millis(100), place.socket.recv(&mut message)).await {
            Ok(Ok(length)) if is_ready(message.get(..length).unwrap_or_default()) => {
                // a service manager that watches this process has to watch the other one from now on
                notify(&format!("MAINPID={}\n", child.id()));
                tracing::info!(target: "portcullis::supervise", process = child.id(), "another process took over");
                return Ok(());
            }
            Ok(Ok(_)) | Err(_) => {}
            // a socket that cannot be read: wait for the end of the time, or of the process
            Ok(Err(_)) => sleep(Duration::from_millis(100)).await,
        }
        if let Some(status) = child.try_wait().map_err(TakeoverError::Start)? {
            return Err(TakeoverError::Ended(status));
        }
        if Instant::now() >= deadline {
            let _ = child.kill();
            let _ = child.wait();
            return Err(TakeoverError::Late);
        }
    }
}

fn is_ready(message: &[u8]) -> bool {
    message.split(|byte| *byte == b'\n').any(|line| line == b"READY=1")
}

fn spawn(sockets: Vec<TcpListener>, notify: &Path) -> io::Result<Child> {
    let mut arguments = std::env::args_os();
    let written = arguments.next().map(PathBuf::from).unwrap_or_default();
    // the name that this process was started by: a new binary has taken its place, while /proc still leads to the old one
    let program = if written.components().count() > 1 { written } else { std::env::current_exe()? };
    let count = sockets.len();
    let mappings = sockets
        .into_iter()
        .zip(FIRST_DESCRIPTOR..)
        .map(|(socket, child_fd)| FdMapping { parent_fd: OwnedFd::from(socket), child_fd });
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("LISTEN_FDS", count.to_string())
        .env_remove("LISTEN_PID")
        .env_remove("LISTEN_FDNAMES");
    command.env(NOTIFY_SOCKET, notify);
    command.fd_mappings(mappings.collect()).map_err(io::Error::other)?;
    command.spawn()
}

/// Where the new process says that it is ready; gone with this value.
struct Place {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Place {
    fn new(state_dir: &Path) -> io::Result<Self> {
        let path =
            std::path::absolute(state_dir.join(format!("takeover-{}.socket", std::process::id())))?;
        let _ = std::fs::remove_file(&path);
        Ok(Self { socket: UnixDatagram::bind(&path)?, path })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
