//! Backends: balancing, names, faults, early answers.

mod balancing;
mod bodies;
mod early;
mod faults;
mod interim;
mod multiplexed;
mod names;
