//! Clients at authorization servers: made, read, changed and deleted, and the tokens that they get.
//!
//! There are three kinds of servers (`ServerKind`): any that has RFC 7591 and RFC 7592, WSO2
//! Identity Server 7 with its extension fields, and older ones of WSO2. Nothing is kept here: a
//! caller gets the server's answer, and keeps the parts that it needs later.
//!
//! The files: [`server`] (the address of a call), [`service`] (its functions), [`kind`],
//! [`authorization`] (the gateway's credentials), [`call`] (one call and its answer), [`metadata`]
//! and [`properties`] (a client as each kind of server writes it), [`token`], [`discovery`]
//! (endpoints of the discovery document), [`failure`]; [`identity_server`], [`api_resources`] and
//! [`application_certificate`] (special functions of WSO2's servers).

mod api_resources;
mod application_certificate;
mod authorization;
mod call;
mod discovery;
mod failure;
mod identity_server;
mod kind;
mod metadata;
mod properties;
mod server;
mod service;
mod token;

pub use api_resources::{ApiScope, ScopeEndpoints};
pub use application_certificate::check_certificate;
pub use failure::RegistrationFailure;
pub use identity_server::ClientSecret;
pub use kind::ServerKind;
pub use metadata::{ClientWish, ManagementAccess, RegisteredClient};
pub use properties::{ClientProperties, PropertyFault};
pub use server::{RegistrationServer, ServerSecrets};
pub use service::KnownClient;
pub use token::ClientToken;
