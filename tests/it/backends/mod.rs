//! Backends: balancing, names, faults, early answers.

mod balancing;
mod bodies;
mod early;
mod faults;
mod framing;
mod interim;
mod multiplexed;
mod names;
