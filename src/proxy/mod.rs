//! The request's walk. [`denial`] is what a request is told when it goes no further.

pub mod denial;
