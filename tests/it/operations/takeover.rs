//! SIGUSR2 to the real program under a stream of calls: nothing that was answered is lost, and nobody is refused.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::revocation::journal::{Stage, exchange, revoke, status};
use crate::support::DEADLINE;

/// A gateway and those that took over from it, ended with it.
pub(super) struct Service {
    child: Child,
    folder: PathBuf,
    management: u16,
}

impl Service {
    /// The program by this name, with this environment.
    pub(super) fn start(stage: &Stage, program: &Path, environment: &[(&str, &str)]) -> Service {
        let folder = stage.folder.path().to_owned();
        let mut command = Command::new(program);
        command.current_dir(&folder).arg("run").envs(environment.iter().copied());
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let service = Service { child, folder, management: stage.management };
        service.becomes_ready();
        service
    }

    pub(super) fn becomes_ready(&self) {
        let ready = || get(self.management, "/readyz").is_some_and(|answer| is(&answer, 200));
        eventually("ready", || ready().then_some(()));
    }

    /// The process that owns `state_dir`.
    pub(super) fn owner(&self) -> u32 {
        eventually("an owner", || {
            let lock = std::fs::read_to_string(self.folder.join("state/lock")).ok()?;
            lock.strip_prefix("pid ")?.trim().parse().ok()
        })
    }

    pub(super) fn signal(&self, process: u32, name: &str) {
        let status =
            Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status();
        assert!(status.unwrap().success(), "{}", self.log());
    }

