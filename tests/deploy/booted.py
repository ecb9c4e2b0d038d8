"""Runs on the machine that test_systemd.py boots: one life of the package under systemd."""

import contextlib
import http.client
import http.server
import os
import pathlib
import pwd
import resource
import subprocess
import threading
import time
import unittest

OLD, NEW = sorted(pathlib.Path(os.environ["PACKAGES"]).glob("*.deb"))
CONFIGURATION = pathlib.Path("/etc/portcullis/gateway.toml")
UNITS = ["portcullis.socket", "portcullis.service"]
LISTENER = ("127.0.0.1", 8280)
PATH = "/hello/1.0.0/"
# of linux/capability.h
CAP_SYS_RESOURCE = 24
# far longer than anything takes here
DEADLINE = 30


class Backend(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_):
        pass


def run(*line):
    return subprocess.run(line, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=DEADLINE)


def shown(name):
    return run("systemctl", "show", "--value", f"--property={name}", "portcullis.service").stdout.strip()


def status_of(process):
    lines = pathlib.Path(f"/proc/{process}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def journal():
    return run("journalctl", "--no-pager", "--unit=portcullis.service").stdout


def eventually(what, look):
    end = time.monotonic() + DEADLINE
    while not (found := look()):
        if time.monotonic() > end:
            raise AssertionError(f"never {what}: {journal()}")
        time.sleep(0.02)
    return found


def get():
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection(*LISTENER, timeout=DEADLINE)
    with contextlib.closing(connection):
        connection.request("GET", PATH)
        answer = connection.getresponse()
        return answer.status, answer.read()


class Load:
    """Requests one after the other until the end; what did not go well."""

    def __init__(self, clients=3):
        self.over = threading.Event()
        self.good, self.wrong = 0, []
        self.clients = [threading.Thread(target=self.ask, daemon=True) for _ in range(clients)]

    def ask(self):
        while not self.over.is_set():
            try:
                answer = get()
            except OSError as error:
                answer = repr(error)
            if answer == (200, b"hello"):
                self.good += 1
            else:
                self.wrong.append(answer)

    def __enter__(self):
        for client in self.clients:
            client.start()
        self.more(20)
        return self

    def more(self, count):
        enough = self.good + count
        eventually("more answers", lambda: self.good >= enough or self.wrong)

    def __exit__(self, *_):
        self.over.set()
        for client in self.clients:
            client.join(DEADLINE)


class Life(unittest.TestCase):
    def setUp(self):
        backend = http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Backend)
        threading.Thread(target=backend.serve_forever, daemon=True).start()
        self.addCleanup(backend.server_close)
        self.addCleanup(backend.shutdown)

    def succeeds(self, *line):
        done = run(*line)
        self.assertEqual(done.returncode, 0, f"{line}: {done.stdout}{done.stderr}{journal()}")
        return done.stdout

    def write(self, operation):
        lines = CONFIGURATION.read_text().splitlines()
        lines[-1] = f"operations = [{operation}]"
        CONFIGURATION.write_text("\n".join(lines) + "\n")

    def test_one_life(self):
        steps = [self.installed, self.started, self.reloaded, self.refused]
        steps += [self.upgraded, self.from_sockets, self.removed]
        for step in steps:
            with self.subTest(step.__name__):
                step()

    def installed(self):
        self.succeeds("dpkg", "--install", OLD)
        self.assertEqual(run("systemctl", "is-active", *UNITS).stdout.split(), ["inactive", "inactive"])
        self.assertEqual(run("systemctl", "is-enabled", *UNITS).stdout.split(), ["disabled", "disabled"])

    def started(self):
        self.succeeds("systemctl", "start", "portcullis.service")
        self.assertEqual(get()[0], 401, "the file of the package lets nobody in")
        process = shown("MainPID")
        status = status_of(process)
        self.assertEqual(status["Uid"].split()[0], str(pwd.getpwnam("portcullis").pw_uid))
        self.assertEqual((status["NoNewPrivs"], int(status["CapBnd"], 16), status["Seccomp"]), ("1", 0, "2"))
        files = resource.prlimit(int(process), resource.RLIMIT_NOFILE)[1]
        raised = int(status_of(1)["CapEff"], 16) >> CAP_SYS_RESOURCE & 1
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self.assertEqual(files, 65536 if raised else min(65536, most), "LimitNOFILE, as far as this machine's systemd may raise it")
        self.assertEqual(pathlib.Path("/var/lib/portcullis").stat().st_mode & 0o777, 0o700)

    def reloaded(self):
        self.write('{ method = "GET", path = "/", auth = "none" }')
        self.succeeds("systemctl", "reload", "portcullis.service")
        self.assertEqual(get(), (200, b"hello"))

    def refused(self):
        good = CONFIGURATION.read_text()
        CONFIGURATION.write_text(good + "nonsense = 1\n")
        self.assertNotEqual(run("systemctl", "reload", "portcullis.service").returncode, 0)
        self.assertEqual(run("systemctl", "is-active", "portcullis.service").stdout, "active\n")
        self.assertEqual(get(), (200, b"hello"))
        self.assertIn("nonsense", journal())
        CONFIGURATION.write_text(good)
        self.succeeds("systemctl", "reload", "portcullis.service")

    def upgraded(self):
        before = shown("MainPID")
        with Load() as load:
            self.succeeds("dpkg", "--install", NEW)
            eventually("another main process", lambda: shown("MainPID") not in (before, "0"))
            load.more(100)
            eventually("the end of the old process", lambda: not pathlib.Path(f"/proc/{before}").exists())
            load.more(20)
        self.assertEqual(load.wrong, [], journal())
        self.assertEqual(shown("ActiveState"), "active")
        self.assertEqual(shown("NRestarts"), "0")
        program = os.readlink(f"/proc/{shown('MainPID')}/exe")
        self.assertEqual(program, "/usr/bin/portcullis", "the new one, which is not deleted")
        self.write('{ method = "GET", path = "/", auth = "none" }, { method = "GET", path = "/more", auth = "none" }')
        self.succeeds("systemctl", "reload", "portcullis.service")
        print(f"upgraded under {load.good} requests", flush=True)

    def from_sockets(self):
        self.succeeds("systemctl", "stop", "portcullis.service")
        self.succeeds("systemctl", "enable", "--now", *UNITS)
        with Load() as load:
            for _ in range(2):
                self.succeeds("systemctl", "restart", "portcullis.service")
                load.more(100)
        self.assertEqual(load.wrong, [], journal())
        print(f"restarted twice under {load.good} requests", flush=True)

    def removed(self):
        process = shown("MainPID")
        self.succeeds("dpkg", "--remove", "portcullis")
        self.assertFalse(pathlib.Path(f"/proc/{process}").exists())
        self.assertEqual(shown("LoadState"), "not-found")
        self.assertTrue(pathlib.Path("/var/lib/portcullis").exists())
        self.succeeds("dpkg", "--purge", "portcullis")
        self.assertFalse(pathlib.Path("/var/lib/portcullis").exists())
        self.assertFalse(CONFIGURATION.exists())


if __name__ == "__main__":
    unittest.main()
