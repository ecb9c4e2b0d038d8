//! The request's walk: routes, headers, refusals, CORS, what backends learn of the caller.

mod assertion;
mod believed;
mod challenges;
mod codes;
mod cors;
mod forwarding;
mod observing;
mod paths;
mod removed;
