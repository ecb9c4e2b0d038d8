//! Applications, their keys and their subscriptions: a million consumer keys in about 100 MiB,
//! found without a lock or an allocation.
//!
//! A directory is built once ([`DirectoryBuilder`]) and then read. A changed directory shares the
//! packed base with the old one and adds an overlay. So a change costs as much as the number of
//! recent changes, and not as the number of applications. [`Directory::compacted`] makes a new base
//! of both. An application keeps its slot through all of it.
//!
//! A consumer key is found by (key manager, consumer key), never by itself, because two
//! authorization servers may issue the same client id.

mod base_use;
mod builder;
mod compaction;
mod conflict;
mod declared;
mod difference;
mod lookup;
mod order;
mod overlay;
mod owner;
mod packed;
mod totals;
mod used;
mod view;

#[cfg(test)]
mod tests;

pub use builder::DirectoryBuilder;
pub use conflict::Conflict;
pub use difference::MOST_OVERLAID;
pub use lookup::{ApplicationChange, Directory};
pub use order::DeclaredOrder;
pub use owner::KeyOwner;
pub use view::ApplicationView;
