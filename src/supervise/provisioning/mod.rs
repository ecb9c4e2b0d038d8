//! Follows the store by revision: its state is read at the start, and each later change is put into
//! force in its order.
//!
//! A nudge tells that there is a change, and can be lost; the look after each `poll_interval` is
//! the truth. If a revision goes back, or another store answers at the same address, everything is
//! read again.
//!
//! The files: [`state`] (everything at one revision), [`tables`] (records as tables of the
//! configuration), [`applications`] (applications that changed), [`follower`] (the revision in
//! force, and the next changes), [`pace`] (the moments of looks and reports), [`applying`],
//! [`previewing`] (the effect of a change), [`declared`] (the objects of files that the API shows),
//! [`start`].

mod applications;
mod applying;
mod declared;
mod follower;
mod pace;
mod previewing;
mod start;
mod state;
mod tables;

pub(super) use applications::Gathering;
pub(super) use applying::store_work;
pub(super) use start::{ApiSettings, Provisioning};
pub(super) use state::StoreReader;
pub(super) use tables::StoredTables;
