//! Threads whose work can wait give way to the workers.
//!
//! Decides nothing. A thread can lower its priority but not raise it again, so work that gives way
//! has a thread of its own.

use rustix::process::setpriority_process;

/// The niceness of work that can wait: about a tenth of a worker's share of a core that both want,
/// and the whole core if no worker wants it.
pub const NICE: i32 = 10;

/// Makes this thread give way to the others for the rest of its life.
pub fn give_way() {
    // no more than a slower answer of others if it fails
    let _ = setpriority_process(None, NICE);
}
