//! Counts requests, and limits them: quotas in windows of time, bursts, and the requests in flight
//! at a time.
//!
//! # The counting interface
//!
//! [`counters::Counters`] is the table of one gateway, shared by all workers. A caller prepares one
//! [`counters::CounterClaim`] for each level that a request counts on: the policy's
//! [`limit::Limit`], and a [`key::CounterKey`] that identifies the caller. Then
//!
//! - [`counters::Counters::admit`] counts the request in all of its counters, or in none of them
//!   ([`counters::Counters::admit_placed`] finds them where they were the last time);
//! - [`counters::Counters::charge`] adds amounts that are known afterwards: bytes, and units that a
//!   backend reports;
//! - [`counters::Counters::look`] tells how much is left, without counting.
//!
//! Sliding windows are cut into [`sliding::SUB_WINDOWS`] sub-windows. They are numbered from 1970
//! by the steady time of [`time::CountingTime`], so gateways with synchronized clocks number them
//! alike ([`sliding::sub_window`]).
//!
//! A count over several gateways, or a file, works with three calls:
//!
//! - a limit with a follower ([`limit::Limit::followed_by`]) notes its changed counters, and
//!   [`counters::Counters::changed`] shows each of them once;
//! - [`counter::Counter::counted`] lists the amounts of all windows: by sub-window, or by the first
//!   second of a day or month;
//! - [`counters::Counters::absorb`] adds amounts from elsewhere to those windows. A number of a
//!   sub-window that lies in the future would move the counter there: the caller corrects other
//!   clocks first.
//!
//! A burst is compared by its level: [`counter::Counter::burst_spent`] and
//! [`counters::Counters::absorb_burst`].

mod burst;
mod calendar;
pub mod concurrency;
pub mod counter;
mod counter_claim;
pub mod counters;
pub mod key;
pub mod limit;
mod lock_order;
mod locked;
mod quota_cells;
pub mod saved;
mod shard;
mod share;
pub mod shared;
pub mod sliding;
pub mod time;

#[cfg(test)]
mod tests;
