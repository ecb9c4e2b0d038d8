"""The Debian packages under test: one, and a later version of the same program."""

import functools
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILT = ROOT / "target" / "debug" / "portcullis"
MADE = ROOT / "target" / "tests" / "deploy"
VERSIONS = ["1.0.0-1", "1.0.1-1"]


@functools.cache
def packages():
    """Makes both of the program that the tests are built with."""
    MADE.mkdir(parents=True, exist_ok=True)
    made = [MADE / f"portcullis-{version}.deb" for version in VERSIONS]
    for version, package in zip(VERSIONS, made):
        line = ["deploy/package", BUILT, "--fast", "--quiet", "--deb-version", version]
        subprocess.run([*line, "--output", package], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return made
