"""The shell scripts of deploy/ and tests/, by ShellCheck."""

import pathlib
import subprocess
import sys
import unittest

from packages import ROOT

CHECKER = pathlib.Path(sys.executable).with_name("shellcheck")
FOLDERS = ["deploy", "tests", ".ci"]


def scripts():
    listed = subprocess.run(["git", "ls-files", "-z", *FOLDERS], cwd=ROOT, capture_output=True, check=True)
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file() and not path.is_symlink():
            with open(path, "rb") as file:
                if file.readline(64).rstrip() in (b"#!/bin/sh", b"#!/usr/bin/env bash"):
                    yield path


class Scripts(unittest.TestCase):
    def test_the_checker_has_nothing_to_say(self):
        found = list(scripts())
        self.assertIn(ROOT / "deploy/release", found)
        checked = subprocess.run([CHECKER, "--external-sources", *found], capture_output=True, text=True)
        self.assertEqual((checked.returncode, checked.stdout), (0, ""), checked.stderr)

    def test_the_checker_finds_faults(self):
        checked = subprocess.run([CHECKER, "--shell=sh", "-"], input="rm -r $1\n", capture_output=True, text=True)
        self.assertIn("SC2086", checked.stdout)


if __name__ == "__main__":
    unittest.main()
