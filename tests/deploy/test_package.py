"""The Debian package in a root of its own: installation, upgrade, removal, purging; its units and its pages."""

import gzip
import os
import pathlib
import re
import stat
import subprocess
import tempfile
import unittest

from packages import ROOT, packages

UNITS = ["portcullis.service", "portcullis.socket"]
# of this machine, for the units name them
OTHERS = ["sysinit", "basic", "shutdown", "network-online", "nss-lookup", "sockets", "network", "multi-user"]


@unittest.skipUnless(os.geteuid() == 0, "dpkg and the users of another root need root")
class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.old, cls.new = packages()

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.root.chmod(0o755)
        for part in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "etc"]:
            (self.root / part).mkdir(parents=True)
        (self.root / "var/lib/dpkg/status").touch()
        for name in ["passwd", "group"]:
            (self.root / "etc" / name).touch()

    def dpkg(self, *arguments):
        # the root holds nothing but the package: its scripts run with the programs of this machine, and are told of the root
        forced = ["--force-script-chrootless", "--force-depends"]
        line = ["dpkg", f"--root={self.root}", "--log=/dev/null", *forced, *arguments]
        done = subprocess.run(line, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def program(self, *arguments):
        line = [self.root / "usr/bin/portcullis", *arguments]
        return subprocess.run(line, capture_output=True, text=True)

    def mode(self, path):
        return stat.S_IMODE((self.root / path).stat().st_mode)

    def test_installation_makes_a_user_and_a_configuration_that_it_alone_can_read(self):
        self.dpkg("--install", self.old)
        users = (self.root / "etc/passwd").read_text()
        self.assertRegex(users, r"(?m)^portcullis:.*:/var/lib/portcullis:.*nologin$")
        group = re.search(r"(?m)^portcullis:[^:]*:(\d+):", (self.root / "etc/group").read_text())[1]
        for path, mode in [("etc/portcullis", 0o750), ("etc/portcullis/gateway.toml", 0o640)]:
            self.assertEqual(self.mode(path), mode, path)
            found = (self.root / path).stat()
            self.assertEqual((found.st_uid, found.st_gid), (0, int(group)), path)
        wants = self.root / "etc/systemd/system/multi-user.target.wants"
        self.assertFalse(wants.exists(), "not enabled before somebody has written a configuration")

    def test_the_configuration_has_no_errors_and_lets_nobody_in(self):
        self.dpkg("--install", self.old)
        checked = self.program("--config", self.root / "etc/portcullis/gateway.toml", "check")
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        self.assertIn("every token is refused there", checked.stderr)

    def test_an_upgrade_keeps_what_was_edited(self):
        self.dpkg("--install", self.old)
        (self.root / "etc/portcullis").chmod(0o700)
        edited = self.root / "etc/portcullis/gateway.toml"
        edited.write_text(edited.read_text() + "# mine\n")
        self.dpkg("--install", self.new)
        self.assertTrue(edited.read_text().endswith("# mine\n"))
        self.assertEqual(self.mode("etc/portcullis"), 0o700, "a mode that the operator has chosen")

    def test_removal_keeps_configuration_and_state_and_purging_does_not(self):
        self.dpkg("--install", self.old)
        state = self.root / "var/lib/portcullis"
        state.mkdir()
        (state / "revocations").write_text("kept")
        enabled = subprocess.run(["systemctl", f"--root={self.root}", "enable", *UNITS], capture_output=True)
        self.assertEqual(enabled.returncode, 0, enabled)
        wants = self.root / "etc/systemd/system"
        links = [wants / "multi-user.target.wants" / UNITS[0], wants / "sockets.target.wants" / UNITS[1]]
        self.assertTrue(all(link.is_symlink() for link in links), links)
        self.dpkg("--remove", "portcullis")
        self.assertFalse((self.root / "usr/bin/portcullis").exists())
        self.assertFalse(any(link.is_symlink() for link in links), "links that lead nowhere")
        self.assertTrue((self.root / "etc/portcullis/gateway.toml").exists())
        self.assertTrue((state / "revocations").exists())
        self.dpkg("--purge", "portcullis")
        self.assertFalse((self.root / "etc/portcullis").exists())
        self.assertFalse(state.exists())

    def test_purging_leaves_files_that_the_operator_has_put_there(self):
        self.dpkg("--install", self.old)
        key = self.root / "etc/portcullis/gateway.key"
        key.touch()
        self.dpkg("--purge", "portcullis")
        self.assertTrue(key.exists())
        self.assertFalse((self.root / "etc/portcullis/gateway.toml").exists())

    def test_the_service_is_sandboxed(self):
        unit = ROOT / "deploy/debian/portcullis.service"
        line = ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", unit]
        judged = subprocess.run(line, capture_output=True, text=True)
        self.assertEqual(judged.returncode, 0, judged.stdout + judged.stderr)
        self.assertRegex(judged.stdout, r"Overall exposure level for portcullis.service: [01]\.")

    def test_systemd_knows_every_line_of_the_units(self):
        self.dpkg("--install", self.old)
        folder = self.root / "lib/systemd/system"
        for name in OTHERS:
            (folder / f"{name}.target").write_text("[Unit]\nDefaultDependencies=no\n")
        line = ["systemd-analyze", "verify", "--man=no", f"--root={self.root}", *UNITS]
        judged = subprocess.run(line, capture_output=True, text=True)
        self.assertEqual((judged.returncode, judged.stderr), (0, ""), judged.stdout)
        # it says what it does not know
        (folder / UNITS[0]).write_text((folder / UNITS[0]).read_text().replace("UMask", "UMusk"))
        judged = subprocess.run(line, capture_output=True, text=True)
        self.assertIn("UMusk", judged.stderr)

    def test_each_command_has_a_page_and_each_shell_completions(self):
        self.dpkg("--install", self.old)
        listed = self.program("--help").stdout.split("Commands:\n")[1].split("\nOptions:")[0]
        # the first words of lines that are not continued ones
        commands = [line.split()[0] for line in listed.splitlines() if re.match(r"  \S", line)]
        commands.remove("help")
        self.assertIn("explain", commands)
        pages = self.root / "usr/share/man/man1"
        for name in ["portcullis", *(f"portcullis-{command}" for command in commands)]:
            self.assertIn(".SH SYNOPSIS", gzip.decompress((pages / f"{name}.1.gz").read_bytes()).decode())
        bash = self.root / "usr/share/bash-completion/completions/portcullis"
        said = subprocess.run(["bash", "-c", f"source {bash} && complete -p portcullis"], capture_output=True, text=True)
        self.assertIn("_portcullis", said.stdout, said.stderr)
        for path in ["zsh/vendor-completions/_portcullis", "fish/vendor_completions.d/portcullis.fish"]:
            self.assertIn("healthcheck", (self.root / "usr/share" / path).read_text())


if __name__ == "__main__":
    unittest.main()
