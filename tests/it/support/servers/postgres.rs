//! [`PostgresProcess`]: a real server on a free port, which can be killed and started again.

#[path = "free_port.rs"]
pub(crate) mod free_port;

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use self::free_port::free_port;

/// The user and the password of the server.
pub(crate) const USER: &str = "portcullis";
pub(crate) const PASSWORD: &str = "of the tests";

/// A start on a busy machine.
const START: Duration = Duration::from_mins(1);

/// Ends with its owner, by its process id.
pub(crate) struct PostgresProcess {
    child: Option<Child>,
    port: u16,
    folder: tempfile::TempDir,
    options: Vec<String>,
}

impl PostgresProcess {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// With settings such as `ssl=on`. The files that they name are in [`PostgresProcess::folder`],
    /// if `prepare` has put them there.
    pub(crate) fn with(options: &[&str]) -> Self {
        let mut server = Self::prepared(options);
        server.run();
        server
    }

    /// Makes the database files; nothing runs yet.
    pub(crate) fn prepared(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let options = options.iter().map(ToString::to_string).collect();
        let server = Self { child: None, port, folder, options };
        std::fs::write(server.folder.path().join("password"), PASSWORD).expect("written");
        Self::own(server.folder.path());
        Self::own(&server.folder.path().join("password"));
        let made = server
            .command("initdb")
            .args(["-U", USER, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"])
            .arg("--pwfile")
            .arg(server.folder.path().join("password"))
            .arg("-D")
            .arg(server.data())
            .output()
            .expect("initdb of the package postgresql");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server
    }

    pub(crate) fn run(&mut self) {
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        let settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"];
        for setting in settings.into_iter().chain(self.options.iter().map(String::as_str)) {
            command.args(["-c", setting]);
        }
        let log = std::fs::File::create(self.folder.path().join("log")).expect("a log");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        self.child = Some(child.expect("postgres of the package postgresql"));
        let started = Instant::now();
        while !self.answers() {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(started.elapsed() < START, "postgres never answers: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn answers(&self) -> bool {
        let mut command = Command::new(program("pg_isready"));
        command.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string(), "-t", "1"]);
        command.status().expect("pg_isready").success()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Gives a file to the server's user: the server does not run as root.
    pub(crate) fn own(path: &Path) {
        if let Some((user, group)) = other_user() {
            chown(path, Some(user), Some(group)).expect("given away");
        }
    }

    /// The address of a new, empty database.
    pub(crate) fn database(&self, name: &str) -> String {
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.address(name)
    }

    pub(crate) fn address(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs a statement and returns what it printed.
    pub(crate) fn sql(&self, database: &str, statement: &str) -> String {
        let done = Command::new(program("psql"))
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", USER, "-d", database])
            .args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-c", statement])
            .env("PGPASSWORD", PASSWORD)
            .output()
            .expect("psql");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    /// Returns a database as statements.
    pub(crate) fn dump(&self, database: &str) -> String {
        let done = Command::new(program("pg_dump"))
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", USER, database])
            .env("PGPASSWORD", PASSWORD)
            .output()
            .expect("pg_dump");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// Replaces everything in a database by what was dumped.
    pub(crate) fn restore(&self, database: &str, dump: &str) {
        let file = self.folder.path().join("dump.sql");
        let fresh = "DROP SCHEMA public CASCADE; CREATE SCHEMA public;";
        std::fs::write(&file, format!("{fresh}\n{dump}")).expect("written");
        let done = Command::new(program("psql"))
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", USER, "-d", database])
            .args(["-X", "-q", "--single-transaction", "-v", "ON_ERROR_STOP=1", "-f"])
            .arg(&file)
            .env("PGPASSWORD", PASSWORD)
            .output()
            .expect("psql");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Ends it at once, as a crash does: it recovers when it is started again.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // its own children end too, and sooner than after a SIGKILL
            let signal = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status();
            assert!(signal.expect("kill").success());
            let _ = child.wait();
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, name: &str) -> Command {
        let mut command = match other_user() {
            Some((user, group)) => {
                let mut command = Command::new("setpriv");
                command
                    .args([format!("--reuid={user}"), format!("--regid={group}")])
                    .arg("--clear-groups")
                    .arg(program(name));
                command
            }
            None => Command::new(program(name)),
        };
        command.current_dir(self.folder.path()).env("LC_ALL", "C");
        command
    }
}

impl Drop for PostgresProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The newest version that the package installed.
fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = versions
        .filter_map(|version| {
            let number: u32 = version.file_name().to_str()?.parse().ok()?;
            Some((number, version.path().join("bin").join(name)))
        })
        .filter(|(_, path)| path.exists())
        .collect();
    found.sort();
    found.pop().map_or_else(|| PathBuf::from(name), |(_, path)| path)
}

/// The server refuses to run as root. Its package brings a user.
fn other_user() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> u32 {
        let answer = Command::new("id").args(arguments).output().expect("id");
        String::from_utf8_lossy(&answer.stdout).trim().parse().expect("a number")
    };
    (id(&["-u"]) == 0).then(|| (id(&["-u", "postgres"]), id(&["-g", "postgres"])))
}
