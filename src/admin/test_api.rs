//! The API over a store of its own, without a listener: for tests of its rooms.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use argon2::password_hash::{PasswordHasher, SaltString};
use axum::Router;
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::admin::access::ApiAccess;
use crate::admin::caller::Peer;
use crate::admin::catalog::Catalog;
use crate::admin::live::{DeclaredObjects, LiveRequest, Preview};
use crate::admin::service::router;
use crate::admin::state::Admin;
use crate::model::clock::{Clock, UnixSeconds};
use crate::model::gateway::{ManagementUser, PortalSettings, UserRole};
use crate::model::secret::Secret;
use crate::sign_in::PasswordChecks;
use crate::store::{SqliteStore, StoreKeys};

/// The API, with a publisher that agrees to everything.
pub(super) struct ApiStage {
    router: Router,
    clock: Arc<StageClock>,
    _folder: tempfile::TempDir,
    _publisher: JoinSet<()>,
}

/// The answer to a call.
#[derive(Debug)]
pub(super) struct ApiAnswer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

#[derive(Debug)]
struct StageClock(AtomicU64);

impl Clock for StageClock {
    fn now(&self) -> UnixSeconds {
        UnixSeconds(self.0.load(Ordering::Relaxed))
    }
}

impl ApiStage {
    /// Users of the file are one of each role, with the role's name and the password "secret".
    pub(super) fn new(portal: PortalSettings) -> Self {
        Self::sealing(portal, StoreKeys::default())
    }

    /// The same, with keys of the store's secrets.
    pub(super) fn sealing(portal: PortalSettings, keys: StoreKeys) -> Self {
        let hash = hash("secret");
        let users = UserRole::NAMES.iter().map(|role| ManagementUser {
            name: (*role).to_owned(),
            password_hash: hash.clone(),
            roles: UserRole::named(role).into_iter().collect(),
            groups: Vec::new(),
        });
        Self::with_keys(users.collect(), portal, keys)
    }

    pub(super) fn of(users: Vec<ManagementUser>, portal: PortalSettings) -> Self {
        Self::with_keys(users, portal, StoreKeys::default())
    }

    fn with_keys(users: Vec<ManagementUser>, portal: PortalSettings, keys: StoreKeys) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let seconds = Arc::new(StageClock(AtomicU64::new(1_700_000_000)));
        let clock: Arc<dyn Clock> = Arc::<StageClock>::clone(&seconds);
        let store = SqliteStore::open(&folder.path().join("test.db"), Arc::clone(&clock)).unwrap();
        let (live, mut asked) = mpsc::channel(4);
        let mut publisher = JoinSet::new();
        publisher.spawn(async move {
            while let Some(request) = asked.recv().await {
                match request {
                    LiveRequest::Preview { reply, .. } => {
                        let _ = reply.send(Ok(Preview::default()));
                    }
                    LiveRequest::Follow { reply, .. } | LiveRequest::Order { reply, .. } => {
                        let _ = reply.send(());
                    }
                }
            }
        });
        let declared = DeclaredObjects { portal, ..DeclaredObjects::default() };
        let declared = Arc::new(ArcSwap::from_pointee(declared));
        let passwords = Arc::new(PasswordChecks::new(clock, Arc::default()));
        let access = ApiAccess::new(users.into(), passwords);
        let catalog = Catalog::new(Arc::new(store), declared, live);
        let admin = Admin::new(catalog, access, Arc::new(keys));
        let router = router(&Arc::new(admin));
        Self { router, clock: seconds, _folder: folder, _publisher: publisher }
    }

    /// Lets a second pass.
    pub(super) fn clock_moves(&self) {
        self.clock.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) async fn call(
        &self,
        line: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> ApiAnswer {
        let (method, path) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(body.into()).unwrap();
        request.extensions_mut().insert(Peer([127, 0, 0, 1].into()));
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        ApiAnswer { status: parts.status, headers: parts.headers, body }
    }

    /// Calls as a user, by name and password; a null body sends none.
    pub(super) async fn user(&self, user: &str, line: &str, body: &Value) -> ApiAnswer {
        let (name, password) = user.split_once(':').unwrap_or((user, "secret"));
        let credentials = basic(name, password);
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let headers =
            [("authorization", credentials.as_str()), ("content-type", "application/json")];
        self.call(line, &headers, text).await
    }
}

pub(super) fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

/// The hash of a password, with little work.
fn hash(password: &str) -> Secret {
    let params = argon2::Params::new(8, 1, 1, None).unwrap();
    let hasher = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let salt = SaltString::encode_b64(b"somesaltsomesalt").unwrap();
    Secret::new(hasher.hash_password(password.as_bytes(), &salt).unwrap().to_string())
}
