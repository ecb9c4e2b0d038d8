//! Processors and the time that a gateway takes of them.
//!
//! The measured gateway has the first processor for itself, and everything else has the others. So the database, the
//! writer and the clients of a bench do not take the gateway's time.

use std::fs;
use std::process::{self, Command};
use std::thread;

/// The unit of the times in /proc, which Linux never changed.
const TICKS_IN_A_SECOND: f64 = 100.0;

/// A command on the first processor.
pub(crate) fn on_the_first(program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", "0", program]);
    command
}

/// Keeps this process, and those that it starts from now on, off the first processor; does nothing where there is no
/// other.
pub(crate) fn leave_the_first() {
    let last = thread::available_parallelism().map_or(1, usize::from) - 1;
    if last > 0 {
        let own = process::id().to_string();
        let mut moving = Command::new("taskset");
        moving.args(["-a", "-c", "-p", &format!("1-{last}"), &own]);
        let moved = moving.output().expect("taskset of the package util-linux");
        assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stderr));
    }
}

/// Seconds of a processor that a gateway took since it began.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ProcessorTime {
    /// Of the threads that serve.
    pub(crate) workers: f64,
    pub(crate) others: f64,
}

impl ProcessorTime {
    pub(crate) fn of(process: u32) -> Self {
        let all = seconds(&format!("/proc/{process}/stat"));
        let threads = fs::read_dir(format!("/proc/{process}/task")).expect("Linux").flatten();
        let workers = threads.filter(|thread| {
            let name = fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
            name.starts_with("worker-")
        });
        let workers =
            workers.map(|thread| seconds(&thread.path().join("stat").display().to_string())).sum();
        Self { workers, others: all - workers }
    }

    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { workers: self.workers - earlier.workers, others: self.others - earlier.others }
    }
}

/// User and system time together.
fn seconds(path: &str) -> f64 {
    let stat = fs::read_to_string(path).unwrap_or_default();
    // names may have spaces; fields are counted behind them
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let times = fields.split_whitespace().skip(11).take(2);
    times.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS_IN_A_SECOND
}
