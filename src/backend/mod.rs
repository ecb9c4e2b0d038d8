//! Knows the live targets of backends: their health, their ejection, how busy they are.

pub mod target_health;
