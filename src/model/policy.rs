//! Throttling policies: the limits that operators name.

mod quota;

pub use quota::{
    Burst, LONGEST_WINDOW, MOST_REQUESTS, MOST_UNITS, Quota, QuotaUnit, SHORTEST_WINDOW, Window,
};
