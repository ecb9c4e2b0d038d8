//! The store in SQL, once for both databases: statements are the same, and a [`session`] runs them.

mod auditing;
mod columns;
mod conditions;
mod counts;
mod filter;
mod fleet;
mod following;
mod listing;
mod lookup;
mod migrations;
mod ranking;
mod reading;
mod rows;
mod serving;
mod session;
mod state;
mod writing;

pub(in crate::store) use auditing::audit;
pub(in crate::store) use counts::{counts, holders};
pub(in crate::store) use fleet::{gateways, last_uses, note_uses, report};
pub(in crate::store) use following::{follow, replace_all, settle};
pub(in crate::store) use listing::list;
pub(in crate::store) use lookup::{applications, child_counts, get_all, named_all};
pub(in crate::store) use migrations::{META, done, is_current, missing};
pub(in crate::store) use ranking::rank_in;
pub(in crate::store) use reading::{
    FullReading, StoreReading, changes, checksum, get, named, read_rows, recount,
};
pub(in crate::store) use serving::ServedReading;
pub(in crate::store) use session::{ReadRow, SqlRow, SqlSession, SqlValue, one_number, stored};
pub(in crate::store) use state::read_state;
pub(in crate::store) use writing::{apply, apply_counted};
