"""What is published of a version: packed twice, in different folders and under other circumstances, it is the same bytes.

The program is the tests' own; deploy/release --twice builds it twice, too.
"""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import tomllib
import unittest

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from packages import BUILT, ROOT

VERSION = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
# of what is packed; src and benches are for Cargo, which reads the manifest
SOURCES = ["Cargo.toml", "Cargo.lock", "src", "benches", "deploy", "docs", "gateway.toml"]
SOURCES += ["README.md", "CHANGELOG.md", "SECURITY.md", "tests"]


class Release(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        circumstances = [("one", "022", "UTC"), ("another/folder", "077", "Asia/Tokyo")]
        cls.made = [cls.release(cls.folder / name, mask, zone) for name, mask, zone in circumstances]

    @classmethod
    def release(cls, copy, mask, zone):
        """Packs a copy of the sources; its files are as old as this test."""
        copy.mkdir(parents=True)
        for source in SOURCES:
            kept = {"symlinks": True, "copy_function": shutil.copy, "ignore": shutil.ignore_patterns("node_modules", "__pycache__")}
            (shutil.copytree(ROOT / source, copy / source, **kept) if (ROOT / source).is_dir()
             else shutil.copy(ROOT / source, copy / source))
        (copy / "target").mkdir()
        (copy / "target/tools").symlink_to(ROOT / "target/tools")
        given = os.environ | {"SOURCE_DATE_EPOCH": "1764244800", "TZ": zone, "LC_ALL": "C.UTF-8"}
        line = ["sh", "-c", f'umask {mask}; exec deploy/release --binary "$1" --fast', "sh", BUILT]
        done = subprocess.run(line, cwd=copy, env=given, capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)
        return copy / "target/published"

    def test_both_are_the_same_bytes(self):
        one, other = ({path.name: path.read_bytes() for path in made.iterdir()} for made in self.made)
        self.assertEqual(sorted(one), sorted(other))
        self.assertEqual([name for name in one if one[name] != other[name]], [])
        kinds = [".tar.gz", ".deb", ".tgz", ".cdx.json", "SHA256SUMS"]
        self.assertTrue(all(any(name.endswith(kind) for name in one) for kind in kinds), list(one))

    def test_the_sums_are_those_of_the_files(self):
        sums = dict(reversed(line.split("  ")) for line in (self.made[0] / "SHA256SUMS").read_text().splitlines())
        self.assertEqual(set(sums), {path.name for path in self.made[0].iterdir()} - {"SHA256SUMS"})
        for name, expected in sums.items():
            self.assertEqual(hashlib.sha256((self.made[0] / name).read_bytes()).hexdigest(), expected, name)

    def test_the_list_of_parts_is_whole(self):
        text = (self.made[0] / f"portcullis-{VERSION}.cdx.json").read_text()
        self.assertIsNone(JsonStrictValidator(SchemaVersion.V1_5).validate_str(text))
        parts = {(part["name"], part["version"]) for part in json.loads(text)["components"]}
        line = ["cargo", "tree", "--locked", "--offline", "--edges=normal,build", "--prefix=none", "--format={p}"]
        listed = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        words = [line.split() for line in listed.splitlines() if line]
        wanted = {(name, version.removeprefix("v")) for name, version, *_ in words} - {("portcullis", VERSION)}
        self.assertEqual(wanted - parts, set())
        self.assertFalse(str(self.folder) in text, "a folder of this machine is in the list")

    def test_the_archive_runs(self):
        (archive,) = self.made[0].glob("*.tar.gz")
        with tarfile.open(archive) as packed, tempfile.TemporaryDirectory() as folder:
            names = packed.getnames()
            self.assertEqual(len({name.split("/")[0] for name in names}), 1)
            packed.extractall(folder, filter="data")
            (top,) = pathlib.Path(folder).iterdir()
            said = subprocess.run([top / "portcullis", "--version"], capture_output=True, text=True)
            self.assertEqual(said.stdout, f"portcullis {VERSION}\n", said.stderr)
            for path in ["man/portcullis.1.gz", "completions/bash", "gateway.toml", "docs/operations.md", "debian/portcullis.service"]:
                self.assertTrue((top / path).is_file(), path)

    def test_helm_reads_the_chart(self):
        (chart,) = self.made[0].glob("*.tgz")
        done = subprocess.run([ROOT / "target/tools/helm", "template", "edge", chart], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("kind: Deployment", done.stdout)


if __name__ == "__main__":
    unittest.main()
