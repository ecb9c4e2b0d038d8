//! Responses that outlast their head: their limits, their authorization, tunnels of other
//! protocols.

pub(super) mod authorization;
mod ended;
pub(super) mod kind;
pub(super) mod limit;
pub(super) mod tunnel;
pub(super) mod upgrade;
mod websocket;
