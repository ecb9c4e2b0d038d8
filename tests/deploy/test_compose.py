"""compose.yaml and what it mounts: by the schema of Compose, and each file by the program that reads it."""

import copy
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import yaml

from packages import BUILT, ROOT

FOLDER = ROOT / "deploy"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
# of other rooms, which may be empty: dashboards and rules
OWN = FOLDER / "compose"


def read(*line):
    return subprocess.run(line, capture_output=True, text=True)


class Compose(unittest.TestCase):
    def validated(self, compose):
        checker = pathlib.Path(sys.executable).with_name("check-jsonschema")
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(compose, file)
            file.flush()
            return read(checker, "--builtin-schema", "vendor.compose-spec", file.name)

    def test_it_is_a_compose_file(self):
        checked = self.validated(COMPOSE)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        wrong = copy.deepcopy(COMPOSE)
        wrong["services"]["gateway-1"]["readonly"] = True
        checked = self.validated(wrong)
        self.assertEqual(checked.returncode, 1)
        self.assertIn("readonly", checked.stdout)

    def test_what_is_named_is_there(self):
        for name, service in COMPOSE["services"].items():
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                if not source.startswith("."):
                    self.assertIn(source, COMPOSE["volumes"], name)
                elif (FOLDER / source).resolve().is_relative_to(OWN):
                    self.assertTrue((FOLDER / source).exists(), f"{name}: {source}")
            for network in service["networks"]:
                self.assertIn(network, COMPOSE["networks"], name)
            for other in service.get("depends_on", []):
                self.assertIn(other, COMPOSE["services"], name)

    def test_gateways_have_no_rights_and_only_this_machine_reaches_anything(self):
        for name, service in COMPOSE["services"].items():
            for port in service.get("ports", []):
                self.assertTrue(port.startswith("127.0.0.1:"), f"{name}: {port}")
            self.assertEqual(service["security_opt"], ["no-new-privileges:true"], name)
            if name.startswith("gateway-"):
                self.assertEqual((service["read_only"], service["cap_drop"]), (True, ["ALL"]))
        self.assertEqual(COMPOSE["services"]["redis"]["networks"], ["shared"])
        self.assertIs(COMPOSE["networks"]["shared"]["internal"], True)

    def test_the_gateway_accepts_its_file(self):
        checked = read(BUILT, "--config", OWN / "gateway/gateway.toml", "check")
        self.assertEqual(checked.returncode, 0, checked.stderr)

    def test_haproxy_accepts_its_file(self):
        # without the names of containers
        checked = read("haproxy", "-c", "-dr", "-f", OWN / "haproxy.cfg")
        self.assertEqual(checked.returncode, 0, checked.stderr)

    def test_prometheus_accepts_its_file(self):
        checked = read("promtool", "check", "config", OWN / "prometheus.yml")
        self.assertEqual(checked.returncode, 0, checked.stderr)


if __name__ == "__main__":
    unittest.main()
