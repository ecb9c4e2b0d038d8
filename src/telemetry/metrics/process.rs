//! What the system says of the process, from `/proc/self`; nothing where there is none.

use std::fs;

use super::families::{self as family, Family};

/// Clock ticks a second: the kernel's interface has had 100 on every Linux for decades.
const TICKS: f64 = 100.0;
const PAGE: f64 = 4096.0;

pub(super) fn gather(mut put: impl FnMut(&'static Family, f64)) {
    if let Some(facts) = stat() {
        put(&family::PROCESS_CPU, facts.cpu_seconds);
        put(&family::PROCESS_VIRTUAL, facts.virtual_bytes);
        put(&family::PROCESS_RESIDENT, facts.resident_bytes);
        if let Some(boot) = boot_time() {
            put(&family::PROCESS_START, boot + facts.started_seconds);
        }
    }
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        put(&family::PROCESS_OPEN_FDS, entries.fold(0.0, |count, _| count + 1.0));
    }
    if let Some(most) = most_descriptors() {
        put(&family::PROCESS_MAX_FDS, most);
    }
}

struct Stat {
    cpu_seconds: f64,
    started_seconds: f64,
    virtual_bytes: f64,
    resident_bytes: f64,
}

fn stat() -> Option<Stat> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // the name in parentheses may hold anything; fields are counted behind it
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<f64> = rest.split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect();
    Some(Stat {
        cpu_seconds: (fields.get(11)? + fields.get(12)?) / TICKS,
        started_seconds: fields.get(19)? / TICKS,
        virtual_bytes: *fields.get(20)?,
        resident_bytes: fields.get(21)? * PAGE,
    })
}

fn boot_time() -> Option<f64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn most_descriptors() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/limits").ok()?;
    let line = text.lines().find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}
