//! `state_dir` as the real program treats it: one gateway at a time, its owner alone, no links, and a damaged journal is
//! told aloud.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::revocation::journal::{Program, Stage, revoke, status};
use crate::support::DEADLINE;
use crate::support::free_port::free_port;
use crate::support::program::command;

/// Starts a gateway that does not come up, and says why.
fn refused(folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    let mut child = command
        .current_dir(folder)
        .arg("run")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > DEADLINE {
            let _ = child.kill();
            panic!("it runs");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[tokio::test]
async fn a_second_gateway_on_one_state_dir_is_refused_and_the_first_goes_on() {
    let stage = Stage::new();
    let program = stage.run(None);
    assert_eq!(revoke(stage.management, "one"), Some(200));
    // on other ports: only the folder is shared
    let second = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(stage.folder.path().join("gateway.toml")).unwrap();
    let state = format!("workers = 1\nstate_dir = {:?}", stage.folder.path().join("state"));
    let text = text
        .replace(&format!(":{}\"", stage.port), &format!(":{}\"", free_port()))
        .replace(&format!(":{}\"", stage.management), &format!(":{}\"", free_port()))
        .replace("workers = 1", &state);
    fs::write(second.path().join("gateway.toml"), text).unwrap();
    fs::copy(stage.folder.path().join("keys.json"), second.path().join("keys.json")).unwrap();
    let output = refused(second.path());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let pid = program.id();
    assert!(said.contains(&format!("used by another gateway (process {pid})")), "{said}");
    // a check touches nothing
    let check = command(second.path(), &["check"]).output().unwrap();
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    assert_eq!(revoke(stage.management, "two"), Some(200));
    program.kill();
    let _program = stage.run(None);
    for id in ["one", "two"] {
        assert_eq!(status(stage.port, &stage.token(id)), 401, "{id}");
    }
}

#[tokio::test]
async fn the_folder_and_its_files_are_the_owners_alone() {
    let stage = Stage::new();
    let state = stage.folder.path().join("state");
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
    // what somebody else may have put there
    let victim = stage.folder.path().join("victim");
    fs::write(&victim, "kept").unwrap();
    for name in ["revocations.new", ".writable"] {
        symlink(&victim, state.join(name)).unwrap();
    }
    let program = stage.run(None);
    assert_eq!(revoke(stage.management, "one"), Some(200));
    assert_eq!(mode(&state), 0o700);
    for entry in fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().path()) {
        assert_eq!(mode(&entry), 0o600, "{entry:?}");
    }
    assert_eq!(fs::read(&victim).unwrap(), b"kept");
    program.kill();
    // a journal that is a link is neither read nor written
    let journal = state.join("revocations");
    fs::remove_file(&journal).unwrap();
    symlink(&victim, &journal).unwrap();
    let output = refused(stage.folder.path());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("a symbolic link"), "{said}");
    assert_eq!(fs::read(&victim).unwrap(), b"kept");
    fs::remove_file(&journal).unwrap();
    let made = Command::new("mkfifo").arg(&journal).status().unwrap();
    assert!(made.success());
    assert_eq!(refused(stage.folder.path()).status.code(), Some(1), "a pipe holds nothing up");
}

#[tokio::test]
async fn a_damaged_journal_is_told_kept_aside_and_its_rest_holds() {
    let stage = Stage::new();
    let program = stage.run(None);
    for id in ["one", "two", "three"] {
        assert_eq!(revoke(stage.management, id), Some(200));
    }
    program.kill();
    let journal = stage.folder.path().join("state/revocations");
    let mut bytes = fs::read(&journal).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&journal, &bytes).unwrap();
    let log = stage.folder.path().join("log");
    let program = stage.run_logging(&log);
    let statuses: Vec<_> =
        ["one", "two", "three"].map(|id| status(stage.port, &stage.token(id))).to_vec();
    assert_eq!(statuses, [401, 200, 401], "what could be read holds");
    let metrics = program.get("/metrics").unwrap();
    assert!(metrics.contains("portcullis_revocation_journal_damages_total 1"), "{metrics}");
    let listed = program.get("/revocations").unwrap();
    assert!(listed.contains("\"journal\":\"damaged\""), "{listed}");
    let said = fs::read_to_string(&log).unwrap();
    let error = said
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find(|line| line["level"] == json!("ERROR"))
        .expect("an error in the log");
    let aside = error["aside"].as_str().expect("where the damaged file is");
    let aside = stage.folder.path().join(aside);
    assert_eq!(fs::read(&aside).unwrap(), bytes, "the evidence stays");
    // emptied while it runs
    fs::write(&journal, "").unwrap();
    assert_eq!(revoke(stage.management, "four"), Some(200));
    let metrics = program.get("/metrics").unwrap();
    assert!(metrics.contains("portcullis_revocation_journal_damages_total 2"), "{metrics}");
    program.kill();
    let _program: Program = stage.run(None);
    for id in ["one", "three", "four"] {
        assert_eq!(status(stage.port, &stage.token(id)), 401, "{id}");
    }
}

#[tokio::test]
async fn a_path_that_is_too_long_for_a_socket_is_told_by_check() {
    let stage = Stage::new();
    let path = stage.folder.path().join("gateway.toml");
    let text = fs::read_to_string(&path).unwrap();
    let check = || {
        let output = command(stage.folder.path(), &["check"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(!check().contains("too long for a socket"));
    let long = format!("workers = 1\nstate_dir = \"{}\"", "deep/".repeat(20));
    fs::write(&path, text.replace("workers = 1", &long)).unwrap();
    let said = check();
    assert!(said.contains("too long for a socket") && said.contains("gateway.toml:4"), "{said}");
}
