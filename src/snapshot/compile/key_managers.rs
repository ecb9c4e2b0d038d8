//! Key managers with their key sets -> those of a snapshot.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::introspect::Introspector;
use crate::key_managers::{CompiledKeyManager, Organizations};
use crate::model::key_manager::KeySource;
use crate::snapshot::BySlot;
use crate::snapshot::compile::{CompileError, Compiler};
use crate::snapshot::parts::KeyManagers;
use crate::snapshot::state::{KeyManagersState, without_place};

impl Compiler {
    pub(super) fn key_managers(
        &self,
        state: KeyManagersState,
    ) -> Result<KeyManagers, CompileError> {
        let listed = self.compiled(state)?;
        let mut issuers = HashMap::new();
        let mut learning = Vec::new();
        for key_manager in listed.iter().filter(|key_manager| key_manager.definition.enabled) {
            match &key_manager.definition.issuer {
                Some(issuer) => {
                    issuers
                        .entry(issuer.as_str().into())
                        .or_insert_with(Vec::new)
                        .push(key_manager.slot);
                }
                None if key_manager.definition.keys == KeySource::None => {}
                None => learning.push(key_manager.slot),
            }
        }
        let with_organizations = listed.iter().filter(|own| own.organizations.is_some());
        let templates = with_organizations.map(|own| own.slot).collect();
        let listed = BySlot::new(listed, |key_manager| key_manager.slot.position());
        Ok(KeyManagers { listed, issuers, learning, templates })
    }

    /// A key manager that did not change (its place in the file aside) keeps its `Arc`, and with it
    /// the verdicts that workers remember.
    fn compiled(
        &self,
        state: KeyManagersState,
    ) -> Result<Vec<Arc<CompiledKeyManager>>, CompileError> {
        let KeyManagersState { definitions, keys } = state;
        let mut compiled = Vec::with_capacity(definitions.len());
        for (definition, keys) in definitions.into_iter().zip(keys) {
            let slot = definition.slot();
            let earlier = self.key_managers.get(&slot);
            let same = earlier.filter(|earlier| {
                Arc::ptr_eq(&earlier.keys, &keys)
                    && without_place(&earlier.definition) == without_place(&definition)
            });
            compiled.push(match same {
                Some(earlier) => Arc::clone(earlier),
                None => {
                    let introspector = Introspector::of(&definition, &keys, || {
                        self.metrics.introspection(definition.name.as_str())
                    })
                    .map_err(CompileError::Credentials)?;
                    let organizations = self
                        .on_demand
                        .as_ref()
                        .and_then(|starter| Organizations::new(slot, &definition, starter));
                    Arc::new(CompiledKeyManager::new(
                        slot,
                        definition,
                        keys,
                        introspector,
                        organizations,
                    ))
                }
            });
        }
        Ok(compiled)
    }
}
