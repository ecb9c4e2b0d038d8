//! Backends: addresses that are told, balancing, names, faults, early answers.

mod addresses;
mod addressing;
mod asking;
mod balancing;
mod bodies;
mod early;
mod faults;
mod framing;
mod interim;
mod multiplexed;
pub(crate) mod names;
mod search_list;
