//! Serves the control socket `state_dir/control.socket`, over which commands on this machine talk
//! to the running gateway.
//!
//! The file's permissions decide who may call: it belongs to its owner alone, in a folder that does
//! too. The gateway also checks the caller's user id. The protocol is HTTP/1.1 with few paths. The
//! handlers are those of the management listener, which need not be configured. During a takeover
//! exactly one process answers: the one whose gate is open. Each process makes its socket under a
//! name of its own and renames it over the old one, so the path always exists. The old process
//! drops its socket when it sees another in its place. A caller that waited in its queue tries
//! again.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::http_server::{self, ACCEPT_PAUSE};
use crate::management::gate::CallGate;
use crate::management::reply::{ManagementReply, json, problem};
use crate::management::state::ManagementState;
use crate::management::{explaining, reload};

/// The name of the socket in `state_dir`.
pub const SOCKET: &str = "control.socket";

/// Commands are few.
const MOST_CONNECTIONS: usize = 16;
/// The longest call is a reload of a million applications.
const CONNECTION_TIMEOUT: Duration = Duration::from_mins(5);
/// The longest body: a question with a token, a proof and a certificate.
const MOST_BODY: usize = 256 * 1024;
/// The time between two looks by a process with a closed gate for a process that has taken the
/// path.
const LOOK: Duration = Duration::from_millis(50);

const FILE_MODE: u32 = 0o600;
const ROOT: u32 = 0;

/// A bound socket. Dropping it removes the file, if the file is still this process' own.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the socket's file.
    file: (u64, u64),
    gate: Arc<CallGate>,
}

impl ControlSocket {
    /// Binds the socket and moves it to its path. A socket that a dead process left there is
    /// replaced.
    pub fn bind(state_dir: &Path, gate: &Arc<CallGate>) -> io::Result<Self> {
        let path = state_dir.join(SOCKET);
        let own = state_dir.join(format!("control-{}.socket", std::process::id()));
        match fs::remove_file(&own) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&own)?;
        fs::set_permissions(&own, Permissions::from_mode(FILE_MODE))?;
        let facts = fs::symlink_metadata(&own)?;
        fs::rename(&own, &path)?;
        Ok(Self { listener, path, file: (facts.dev(), facts.ino()), gate: Arc::clone(gate) })
    }

    fn is_in_place(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|facts| (facts.dev(), facts.ino()) == self.file)
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // if the gate is closed, the path belongs to another process, or soon will
        if self.gate.is_open() && self.is_in_place() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Serves calls while the gate is open. Dropping the future ends the serving.
pub async fn serve(
    state_dir: PathBuf,
    mut bound: Option<ControlSocket>,
    management: Arc<ManagementState>,
    gate: Arc<CallGate>,
) {
    let mut connections = JoinSet::new();
    loop {
        gate.opened().await;
        if bound.as_ref().is_none_or(|bound| !bound.is_in_place()) {
            bound = match ControlSocket::bind(&state_dir, &gate) {
                Ok(bound) => Some(bound),
                Err(error) => {
                    unavailable(&state_dir, &error);
                    None
                }
            };
        }
        match &bound {
            Some(bound) => accept(bound, &mut connections, &management, &gate).await,
            None => gate.closed().await,
        }
        gate.finish(&mut connections).await;
        loop {
            tokio::select! {
                () = gate.opened() => break,
                () = sleep(LOOK), if bound.is_some() => {
                    if bound.as_ref().is_some_and(|bound| !bound.is_in_place()) {
                        bound = None;
                    }
                }
            }
        }
    }
}

/// Logs that commands cannot reach this process.
pub fn unavailable(state_dir: &Path, error: &io::Error) {
    tracing::warn!(
        target: "portcullis::management",
        state_dir = %state_dir.display(),
        %error,
        "cannot open the control socket; `portcullis reload`, `plan` and `explain` cannot reach \
         this process"
    );
}

/// Accepts connections until the gate is closed.
async fn accept(
    bound: &ControlSocket,
    connections: &mut JoinSet<()>,
    management: &Arc<ManagementState>,
    gate: &Arc<CallGate>,
) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        while connections.try_join_next().is_some() {}
        let next = tokio::select! {
            biased;
            () = gate.closed() => return,
            next = next(&bound.listener, &places) => next,
        };
        match next {
            Ok((stream, place)) if may_ask(&stream) => {
                let (management, gate) = (Arc::clone(management), Arc::clone(gate));
                connections.spawn(async move {
                    let _place = place;
                    let _ = timeout(CONNECTION_TIMEOUT, http(stream, management, gate)).await;
                });
            }
            Ok(_) => {
                tracing::warn!(
                    target: "portcullis::management",
                    "refused a call on the control socket from another user"
                );
            }
            Err(error) => {
                tracing::warn!(
                    target: "portcullis::management",
                    %error,
                    "cannot accept on the control socket; trying again shortly"
                );
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn next(
    listener: &UnixListener,
    places: &Arc<Semaphore>,
) -> io::Result<(UnixStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

/// Returns true for the gateway's own user and for root.
fn may_ask(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|caller| caller.uid() == own || caller.uid() == ROOT)
}

async fn http(
    stream: UnixStream,
    management: Arc<ManagementState>,
    gate: Arc<CallGate>,
) -> hyper::Result<()> {
    http_server::serve(stream, gate.closed(), |request: Request<Incoming>| {
        let (management, gate) = (Arc::clone(&management), Arc::clone(&gate));
        async move {
            let (parts, body) = request.into_parts();
            let Ok(body) = Limited::new(body, MOST_BODY).collect().await else {
                let detail = "the body is longer than 256 KiB";
                return problem(StatusCode::PAYLOAD_TOO_LARGE, detail);
            };
            let _busy = gate.busy();
            answer(&management, &parts, &body.to_bytes()).await
        }
    })
    .await
}

async fn answer(
    management: &ManagementState,
    request: &http::request::Parts,
    body: &[u8],
) -> ManagementReply {
    match (request.uri.path(), &request.method) {
        ("/explain", &Method::POST) => explaining::explain(management, body).await,
        ("/reload", &Method::POST) => {
            let query = request.uri.query().unwrap_or_default();
            reload::reload_from_here(management, query).await
        }
        ("/plan", &Method::POST) => reload::plan(management, body).await,
        ("/inventory", &Method::GET) => inventory(management),
        _ => problem(
            StatusCode::NOT_FOUND,
            "no such endpoint; the control socket has POST /explain, POST /plan, POST /reload and \
             GET /inventory",
        ),
    }
}

/// Returns the numbers that `portcullis check` compares with the files.
fn inventory(management: &ManagementState) -> ManagementReply {
    let snapshot = management.snapshots.load();
    let standing = management.explaining.in_force.get();
    json(
        StatusCode::OK,
        &serde_json::json!({
            "process": std::process::id(),
            "generation": snapshot.generation,
            "listeners": standing.listening.len(),
            "apis": snapshot.routes.apis.len(),
            "applications": snapshot.directory.application_count(),
            "reload_max_removed_thousandths": standing.reload_max_removed,
        }),
    )
}
