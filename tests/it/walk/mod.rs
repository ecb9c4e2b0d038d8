//! The request's walk: routes, headers, refusals, CORS, what backends learn of the caller.

mod assertion;
mod codes;
mod cors;
mod forwarding;
