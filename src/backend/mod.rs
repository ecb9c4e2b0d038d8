//! Knows the live targets of backends: their addresses, turns, health, ejection and load. Decides
//! which target is next. Never connects: pools belong to the workers, which find theirs by
//! [`TargetSlot`].

mod group;
pub mod target_health;
mod target_slot;
mod worker_turns;

pub use group::{
    BackendGroup, CheckedTarget, CompiledTarget, EndpointList, TargetAddress, TargetAddresses,
    TargetTls, turns,
};
pub use target_slot::{FormerTargetSlot, TargetKey, TargetSlot, TargetSlots};
pub use worker_turns::Turns;
