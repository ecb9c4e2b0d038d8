//! Quotas and bursts: on one gateway, and over several.

mod shared_counters;
