"""A PostgreSQL of its own for a test: made in a folder, on a free port, ended with it."""

import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile

USER = "portcullis"
# of a server that lives as long as its test, on loopback
PASSWORD = "secret"


class Postgres:
    """The newest version that the package installed. It refuses to run as root, so it runs as its package's user then."""

    def __init__(self):
        self.process = None
        self.folder = pathlib.Path(tempfile.mkdtemp())
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        own = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        self.identity = {"user": own.pw_uid, "group": own.pw_gid, "extra_groups": []} if own else {}
        password = self.folder / "password"
        password.write_text(PASSWORD)
        if own:
            for path in [self.folder, password]:
                os.chown(path, own.pw_uid, own.pw_gid)
        line = [program("initdb"), "-U", USER, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"]
        line += ["--pwfile", password, "-D", self.folder / "data"]
        subprocess.run(line, check=True, capture_output=True, cwd=self.folder, **self.identity)

    def start(self):
        settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"]
        line = [program("postgres"), "-D", self.folder / "data", "-p", str(self.port)]
        line += [part for setting in settings for part in ("-c", setting)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(line, cwd=self.folder, **quiet, **self.identity)

    def answers(self):
        """Has the database made, too."""
        line = [program("psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-d", "postgres", "-X", "-q"]
        line += ["-c", f"CREATE DATABASE {USER}"]
        return subprocess.run(line, env=os.environ | {"PGPASSWORD": PASSWORD}, capture_output=True).returncode == 0

    def address(self, database):
        return f"postgres://{USER}@127.0.0.1:{self.port}/{database}"

    def end(self):
        if self.process:
            # a fast shutdown: it does not wait for its clients, and its own children end too
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


def program(name):
    versions = pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    found = sorted(versions, key=lambda path: int(path.parts[4]))
    return found[-1] if found else name
