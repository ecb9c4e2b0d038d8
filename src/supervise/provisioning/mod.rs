//! Follows the store by revision: what it says is read at the start, and each change after it is
//! put into force in its order.
//!
//! A nudge says that somebody wrote, and can be lost; the look after each `poll_interval` is the
//! truth. A revision that goes back, or another store behind the same address, is answered by
//! reading everything again.
//!
//! The files: [`state`] (everything at one revision), [`tables`] (records as tables of the
//! configuration), [`applications`] (applications that changed), [`follower`] (which revision is in
//! force, and what follows), [`applying`], [`previewing`] (what a change would do), [`declared`]
//! (what the API shows of the files), [`start`].

mod applications;
mod applying;
mod declared;
mod follower;
mod previewing;
mod start;
mod state;
mod tables;

pub(super) use applications::Gathering;
pub(super) use applying::store_work;
pub(super) use start::{ApiSettings, Provisioning};
pub(super) use state::StoreReader;
pub(super) use tables::StoredTables;
