"""The commit that builds write into the program: deploy/revision finds it, deploy/build and deploy/release hand it to the compiler."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from packages import ROOT

# a stand-in for cargo and rustc: it says what it was handed, and ends the build
CARGO = '#!/bin/sh\necho "revision=$PORTCULLIS_REVISION"\nexit 3\n'
RUSTC = '#!/bin/sh\n[ "$1" = --print ] && echo {folder} || echo "host: here"\n'


class Revision(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.copy = self.folder / "copy"
        (self.copy / "deploy").mkdir(parents=True)
        for script in ["revision", "build", "release"]:
            shutil.copy(ROOT / "deploy" / script, self.copy / "deploy" / script)

    def run_in_copy(self, *line, **variables):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PORTCULLIS_"))}
        identity = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
        for role in ["AUTHOR", "COMMITTER"]:
            identity |= {f"GIT_{role}_NAME": "test", f"GIT_{role}_EMAIL": "test@example.com"}
        done = subprocess.run(line, cwd=self.copy, env=environment | identity | variables, capture_output=True, text=True)
        return done.returncode, done.stdout.strip()

    def git(self, *arguments):
        code, said = self.run_in_copy("git", *arguments)
        self.assertEqual(code, 0)
        return said

    def commit(self):
        self.git("init", "--quiet")
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", "first")
        return self.git("rev-parse", "HEAD")

    def revision(self):
        code, said = self.run_in_copy("deploy/revision")
        self.assertEqual(code, 0)
        return said

    def test_it_is_the_commit_and_says_what_is_not_in_it(self):
        self.assertEqual(self.revision(), "unknown")
        commit = self.commit()
        self.assertEqual(self.revision(), commit)
        (self.copy / "target").mkdir()
        (self.copy / "target/made").write_text("by a build")
        self.assertEqual(self.revision(), commit)
        with open(self.copy / "deploy/build", "a") as file:
            file.write("# changed\n")
        self.assertEqual(self.revision(), f"{commit}-modified")

    def test_a_folder_in_another_repository_has_no_commit(self):
        subprocess.run(["git", "init", "--quiet", self.folder], check=True)
        self.assertEqual(self.revision(), "unknown")

    def test_builds_hand_it_to_the_compiler(self):
        tools = self.folder / "tools"
        (self.folder / "lib/rustlib/here/bin").mkdir(parents=True)
        tools.mkdir()
        for path, text in [("tools/cargo", CARGO), ("tools/rustc", RUSTC.format(folder=self.folder)), ("tools/objcopy", CARGO)]:
            (self.folder / path).write_text(text)
            (self.folder / path).chmod(0o755)
        shutil.copy(tools / "cargo", self.folder / "lib/rustlib/here/bin/llvm-profdata")
        commit = self.commit()
        path = f"{tools}:{os.environ['PATH']}"
        for script in ["deploy/build", "deploy/release"]:
            for expected, given in [(commit, {}), ("given", {"PORTCULLIS_REVISION": "given"})]:
                code, said = self.run_in_copy(script, PATH=path, **given)
                self.assertEqual((code, said.splitlines()[-1]), (3, f"revision={expected}"), script)


if __name__ == "__main__":
    unittest.main()
