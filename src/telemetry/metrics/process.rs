//! The process as the kernel sees it, read from `/proc/self` (Linux; elsewhere these metrics are
//! absent).

use std::fs;

/// The facts about the process that could be read, each by itself.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct ProcessFacts {
    pub(super) cpu_seconds: Option<f64>,
    pub(super) resident_bytes: Option<f64>,
    pub(super) virtual_bytes: Option<f64>,
    pub(super) max_virtual_bytes: Option<f64>,
    pub(super) threads: Option<f64>,
    pub(super) open_descriptors: Option<f64>,
    pub(super) max_descriptors: Option<f64>,
    pub(super) start_seconds: Option<f64>,
}

/// The unit of times in `/proc`, on every architecture that Rust's standard library supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// The fields of `/proc/self/stat`, counted after the command's closing parenthesis (proc(5)
/// numbers 14, 15 and 22).
const USER_TIME: usize = 11;
const SYSTEM_TIME: usize = 12;
const START_TIME: usize = 19;

pub(super) fn read() -> ProcessFacts {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let boot = fs::read_to_string("/proc/stat").unwrap_or_default();
    ProcessFacts {
        cpu_seconds: ticks(&stat, USER_TIME)
            .zip(ticks(&stat, SYSTEM_TIME))
            .map(|(user, system)| user + system),
        resident_bytes: kibibytes(&status, "VmRSS:"),
        virtual_bytes: kibibytes(&status, "VmSize:"),
        max_virtual_bytes: max_virtual_bytes(&limits),
        threads: threads(&status),
        open_descriptors: open_descriptors(),
        max_descriptors: max_descriptors(&limits),
        start_seconds: ticks(&stat, START_TIME)
            .zip(boot_seconds(&boot))
            .map(|(since_boot, boot)| boot + since_boot),
    }
}

/// The command may hold spaces and parentheses; only the last parenthesis ends it.
fn ticks(stat: &str, field: usize) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: f64 = fields.split_ascii_whitespace().nth(field)?.parse().ok()?;
    Some(ticks / TICKS_PER_SECOND)
}

fn kibibytes(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

fn open_descriptors() -> Option<f64> {
    let entries = fs::read_dir("/proc/self/fd").ok()?.count();
    // the listing itself holds one
    u32::try_from(entries.saturating_sub(1)).ok().map(f64::from)
}

fn max_descriptors(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Returns the limit. Unlimited is the largest number, as in other programs.
fn max_virtual_bytes(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    let soft = line.split_ascii_whitespace().next()?;
    if soft == "unlimited" { Some(18_446_744_073_709_551_615.0) } else { soft.parse().ok() }
}

fn threads(status: &str) -> Option<f64> {
    status.lines().find_map(|line| line.strip_prefix("Threads:"))?.trim().parse().ok()
}

fn boot_seconds(stat: &str) -> Option<f64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) R (b) S 1 7 7 0 -1 4194304 100 0 0 0 250 150 0 0 20 0 4 0 12300 1 2";
        assert_eq!(ticks(stat, USER_TIME), Some(2.5));
        assert_eq!(ticks(stat, SYSTEM_TIME), Some(1.5));
        assert_eq!(ticks(stat, START_TIME), Some(123.0));
    }

    #[test]
    fn units_are_bytes_and_seconds() {
        assert_eq!(kibibytes("Name:\tx\nVmRSS:\t    2048 kB\n", "VmRSS:"), Some(2_097_152.0));
        assert_eq!(
            max_descriptors(
                "Max open files            1024                 4096                 files"
            ),
            Some(1024.0)
        );
        assert_eq!(
            max_descriptors(
                "Max open files            unlimited            unlimited            files"
            ),
            None
        );
        assert_eq!(boot_seconds("cpu 1 2\nbtime 1700000000\n"), Some(1_700_000_000.0));
    }

    #[test]
    fn what_cannot_be_read_is_absent() {
        assert_eq!(ticks("", USER_TIME), None);
        assert_eq!(kibibytes("", "VmRSS:"), None);
        assert_eq!(boot_seconds(""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_running_process_is_read() {
        let facts = read();
        assert!(facts.resident_bytes.unwrap() > 100_000.0);
        assert!(facts.open_descriptors.unwrap() >= 3.0);
        assert!(facts.threads.unwrap() >= 1.0);
        assert!(facts.max_virtual_bytes.unwrap() > 1_000_000.0);
        assert!(facts.start_seconds.unwrap() > 1_000_000_000.0);
        assert!(facts.cpu_seconds.unwrap() < 10_000.0);
    }
}
