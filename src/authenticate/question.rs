//! What has to be found out from a server before a verdict is final.

use std::sync::Arc;

use crate::introspect::IntrospectionPurpose;
use crate::key_managers::CompiledKeyManager;

/// A question to servers; the caller asks it and decides once more.
#[derive(Debug, Clone)]
pub enum Question {
    /// The key managers whose servers may know the token, to be asked at once: the first that calls it active wins.
    Introspect { key_managers: Vec<Arc<CompiledKeyManager>>, purpose: IntrospectionPurpose },
    /// Whether the issuer is an organization of this template.
    Open { template: Arc<CompiledKeyManager>, issuer: Box<str> },
}

impl Question {
    pub(super) fn introspect(
        key_managers: Vec<Arc<CompiledKeyManager>>,
        purpose: IntrospectionPurpose,
    ) -> Self {
        Self::Introspect { key_managers, purpose }
    }

    /// The one key manager that it is about.
    pub(super) fn key_manager(&self) -> Option<&Arc<CompiledKeyManager>> {
        match self {
            Self::Introspect { key_managers, .. } => match key_managers.as_slice() {
                [only] => Some(only),
                _ => None,
            },
            Self::Open { template, .. } => Some(template),
        }
    }
}

impl std::fmt::Display for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Introspect { key_managers, .. } => {
                f.write_str("the token must be asked about at")?;
                for (position, key_manager) in key_managers.iter().enumerate() {
                    let comma = if position == 0 { "" } else { "," };
                    write!(f, "{comma} key manager \"{}\"", key_manager.definition.name)?;
                }
                Ok(())
            }
            Self::Open { template, issuer } => write!(
                f,
                "the issuer {issuer:?} may be an organization of key manager \"{}\", whose server has to be asked",
                template.definition.name
            ),
        }
    }
}
