//! Backends: balancing, names, faults, early answers.

mod balancing;
mod early;
mod faults;
mod framing;
mod names;
