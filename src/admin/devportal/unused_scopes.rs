//! Takes scopes away from WSO2 Identity Server 7 that no API asks for any more.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use crate::admin::caller::Caller;
use crate::admin::devportal::clients::{SharedAdmin, server};
use crate::admin::devportal::server_scopes::{asked, endpoints, scopes};
use crate::admin::object::Object;
use crate::admin::refused::Refused;
use crate::store::{Change, Kind, Record, StoreError};

/// The scopes that APIs required before a change of them.
pub(in crate::admin) struct FormerScopes(BTreeSet<String>);

impl FormerScopes {
    /// Returns the scopes that a change might remove; none if no key manager registers scopes.
    pub(in crate::admin) async fn before(
        admin: &SharedAdmin,
        changes: &[Change],
    ) -> Result<Self, StoreError> {
        let mut former = BTreeSet::new();
        let key_managers = admin.catalog.all(Kind::KeyManager).await?;
        if !key_managers.iter().any(|own| endpoints(own).is_some()) {
            return Ok(Self(former));
        }
        for change in changes {
            let (kind, id) = match change {
                Change::Update { record, .. } => (record.kind, record.id),
                Change::Delete { kind, id, .. } => (*kind, *id),
                Change::Create(_) => continue,
            };
            if kind == Kind::Api
                && let Some(api) = admin.catalog.get(kind, id).await?
            {
                former.extend(asked(&api.record).map(str::to_owned));
            }
        }
        Ok(Self(former))
    }

    /// Takes away those that no API asks for now. The change is kept already, so a server that does
    /// not do it is named in the log and the audit log only.
    pub(in crate::admin) async fn forget_unused(self, admin: &SharedAdmin, caller: &Caller) {
        if self.0.is_empty() {
            return;
        }
        let (at, who) = (Arc::clone(admin), caller.clone());
        let work = async move { self.forget(&at, &who).await };
        if let Err(refused) = admin.errands.finish(Box::pin(work)).await {
            tracing::error!(
                target: "portcullis::admin", error = refused.description,
                "scopes that no API asks for may be left at authorization servers",
            );
        }
    }

    async fn forget(&self, admin: &SharedAdmin, caller: &Caller) -> Result<(), Refused> {
        for key_manager in admin.catalog.all(Kind::KeyManager).await? {
            let Some(left) = self.forget_at(admin, &key_manager).await? else { continue };
            let name = key_manager.record.name.as_str();
            let notes: Vec<_> = left.scopes.iter().map(|scope| note(name, scope)).collect();
            tracing::error!(
                target: "portcullis::admin",
                key_manager = name,
                scopes = left.scopes.join(" "),
                error = left.why,
                "scopes that no API asks for are left at the authorization server",
            );
            admin.catalog.note(caller, "leave-scope", notes).await?;
        }
        Ok(())
    }

    /// Returns the scopes that are left although they should not be.
    async fn forget_at(
        &self,
        admin: &SharedAdmin,
        key_manager: &Object,
    ) -> Result<Option<LeftScopes>, StoreError> {
        let Some(endpoints) = endpoints(key_manager) else { return Ok(None) };
        let used = scopes(admin, key_manager).await?;
        let unused = self.0.iter().filter(|own| !used.iter().any(|used| used.name == **own));
        let unused: Vec<String> = unused.cloned().collect();
        if unused.is_empty() {
            return Ok(None);
        }
        let forgotten = match server(admin, key_manager) {
            Ok(server) => server.forget_scopes(&endpoints, &unused).await,
            Err(refused) => {
                return Ok(Some(LeftScopes { scopes: unused, why: refused.description }));
            }
        };
        Ok(forgotten.err().map(|failure| LeftScopes { scopes: unused, why: failure.to_string() }))
    }
}

struct LeftScopes {
    scopes: Vec<String>,
    why: String,
}

fn note(key_manager: &str, scope: &str) -> Record {
    let mut note = Record::new(Kind::Scope, Uuid::new_v4(), scope);
    note.target = Some(key_manager.to_owned());
    note
}
