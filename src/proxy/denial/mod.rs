//! Turns a reason into an answer. No other place knows statuses, WSO2's codes and texts, or
//! challenges.
//!
//! [`status_table`] has the row of each reason. [`mod@format`] picks one of three bodies (WSO2's
//! JSON, XML, RFC 9457; [`grpc`] has no body), and [`body`] writes it. [`challenge`] writes
//! `WWW-Authenticate`, with the sentence for developers from [`mod@why`]. A body in WSO2's format
//! is a fixed text, and no part of a token is repeated to a client. The operator's message is in
//! the access log, under the id that `Portcullis-Denial` carries.

mod answer;
mod body;
mod challenge;
mod format;
mod grpc;
mod reply;
mod row;
mod status_table;
mod why;

pub use crate::proxy::denial::answer::{answer, status};
pub use crate::proxy::denial::format::{FormatPreference, ReplyFormat};
pub use crate::proxy::denial::reply::{DenialReply, RefusingApi};
pub use crate::proxy::denial::why::of as why;

#[cfg(test)]
mod tests;
