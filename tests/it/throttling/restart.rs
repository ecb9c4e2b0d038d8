//! Long quotas outlive the process and a reload.

use std::fs;

use portcullis::limiter::saved::{HEAD_BYTES, read_batches, read_head};

use super::{LimitedClient, PATH, Shop, limited_program, same, two};
use crate::support::origin::Origin;
use crate::support::program::{Program, wait_until};

/// Requests an hour of the application.
const LIMIT: usize = 5;

/// Tells of so many requests, on a new connection, whether each passes.
async fn pass(program: &Program, count: usize) -> Vec<bool> {
    let mut client = LimitedClient::connect(program).await;
    let mut passed = Vec::new();
    for _ in 0..count {
        passed.push(client.passes().await);
    }
    passed
}

/// The amounts that the file of counts has.
fn saved(program: &Program) -> u64 {
    let bytes = fs::read(program.path().join("state/counters")).unwrap_or_default();
    let Some(keys) = read_head(&bytes) else { return 0 };
    let (saved, _) = read_batches(keys, &bytes[HEAD_BYTES..]);
    saved.iter().flat_map(|counter| &counter.counted).map(|counted| counted.amount).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_forgets_a_second_at_most_and_a_stopped_one_nothing() {
    let backend = Origin::start();
    let mut program = limited_program(&backend, LIMIT, "");
    program.start();
    program.wait_until_ready();
    assert_eq!(pass(&program, 2).await, [true, true]);
    wait_until("the counts are in state_dir", || saved(&program) == 2);
    program.signal("KILL");
    program.wait();
    program.start();
    program.wait_until_ready();
    assert_eq!(pass(&program, 2).await, [true, true]);
    program.signal("TERM");
    program.wait();
    assert_eq!(saved(&program), 4, "a process that stops writes what it has");
    // a torn write at the end loses that write alone
    let path = program.path().join("state/counters");
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend([9; 7]);
    fs::write(&path, bytes).unwrap();
    program.start();
    program.wait_until_ready();
    assert_eq!(pass(&program, 2).await, [true, false]);
    assert!(program.log().contains("cut off"), "{}", program.log());
    program.signal("TERM");
    program.wait();
    // a file of something else begins anew, and says so
    fs::write(&path, b"something else, and long enough to hold a head of forty-eight bytes")
        .unwrap();
    program.start();
    program.wait_until_ready();
    assert_eq!(pass(&program, 1).await, [true]);
    assert!(program.log().contains("begin anew"), "{}", program.log());
}

/// Ends the process that took over: it is nobody's child.
struct Successor<'p>(&'p Program, u32);

impl Successor<'_> {
    /// The process that owns `state_dir`.
    fn owner(program: &Program) -> Option<u32> {
        let lock = fs::read_to_string(program.path().join("state/lock")).ok()?;
        lock.strip_prefix("pid ")?.trim().parse().ok()
    }
}

impl Drop for Successor<'_> {
    fn drop(&mut self) {
        // only a process that runs in this test's folder
        let folder = fs::read_link(format!("/proc/{}/cwd", self.1));
        if folder.is_ok_and(|folder| folder == self.0.path()) {
            let id = self.1.to_string();
            let _ = std::process::Command::new("kill").args(["-KILL", &id]).status();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_takes_over_goes_on_with_the_counts() {
    let backend = Origin::start();
    let mut program = limited_program(&backend, LIMIT, "");
    program.start();
    program.wait_until_ready();
    assert_eq!(pass(&program, 3).await, [true; 3]);
    let before = program.id();
    program.signal("USR2");
    let mut after = None;
    wait_until("another owner of state_dir", || {
        after = Successor::owner(&program).filter(|owner| *owner != before);
        after.is_some()
    });
    let successor = Successor(&program, after.unwrap());
    program.wait_for_log("took over from the process before");
    let ended = || fs::read_to_string(format!("/proc/{before}/stat"));
    // a zombie until the test waits for it
    wait_until("the end of the first process", || ended().is_ok_and(|stat| stat.contains(") Z ")));
    assert_eq!(pass(&program, 3).await, [true, true, false], "{}", program.log());
    drop(successor);
}

#[tokio::test]
async fn a_reload_keeps_the_counts_and_takes_new_figures() {
    let shop =
        Shop::open(same, |app| app.lines("policy = \"Two\""), &two("Two", "application")).await;
    let token = shop.token("client");
    assert_eq!(shop.statuses(3, PATH, Some(&token)).await, [200, 200, 429]);
    let three = two("Two", "application").replace("requests = 2", "requests = 3");
    let changed =
        super::config(&shop.backend.url(), &shop.signer, same, |app| app.lines("policy = \"Two\""));
    shop.gateway.change(&changed.tables(&three)).await.unwrap();
    assert_eq!(shop.statuses(2, PATH, Some(&token)).await, [200, 429]);
}
