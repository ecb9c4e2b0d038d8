//! Turns a bearer token into a [`Principal`], or into the reason against it.
//!
//! Decides which key manager judges a token (the one of exactly its issuer), and remembers
//! verdicts. It never looks at applications or subscriptions, and never waits: a verdict that needs
//! a server's answer is a [`Question`], which the caller asks before it comes back.
//!
//! [`credentials`] finds the token in a request's head, [`mod@authentication`] is the step,
//! [`mod@judge`] judges a token by its key manager's [`ownership`], [`reception`] is the place that
//! it is shown to, [`opaque`] judges by servers' answers. [`principal`] is the proof; [`binding`]
//! checks possession, by a [`certificate`] that a trusted proxy reports, or by DPoP [`proofs`] and
//! their [`nonces`]. [`cache`] keeps verdicts on tokens seen before. [`budgets`] and
//! [`unknown_tokens`] bound the work that a client can cause.

mod authentication;
pub mod binding;
mod binding_fault;
pub mod budgets;
pub mod cache;
mod caller_names;
mod certificate;
pub mod credentials;
mod error;
mod judge;
mod level_memory;
mod nonces;
mod opaque;
mod ownership;
mod principal;
mod proofs;
mod question;
mod reception;
mod token_judge;
pub mod unknown_tokens;

pub use crate::authenticate::authentication::{Authenticated, authenticate};
pub use crate::authenticate::binding_fault::BindingFault;
pub use crate::authenticate::caller_names::CallerNames;
pub use crate::authenticate::certificate::is_told_twice;
pub use crate::authenticate::error::{AuthenticateError, shown};
pub use crate::authenticate::level_memory::{AdvancedName, LevelsName, SharedLevels};
pub use crate::authenticate::opaque::check_answer;
pub use crate::authenticate::principal::{Basis, IntrospectionCheck, Principal};
pub use crate::authenticate::proofs::{PROOF_LIFETIME, ProofMark, Proofs};
pub use crate::authenticate::question::{Question, StaleKeys, Unproven};
pub use crate::authenticate::reception::TokenReception;
pub use crate::authenticate::token_judge::TokenJudge;
