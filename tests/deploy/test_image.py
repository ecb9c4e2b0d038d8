"""The image: its Dockerfile is linted, built by Podman, and run as narrowly as it is meant to run.

The bases come from a registry, which no test asks. Instead of the base of the last stage there is one with the same few files,
of this machine; and instead of building the program in the image, the tests' own program is put in, as docker --build-context does.
"""

import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
import tomllib
import unittest

from packages import BUILT, ROOT

DOCKERFILE = ROOT / "deploy/Dockerfile"
# of the base of the last stage; a number, because such an image has no names that an orchestrator could read
USER = "65532"
# what distroless/cc holds of the libraries that a Rust program is linked with
LIBRARIES = {"ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "libc.so.6", "libm.so.6", "libgcc_s.so.1"}
# far longer than anything takes here
DEADLINE = 60
CONFIGURATION = """
[gateway]
state_dir = "/var/lib/portcullis"
drain_timeout = "2s"
[[listeners]]
name = "http"
address = "127.0.0.1:{port}"
[management]
address = "127.0.0.1:{management}"
[[apis]]
name = "hello"
version = "1.0.0"
context = "/hello"
production = {{ urls = ["http://127.0.0.1:9"] }}
operations = [{{ method = "GET", path = "/" }}]
"""


def free_ports(count):
    """Ports that nobody listens on; the gateway takes them a moment later."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


class Lint(unittest.TestCase):
    def lint(self, text):
        linter = pathlib.Path(sys.executable).with_name("hadolint")
        line = [linter, "--failure-threshold", "style", "-"]
        return subprocess.run(line, input=text, capture_output=True, text=True)

    def test_the_linter_has_nothing_to_say(self):
        linted = self.lint(DOCKERFILE.read_text())
        self.assertEqual((linted.returncode, linted.stdout), (0, ""), linted.stderr)

    def test_the_linter_finds_faults(self):
        linted = self.lint(DOCKERFILE.read_text().replace(":1.95-slim-bookworm", ":latest"))
        self.assertEqual(linted.returncode, 1)
        self.assertIn("DL3007", linted.stdout)

    def test_the_toolchain_is_the_one_that_the_package_needs(self):
        manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
        version = re.search(r"/rust:([\d.]+)-", DOCKERFILE.read_text())[1]
        self.assertEqual(version, manifest["package"]["rust-version"])

    def test_what_is_copied_is_enough_to_build(self):
        """Cargo finds everything that it needs to name; each file that the program includes is below a folder that is copied."""
        allowed = [line[1:] for line in DOCKERFILE.with_name("Dockerfile.dockerignore").read_text().split() if line != "*"]
        copied = re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text())
        sources = " ".join(copied).split()
        with tempfile.TemporaryDirectory() as folder:
            for source in sources:
                found = [path for pattern in allowed if pattern.split("/")[0] == source for path in ROOT.glob(pattern)]
                self.assertTrue(found, f"{source} is ignored")
                for path in found:
                    target = pathlib.Path(folder, path.relative_to(ROOT))
                    target.parent.mkdir(parents=True, exist_ok=True)
                    (shutil.copytree if path.is_dir() else shutil.copy)(path, target)
            line = ["cargo", "metadata", "--locked", "--offline", "--no-deps", "--format-version=1"]
            read = subprocess.run(line, cwd=folder, capture_output=True, text=True)
            self.assertEqual(read.returncode, 0, read.stderr)
            self.assert_included(pathlib.Path(folder))

    def assert_included(self, folder):
        for path in (folder / "src").rglob("*.rs"):
            parts = path.relative_to(folder).parts
            if "tests" in parts or "tests.rs" in parts:
                continue
            code = path.read_text().split("#[cfg(test)]")[0]
            for name in re.findall(r'include_(?:str|bytes)!\(\s*"([^"]+)"', code):
                self.assertTrue((path.parent / name).is_file(), f"{path} includes {name}")


@unittest.skipUnless(os.geteuid() == 0, "containers without a subordinate range of users need root")
class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.addClassCleanup(lambda: cls.podman("rmi", "--all", "--force"))
        base = cls.folder / "base"
        cls.linked = cls.libraries()
        for path in cls.linked:
            target = base / path.relative_to("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        home = base / "home/nonroot"
        home.mkdir(parents=True)
        home.chmod(0o700)
        (base / "etc").mkdir()
        (base / "tmp").mkdir()
        packed = cls.folder / "base.tar"
        subprocess.run(["tar", "--create", f"--owner={USER}", f"--group={USER}", f"--file={packed}", "--directory", base, "."], check=True)
        names = re.findall(r"(?m)^FROM (gcr\S+)", DOCKERFILE.read_text())
        cls.must(cls.podman("import", packed, *names))
        program = cls.folder / "program"
        program.mkdir()
        subprocess.run(["strip", "--strip-debug", "-o", program / "portcullis", BUILT], check=True)
        line = ["build", "--pull=never", f"--build-context=binary={program}", f"--file={DOCKERFILE}", "--format=docker"]
        ignored = DOCKERFILE.with_name("Dockerfile.dockerignore")
        cls.must(cls.podman(*line, f"--ignorefile={ignored}", "--layers=false", "--tag=portcullis", ROOT))

    @staticmethod
    def libraries():
        listed = subprocess.run(["ldd", BUILT], capture_output=True, text=True, check=True).stdout
        return [pathlib.Path(path) for path in re.findall(r"(/\S+) \(0x", listed)]

    @classmethod
    def podman(cls, *line):
        places = [f"--root={cls.folder}/images", f"--runroot={cls.folder}/run", f"--tmpdir={cls.folder}/tmp"]
        # copies instead of mounts, so that nothing stays mounted
        managed = ["--storage-driver=vfs", "--runtime=runc", "--cgroup-manager=cgroupfs", "--events-backend=file"]
        return subprocess.run(["podman", *places, *managed, *line], capture_output=True, text=True, timeout=DEADLINE)

    @staticmethod
    def must(done):
        if done.returncode != 0:
            raise AssertionError(f"{done.args}: {done.stdout}{done.stderr}")
        return done.stdout

    def test_the_base_has_every_library(self):
        self.assertLessEqual({path.name for path in self.linked}, LIBRARIES)

    def test_it_says_how_it_is_to_be_run(self):
        image = json.loads(self.must(self.podman("inspect", "portcullis")))[0]
        config = image["Config"]
        self.assertEqual(config["User"], f"{USER}:{USER}")
        self.assertEqual(config["Entrypoint"] + config["Cmd"], ["/usr/local/bin/portcullis", "run"])
        self.assertEqual(list(config["Volumes"]), ["/var/lib/portcullis"])
        self.assertEqual(image["Healthcheck"]["Test"], ["CMD", "/usr/local/bin/portcullis", "healthcheck"])

    def test_it_serves_without_rights_on_a_root_that_nobody_can_write_to(self):
        port, management = free_ports(2)
        given = self.folder / "gateway.toml"
        given.write_text(CONFIGURATION.format(port=port, management=management))
        # users of the container are nobody's users here
        line = ["run", "--detach", "--name=gateway", "--no-healthcheck", "--uidmap=0:200000:70000", "--gidmap=0:200000:70000"]
        line += ["--read-only", "--read-only-tmpfs=false", "--cap-drop=all", "--security-opt=no-new-privileges"]
        line += ["--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096", "--network=host"]
        self.must(self.podman(*line, f"--volume={given}:/etc/portcullis/gateway.toml:ro", "portcullis"))
        self.addCleanup(lambda: self.podman("rm", "--force", "--volumes", "gateway"))
        self.wait_until_healthy()
        self.assertEqual(self.status(port, "/hello/1.0.0/"), 401)
        self.assertEqual(self.status(management, "/readyz"), 200)
        container = json.loads(self.must(self.podman("inspect", "gateway")))[0]
        self.assert_narrow(container["State"]["Pid"])
        stopped = self.podman("stop", "--time=20", "gateway")
        self.assertEqual(stopped.returncode, 0, stopped.stderr)
        container = json.loads(self.must(self.podman("inspect", "gateway")))[0]
        self.assertEqual(container["State"]["ExitCode"], 0, "it drains")
        self.assertEqual(self.podman("exec", "gateway", "/usr/local/bin/portcullis", "healthcheck").returncode, 255)

    def wait_until_healthy(self):
        """Asks as the image says it is to be asked."""
        end = time.monotonic() + DEADLINE
        while (asked := self.podman("exec", "gateway", "/usr/local/bin/portcullis", "healthcheck")).returncode != 0:
            self.assertLess(time.monotonic(), end, f"{asked.stderr}{self.podman('logs', 'gateway').stderr}")
            time.sleep(0.1)

    @staticmethod
    def status(port, path):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
        with contextlib.closing(connection):
            connection.request("GET", path)
            return connection.getresponse().status

    def assert_narrow(self, process):
        """Finds at the process itself, from outside, what the engine was asked for."""
        lines = pathlib.Path(f"/proc/{process}/status").read_text().splitlines()
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        self.assertEqual(status["Uid"].split()[0], str(200000 + int(USER)))
        for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]:
            self.assertEqual(int(status[name], 16), 0, name)
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertRegex(pathlib.Path(f"/proc/{process}/limits").read_text(), r"Max open files +1024 +1024 ")
        mounts = [line.split() for line in pathlib.Path(f"/proc/{process}/mounts").read_text().splitlines()]
        writable = {at for _, at, _, options, *_ in mounts if "rw" in options.split(",")}
        # devices and views of the kernel are no places for files
        files = {at for at in writable if at.split("/")[1] not in ("dev", "proc", "sys")}
        self.assertEqual(files, {"/var/lib/portcullis"})
        state = pathlib.Path(f"/proc/{process}/root/var/lib/portcullis").stat()
        self.assertEqual(stat.S_IMODE(state.st_mode), 0o700)


if __name__ == "__main__":
    unittest.main()
