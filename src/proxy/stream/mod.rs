//! Responses that outlast their head: their limits, their authorization, tunnels of other protocols.

pub mod authorization;
pub mod kind;
pub mod limit;
pub mod tunnel;
pub mod upgrade;
pub mod websocket;
