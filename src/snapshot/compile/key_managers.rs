//! Key managers with their key sets -> those of a snapshot.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::introspect::Introspector;
use crate::jwks::KeyManagerKeys;
use crate::key_managers::{CompiledKeyManager, CompiledTemplate};
use crate::model::KeyManagerTemplate;
use crate::model::key_manager::{KeyManager, KeySource};
use crate::snapshot::BySlot;
use crate::snapshot::compile::{CompileError, Compiler};
use crate::snapshot::parts::KeyManagers;
use crate::snapshot::state::KeyManagersState;

impl Compiler {
    pub(super) fn key_managers(
        &self,
        state: KeyManagersState,
    ) -> Result<KeyManagers, CompileError> {
        let KeyManagersState { definitions, keys, templates } = state;
        let listed = self.compiled(definitions, keys)?;
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
        let templates = templates.into_iter().map(|template| self.template(template)).collect();
        let templates = BySlot::new(templates, |template| template.definition.slot().position());
        let listed = BySlot::new(listed, |key_manager| key_manager.slot.position());
        Ok(KeyManagers { listed, issuers, learning, templates })
    }

    /// A key manager that did not change (its place in the file aside) keeps its `Arc`, and with it
    /// the verdicts that workers remember.
    fn compiled(
        &self,
        definitions: Vec<KeyManager>,
        keys: Vec<Arc<KeyManagerKeys>>,
    ) -> Result<Vec<Arc<CompiledKeyManager>>, CompileError> {
        let mut compiled = Vec::with_capacity(definitions.len());
        for (definition, keys) in definitions.into_iter().zip(keys) {
            let slot = definition.slot();
            let earlier = self.key_managers.get(&slot);
            let same = earlier.filter(|earlier| {
                Arc::ptr_eq(&earlier.keys, &keys)
                    && earlier.definition.without_place() == definition.without_place()
            });
            compiled.push(match same {
                Some(earlier) => Arc::clone(earlier),
                None => {
                    let introspector = Introspector::of(&definition, &keys, || {
                        self.metrics.introspection(definition.name.as_str())
                    })
                    .map_err(CompileError::Credentials)?;
                    let series = self.metrics.key_manager(definition.name.as_str());
                    Arc::new(CompiledKeyManager::new(slot, definition, keys, introspector, series))
                }
            });
        }
        Ok(compiled)
    }

    /// A template that did not change keeps its `Arc`, and with it its open organizations.
    fn template(&self, definition: KeyManagerTemplate) -> Arc<CompiledTemplate> {
        let earlier = self.templates.get(&definition.slot());
        let same = earlier
            .filter(|earlier| earlier.definition.without_place() == definition.without_place());
        same.map_or_else(
            || {
                let series = self.metrics.key_manager(definition.name().as_str());
                Arc::new(CompiledTemplate::new(definition, self.on_demand.as_ref(), series))
            },
            Arc::clone,
        )
    }
}
