//! The REST API: the operations of administrators, publishers and application developers, in WSO2's
//! shape.
//!
//! A handler translates the request into the store's records and back. It never touches the
//! snapshot: [`catalog`] checks a change with the publisher, stores it, and waits until it is in
//! force. A [`Caller`] is the proof that a user signed in; each handler asks it for the scopes of
//! its operation.
//!
//! The files: [`service`] (one request), [`state`] (shared by all handlers), [`caller`] and
//! [`access`] (the caller and its scopes), [`catalog`] with [`object`], [`written_ids`] and
//! [`live`] (the objects of files and store), [`dry_run`] (the answer of a preview), [`refused`]
//! (WSO2's error body), [`paging`], [`query`], [`body`](mod@body) with [`json_text`],
//! [`plain_object`] and [`yaml_text`], [`nulls`], [`acceptable`], [`addresses`], [`entity_tag`],
//! [`object_id`], [`texts`] (rules for names), [`timestamp`], [`outliving_calls`] (calls to
//! authorization servers). Then one folder for each of WSO2's APIs: [`administration`],
//! [`devportal`], [`publisher`]; [`portcullis`] has the operations without a path in WSO2.

mod acceptable;
mod access;
mod addresses;
mod administration;
mod body;
mod caller;
mod catalog;
mod devportal;
mod dry_run;
mod entity_tag;
mod json_text;
mod live;
mod nulls;
mod object;
mod object_id;
mod openapi;
mod outliving_calls;
mod paging;
mod plain_object;
mod portcullis;
mod publisher;
mod query;
mod refused;
mod service;
mod state;
#[cfg(test)]
mod test_api;
mod texts;
mod timestamp;
mod written_ids;
mod yaml_text;

pub use access::{ApiAccess, ForeignTokens};
pub use caller::{Caller, CallerScopes};
pub use catalog::{Catalog, Committed, WriteOptions, WriteRefused};
pub use live::{DeclaredObjects, LiveRequest, Preview, PreviewDetail, PreviewProblem};
pub use object::Object;
pub use outliving_calls::Errands;
pub use refused::{ApiFault, Refused};
pub use service::AdminService;
pub use state::Admin;
pub use written_ids::{WrittenIds, WrittenObject};
