"""The Debian package on a machine of its own: a copy of this one, which systemd has booted in a container.

The tests themselves are in booted.py, which runs there as a service. What they write is in memory and goes with the machine.
"""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from packages import ROOT, packages

HERE = pathlib.Path(__file__).resolve().parent
# far longer than the tests take
SECONDS = 180
UNIT = """\
[Unit]
Description=Tests of the package
Requires=basic.target systemd-journald.service
After=basic.target systemd-journald.service
[Service]
Type=oneshot
WorkingDirectory=/tests
Environment=PACKAGES=/packages
ExecStart=/bin/sh -c '{python} -m unittest -v booted > /outcome/log 2>&1; systemctl exit $?'
"""
# the root of this machine cannot be used itself, but a second view of it can
BOOT = 'mount --make-rprivate / && mount --bind / "$1" && shift && exec "$@"'


@unittest.skipUnless(os.geteuid() == 0, "containers of systemd need root")
class Systemd(unittest.TestCase):
    def test_the_service_runs_is_upgraded_under_load_and_removed(self):
        made = packages()
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            root, outcome, given = (folder / name for name in ["root", "outcome", "packages"])
            for path in [root, outcome, given]:
                path.mkdir()
            for package in made:
                shutil.copy(package, given)
            unit = folder / "package-tests.service"
            unit.write_text(UNIT.format(python=os.path.realpath(sys.executable)))
            name = f"portcullis-{os.getpid()}"
            line = ["unshare", "--mount", "sh", "-c", BOOT, "sh", root]
            line += ["systemd-nspawn", f"--directory={root}", "--volatile=overlay", "--register=no", "--keep-unit"]
            line += [f"--machine={name}", "--private-network", "--console=pipe", "--link-journal=no"]
            line += [f"--bind={outcome}:/outcome", f"--bind-ro={given}:/packages", f"--bind-ro={HERE}:/tests"]
            line += [f"--bind-ro={unit}:/etc/systemd/system/{unit.name}", "--boot", "--", f"--unit={unit.name}"]
            done = subprocess.run(line, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS)
            # where systemd-nspawn passes mounts on
            with contextlib.suppress(OSError):
                os.rmdir(f"/run/systemd/nspawn/propagate/{name}")
            log = outcome / "log"
            said = log.read_text() if log.exists() else ""
        self.assertEqual(done.returncode, 0, f"{said}\n{done.stdout}\n{done.stderr}")
        self.assertRegex(said, r"(?m)^Ran [1-9]\d* tests? in")
        print(said, file=sys.stderr)


if __name__ == "__main__":
    unittest.main()