    /// Hands over and waits until the new process has all, and the old one has gone.
    pub(super) fn hand_over(&self) -> u32 {
        let taken = || self.log().matches("took over from the process before").count();
        let (before, count) = (self.owner(), taken());
        self.signal(before, "USR2");
        let after = eventually("another owner", || {
            let owner = self.owner();
            (owner != before).then_some(owner)
        });
        eventually("management", || (taken() > count).then_some(()));
        after
    }

    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Waits for the end of the process that was started first.
    pub(super) fn first_ends(&mut self) -> Option<i32> {
        eventually("an end", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let lock = std::fs::read_to_string(self.folder.join("state/lock")).unwrap_or_default();
        // only a process that runs this test's program
        if let Some(owner) = lock.strip_prefix("pid ").map(str::trim)
            && std::fs::read_link(format!("/proc/{owner}/cwd")).is_ok_and(|cwd| cwd == self.folder)
        {
            let _ = Command::new("kill").args(["-KILL", owner]).status();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < DEADLINE, "never {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(super) fn get(port: u16, path: &str) -> Option<String> {
    exchange(port, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
}

pub(super) fn reload(port: u16) -> Option<String> {
    exchange(port, "POST /reload HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

fn is(answer: &str, status: u16) -> bool {
    answer.starts_with(&format!("HTTP/1.1 {status} "))
}

pub(super) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_portcullis"))
}

/// Ends the threads of a test when it is dropped.
struct Ending<'t>(&'t AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn no_revocation_is_lost_and_no_call_refused_while_another_process_takes_over() {
    let stage = Stage::new();
    let mut service = Service::start(&stage, binary(), &[]);
    let (end, next) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (told, wrong) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let fault = |text: String| wrong.lock().unwrap().push(text);
    std::thread::scope(|scope| {
        // whatever the test comes to, its threads end
        let ending = Ending(&end);
        let revoker = || {
            while !end.load(Ordering::Relaxed) {
                let id = format!("id-{}", next.fetch_add(1, Ordering::Relaxed));
                match revoke(stage.management, &id) {
                    Some(200) => {
                        if status(stage.port, &stage.token(&id)) != 401 {
                            fault(format!("{id} passes"));
                        }
                        told.lock().unwrap().push(id);
                    }
                    other => fault(format!("revocation: {other:?}")),
                }
            }
        };
        for _ in 0..2 {
            scope.spawn(revoker);
        }
        scope.spawn(|| {
            while !end.load(Ordering::Relaxed) {
                for answer in [reload(stage.management), get(stage.management, "/readyz")] {
                    if !answer.as_ref().is_some_and(|answer| is(answer, 200)) {
                        fault(format!("reload or readyz: {answer:?}"));
                    }
                }
            }
        });
        for round in 1..=2 {
            let enough = |more: usize| {
                let before = told.lock().unwrap().len();
                eventually("told", || (told.lock().unwrap().len() >= before + more).then_some(()));
            };
            enough(20);
            service.hand_over();
            enough(20);
            assert!(wrong.lock().unwrap().is_empty(), "takeover {round}: {:?}", wrong.lock());
        }
        drop(ending);
    });
    assert_eq!(service.first_ends(), Some(0));
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{wrong:?}\n{}", service.log());
    let told = told.into_inner().unwrap();
    let all_refused = || {
        for id in &told {
            assert_eq!(status(stage.port, &stage.token(id)), 401, "{id}");
        }
    };
    all_refused();
    service.signal(service.owner(), "KILL");
    eventually("gone", || get(stage.management, "/livez").is_none().then_some(()));
    let _again = stage.run(None);
    all_refused();
}

#[tokio::test]
async fn a_new_process_that_does_not_come_up_costs_nothing() {
    let stage = Stage::new();
    let program = stage.folder.path().join("program");
    std::os::unix::fs::symlink(binary(), &program).unwrap();
    let service = Service::start(&stage, &program, &[]);
    let owner = service.owner();
    // each is a new binary in the place of the old one
    for (number, script) in [
        "exit 3",
        "echo staged >&0; read word; exit 3",
        "echo staged >&0; read word; echo \"$word\" > heard; exec 0<&-; exec sleep 60",
    ]
    .into_iter()
    .enumerate()
    {
        std::fs::remove_file(&program).unwrap();
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(revoke(stage.management, &format!("before-{number}")), Some(200));
        service.signal(owner, "USR2");
        let gave_up = "no other process took over; this one goes on";
        eventually("given up", || {
            (service.log().matches(gave_up).count() == number + 1).then_some(())
        });
        assert_eq!(service.owner(), owner, "{}", service.log());
        assert_eq!(revoke(stage.management, &format!("after-{number}")), Some(200));
        assert!(is(&reload(stage.management).unwrap(), 200));
        for id in [format!("before-{number}"), format!("after-{number}")] {
            assert_eq!(status(stage.port, &stage.token(&id)), 401, "{id}");
        }
    }
    assert_eq!(std::fs::read_to_string(stage.folder.path().join("heard")).unwrap(), "journal\n");
    assert!(service.log().contains("exit status: 3"), "{}", service.log());
    drop(service);
    let _again = stage.run(None);
    for id in ["before-0", "after-0", "before-1", "after-1", "before-2", "after-2"] {
        assert_eq!(status(stage.port, &stage.token(id)), 401, "{id}");
    }
}

#[tokio::test]
async fn the_first_process_of_a_container_does_not_hand_over() {
    let stage = Stage::new();
    let log = std::fs::File::create(stage.folder.path().join("log")).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--pid", "--fork", "--kill-child"]).arg(binary()).arg("run");
    command.current_dir(stage.folder.path()).stdout(Stdio::null()).stderr(log);
    let Ok(child) = command.spawn() else { return };
    let mut service =
        Service { child, folder: stage.folder.path().to_owned(), management: stage.management };
    let started = Instant::now();
    while get(stage.management, "/readyz").is_none() {
        if service.child.try_wait().unwrap().is_some() {
            eprintln!("not tested: no process namespaces here: {}", service.log());
            return;
        }
        assert!(started.elapsed() < DEADLINE, "{}", service.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    let children = format!("/proc/{0}/task/{0}/children", service.child.id());
    let first = std::fs::read_to_string(children).unwrap();
    service.signal(first.trim().parse().unwrap(), "USR2");
    eventually("refused", || service.log().contains("this process is PID 1").then_some(()));
    assert!(is(&get(stage.management, "/readyz").unwrap(), 200));
    assert_eq!(revoke(stage.management, "one"), Some(200));
}
