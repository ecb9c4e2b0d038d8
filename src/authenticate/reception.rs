//! The place that a token is shown to: an API, or the management API.

use crate::key_managers::{CompiledKeyManager, CompiledTemplate};
use crate::model::api::BindingRule;
use crate::snapshot::Routed;

/// The rules that a place has for tokens, besides those of their key manager.
pub trait TokenReception {
    /// Returns true if tokens of this key manager are accepted.
    fn takes(&self, key_manager: &CompiledKeyManager) -> bool;

    /// Returns true if tokens of every organization of this template are accepted.
    fn takes_template(&self, template: &CompiledTemplate) -> bool;

    fn binding(&self) -> BindingRule;

    /// Returns true if a DPoP proof needs a nonce of the gateway.
    fn asks_for_nonce(&self) -> bool;
}

impl TokenReception for Routed<'_> {
    fn takes(&self, key_manager: &CompiledKeyManager) -> bool {
        self.api().takes(key_manager)
    }

    fn takes_template(&self, template: &CompiledTemplate) -> bool {
        self.api().takes_template(template)
    }

    /// Where refusals are only observed, authorization looks at the rule.
    fn binding(&self) -> BindingRule {
        if self.observes() { BindingRule::NotRequired } else { self.api().definition.binding }
    }

    fn asks_for_nonce(&self) -> bool {
        self.api().definition.dpop_nonce
    }
}
