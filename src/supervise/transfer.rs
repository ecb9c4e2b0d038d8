//! Moves the objects of a store into a file and back, and puts its secrets under a new key.
//!
//! The files: [`form`] (objects as tables of the contract, and back), [`export`](mod@export),
//! [`contents`] (the whole store), [`file`](mod@file) (a file's content), [`matching`] (the objects
//! that it means), [`import`], [`sealing`] (secrets on the way in), [`rekey`](mod@rekey),
//! [`error`].

mod contents;
mod error;
mod export;
mod file;
mod form;
mod import;
mod matching;
mod rekey;
mod sealing;
#[cfg(test)]
mod tests;

pub use error::TransferError;
pub use export::export;
pub use import::{ImportTarget, StoreImport};
pub use matching::Others;
pub use rekey::rekey;
