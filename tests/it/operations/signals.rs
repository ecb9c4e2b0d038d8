//! Signals are heard whatever the gateway is busy with, and none that it does not know ends it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::support::program::{Program, wait_until};

#[test]
fn signals_without_a_meaning_do_not_end_it() {
    let mut program = Program::new("http://127.0.0.1:1", "");
    program.start();
    program.wait_until_ready();
    for name in ["USR1", "ALRM", "XFSZ", "VTALRM", "PROF", "IO", "PWR", "PIPE"] {
        program.signal(name);
    }
    program.wait_until_ready();
    assert!(program.ended().is_none());
}

#[test]
fn a_new_binary_that_hangs_keeps_no_signal_from_being_heard() {
    let mut program = Program::new("http://127.0.0.1:1", "");
    // what is started at SIGUSR2 is whatever stands behind the name by then
    let binary = program.path().join("portcullis");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_portcullis"), &binary).unwrap();
    program.start_as(
        &binary,
        Stdio::from(fs::File::create(program.path().join("stderr.log")).unwrap()),
    );
    program.wait_until_ready();
    fs::remove_file(&binary).unwrap();
    let hang =
        format!("#!/bin/sh\necho $$ > {}/newcomer\nexec sleep 60\n", program.path().display());
    fs::write(&binary, hang).unwrap();
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    program.signal("USR2");
    let newcomer = program.path().join("newcomer");
    let id = || fs::read_to_string(&newcomer).unwrap_or_default().trim().to_owned();
    wait_until("the new process runs", || !id().is_empty());
    // a reload is done afterwards, or not at all; an end is an end
    program.signal("HUP");
    program.signal("TERM");
    assert!(program.wait().success());
    let lives = || Command::new("kill").args(["-0", &id()]).stderr(Stdio::null()).status().unwrap();
    wait_until("the new process has ended", || !lives().success());
}

#[test]
fn a_takeover_takes_no_more_away_than_a_reload_may() {
    let app = |number| format!("{{\"name\": \"app-{number}\", \"owner\": \"o\"}}");
    let apps: Vec<_> = (0..50).map(app).collect();
    let mut program = Program::new("http://127.0.0.1:1", "");
    let file = program.path().join("apps.jsonl");
    fs::write(&file, apps.join("\n")).unwrap();
    program.edit("[[listeners]]", "application_files = [\"apps.jsonl\"]\n[[listeners]]");
    program.start();
    program.wait_until_ready();
    fs::write(&file, "").unwrap();
    program.signal("USR2");
    program.wait_for_log("no other process took over; this one goes on");
    assert!(program.log().contains("take away 50 of "), "{}", program.log());
    program.wait_until_ready();
    assert!(program.ended().is_none());
}

#[test]
fn a_log_that_nobody_reads_holds_nothing_up() {
    let log = "[telemetry]\nlog = { level = \"trace\" }\n";
    let mut program = Program::new("http://127.0.0.1:1", log);
    program.start_with(Stdio::piped());
    program.wait_until_ready();
    // each failed reload logs its report, and the pipe holds 64 KiB
    let path = program.path().join("gateway.toml");
    let whole = fs::read_to_string(&path).unwrap();
    let mistakes: Vec<_> = (0..900).map(|number| format!("mistake_{number} = 1\n")).collect();
    fs::write(&path, mistakes.concat() + &whole).unwrap();
    for _ in 0..3 {
        let before = failures(&program);
        program.signal("HUP");
        wait_until("the reload has failed", || failures(&program) > before);
    }
    program.signal("TERM");
    assert!(program.wait().success());
}

#[test]
fn the_logs_format_is_the_files() {
    let mut program =
        Program::new("http://127.0.0.1:1", "[telemetry]\nlog = { format = \"text\" }\n");
    program.start();
    program.wait_until_ready();
    program.wait_for_log("management listening");
    assert!(!program.log().contains("{\""), "{}", program.log());
    program.edit("format = \"text\"", "format = \"json\"");
    program.signal("HUP");
    program.wait_for_log("\"message\":\"configuration reloaded\"");
}

fn failures(program: &Program) -> u64 {
    let curl = Command::new("curl")
        .args(["-s", &format!("http://127.0.0.1:{}/metrics", program.management)])
        .output()
        .unwrap();
    let metrics = String::from_utf8(curl.stdout).unwrap();
    let name = "portcullis_config_reloads_total{result=\"failure\"} ";
    let count = metrics.lines().find_map(|line| line.strip_prefix(name)?.parse().ok());
    count.unwrap_or_default()
}
