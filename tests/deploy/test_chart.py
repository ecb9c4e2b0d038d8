"""The Helm chart: linted, rendered for three sets of values, compared with the schemas of what it makes; wrong values are refused."""

import copy
import functools
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import kubernetes_validate
import yaml

from packages import BUILT, ROOT

CHART = ROOT / "deploy/helm"
HELM = ROOT / "target/tools/helm"
# built from tests/deploy/operator
OPERATOR_TYPES = ROOT / "target/tools/operator-types"
HERE = pathlib.Path(__file__).resolve().parent
# what the chart says it needs, and the newest that the schemas know
KUBERNETES = ["1.30", kubernetes_validate.latest_version()]
SETS = {"defaults": [], "small": [f"--values={HERE}/chart/small.yaml"], "production": [f"--values={HERE}/chart/production.yaml"]}
SECRETS = {
    "PORTCULLIS_NONCE_KEY": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "PORTCULLIS_CHANNEL": "rediss://gateway:secret@redis.bank.example",
}
DEFAULT = yaml.safe_load((CHART / "values.yaml").read_text())["config"]


def helm(*arguments):
    return subprocess.run([HELM, *arguments], capture_output=True, text=True)


@functools.cache
def rendered(name):
    done = helm("template", "--namespace=gateways", "edge", CHART, *SETS[name])
    if done.returncode != 0:
        raise AssertionError(f"{name}: {done.stderr}")
    return [made for made in yaml.safe_load_all(done.stdout) if made]


def one(name, kind):
    """The first of its kind."""
    return next(made for made in rendered(name) if made["kind"] == kind)


def kinds(name):
    return sorted(made["kind"] for made in rendered(name))


def pod(name):
    return one(name, "Deployment")["spec"]["template"]["spec"]


class Chart(unittest.TestCase):
    def test_the_linter_has_nothing_to_say(self):
        for name, values in SETS.items():
            linted = helm("lint", "--strict", "--quiet", CHART, *values)
            self.assertEqual((linted.returncode, linted.stdout.strip()), (0, ""), f"{name}: {linted.stderr}")

    def test_what_is_made_is_what_kubernetes_and_the_operator_know(self):
        for name in SETS:
            for made in rendered(name):
                with self.subTest(name, kind=made["kind"]):
                    if made["apiVersion"].startswith("monitoring.coreos.com/"):
                        self.assertEqual(self.operator(made), "")
                        continue
                    for version in KUBERNETES:
                        kubernetes_validate.validate(made, version, strict=True)

    def test_the_schemas_find_faults(self):
        deployment = copy.deepcopy(one("defaults", "Deployment"))
        deployment["spec"]["template"]["spec"]["containers"][0]["readinessProbes"] = {}
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(deployment, KUBERNETES[0], strict=True)
        monitor = copy.deepcopy(one("production", "ServiceMonitor"))
        monitor["spec"]["endpoints"][0]["intervall"] = "15s"
        self.assertIn("intervall", self.operator(monitor))

    def operator(self, made):
        return subprocess.run([OPERATOR_TYPES], input=yaml.safe_dump(made), capture_output=True, text=True).stderr

    def test_each_set_has_its_parts(self):
        always = ["ConfigMap", "Deployment", "Service", "Service"]
        usual = [*always, "HorizontalPodAutoscaler", "NetworkPolicy", "PodDisruptionBudget", "ServiceAccount"]
        self.assertEqual(kinds("small"), always)
        self.assertEqual(kinds("defaults"), sorted(usual))
        self.assertEqual(kinds("production"), sorted([*usual, "ServiceMonitor"]))

    def test_the_gateway_accepts_its_file(self):
        for name in SETS:
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                folder = pathlib.Path(folder)
                self.certificate(folder / "gateway-tls")
                for file, text in one(name, "ConfigMap")["data"].items():
                    text = text.replace("/run/secrets/portcullis", str(folder)).replace("/var/lib/portcullis", str(folder))
                    (folder / file).write_text(text)
                line = [BUILT, "--config", folder / "gateway.toml", "check"]
                checked = subprocess.run(line, capture_output=True, text=True, env=os.environ | SECRETS)
                self.assertEqual(checked.returncode, 0, checked.stderr)

    def certificate(self, folder):
        """As cert-manager puts one into a Secret."""
        folder.mkdir()
        line = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
        line += ["-subj", "/CN=gateway", "-keyout", folder / "tls.key", "-out", folder / "tls.crt"]
        subprocess.run(line, check=True, capture_output=True)

    def test_everything_that_the_file_names_is_mounted(self):
        container = pod("production")["containers"][0]
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        self.assertEqual(
            list(mounts), ["/etc/portcullis", "/var/lib/portcullis", "/run/secrets/portcullis/gateway-tls"]
        )
        self.assertEqual(set(mounts.values()), {volume["name"] for volume in pod("production")["volumes"]})
        named = {each["name"]: each["valueFrom"]["secretKeyRef"] for each in container["env"] if "valueFrom" in each}
        self.assertEqual(set(named), set(SECRETS))
        # a file that is mounted by itself would not be renewed
        self.assertFalse([mount for mount in container["volumeMounts"] if "subPath" in mount])

    def test_the_pod_has_no_rights(self):
        for name in SETS:
            spec = pod(name)
            self.assertIs(spec["automountServiceAccountToken"], False)
            self.assertIs(spec["securityContext"]["runAsNonRoot"], True)
            self.assertEqual(spec["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
            container = spec["containers"][0]["securityContext"]
            self.assertEqual(container["capabilities"], {"drop": ["ALL"]})
            self.assertEqual((container["readOnlyRootFilesystem"], container["allowPrivilegeEscalation"]), (True, False))

    def test_the_pod_has_time_to_drain(self):
        # preStop, drain_delay and drain_timeout, the access log's last lines, rounding
        for name, seconds in [("defaults", 5 + 0 + 20 + 3), ("small", 0 + 0 + 20 + 3), ("production", 5 + 61 + 3)]:
            self.assertEqual(pod(name)["terminationGracePeriodSeconds"], seconds, name)
        self.assertEqual(pod("defaults")["containers"][0]["lifecycle"], {"preStop": {"sleep": {"seconds": 5}}})
        self.assertNotIn("lifecycle", pod("small")["containers"][0])

    def test_ports_and_schemes_are_those_of_the_file(self):
        container = pod("production")["containers"][0]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        self.assertEqual(ports, {"https-public": 8243, "http": 8280, "management": 9443})
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"]:
            self.assertEqual(container[probe]["httpGet"]["scheme"], "HTTPS")
            self.assertEqual(pod("small")["containers"][0][probe]["httpGet"]["scheme"], "HTTP")
        service = [(port["port"], port["targetPort"], port["appProtocol"]) for port in one("production", "Service")["spec"]["ports"]]
        self.assertEqual(service, [(443, "https-public", "https"), (80, "http", "http")])
        self.assertEqual(one("production", "ServiceMonitor")["spec"]["endpoints"][0]["scheme"], "https")

    def test_only_those_reach_management_who_are_named(self):
        for name, rules in [("defaults", [[8280]]), ("production", [[8243, 8280], [9443]])]:
            ingress = one(name, "NetworkPolicy")["spec"]["ingress"]
            self.assertEqual([[port["port"] for port in rule["ports"]] for rule in ingress], rules)
        self.assertIn("from", one("production", "NetworkPolicy")["spec"]["ingress"][1])

    def test_pods_are_replaced_only_for_what_needs_a_start(self):
        def stamp(config):
            done = helm("template", "edge", CHART, "--set-string", f"config={config}".replace(",", "\\,"))
            self.assertEqual(done.returncode, 0, done.stderr)
            made = yaml.safe_load_all(done.stdout)
            deployment = next(each for each in made if each and each["kind"] == "Deployment")
            return deployment["spec"]["template"]["metadata"]["annotations"]["portcullis/needs-start"]

        before = stamp(DEFAULT)
        for same in [DEFAULT.replace("hello:8080", "other:8080"), DEFAULT + "[telemetry]\nlog = { level = 'debug' }\n"]:
            self.assertNotEqual(DEFAULT, same)
            self.assertEqual(before, stamp(same))
        gateway = lambda line: DEFAULT.replace("[gateway]\n", f"[gateway]\n{line}\n")
        changes = {
            "gateway.workers": gateway("workers = 3"),
            "gateway.token_cache_bytes": gateway("token_cache_bytes = '1MiB'"),
            "gateway.state_dir": DEFAULT.replace("portcullis/state", "portcullis/other"),
            "gateway.name": gateway("name = 'edge'"),
            "gateway.dns_servers": gateway("dns_servers = ['10.0.0.2']"),
            "[management]": DEFAULT.replace("[management]\n", "[management]\nhosts = ['edge.bank.example']\n"),
            "[store]": DEFAULT + "[store]\nurl = 'none'\n",
            "revocation.notify": DEFAULT + "[revocation]\nnotify = false\n",
            "telemetry.access_log": DEFAULT + "[telemetry]\naccess_log = { sample = 0.5 }\n",
            "telemetry.traces": DEFAULT + "[telemetry]\ntraces = { otlp = 'http://collector:4318' }\n",
            "telemetry.metrics": DEFAULT + "[telemetry]\nmetrics = { max_series = 500 }\n",
        }
        manual = (ROOT / "docs/operations.md").read_text()
        (listed,) = re.findall(r"These settings take effect at the next start: ([^.]*(?:\.\w[^.]*)*)\.", manual)
        self.assertEqual(re.findall("`([^`]+)`", listed), list(changes))
        for name, changed in changes.items():
            with self.subTest(name):
                self.assertNotEqual(before, stamp(changed))

    def test_wrong_values_are_refused_with_a_message(self):
        wrong = [
            ("replicas=many", "at '/replicas': got string, want integer"),
            ("replica=3", "additional properties 'replica' not allowed"),
            ("service.type=External", "at '/service/type': value must be one of"),
            ("service.ports.https=443", 'service.ports: config has no listener "https"; it has http'),
            ("autoscaling.maxReplicas=1", "maxReplicas is 1, which is less than minReplicas, 2"),
            ("image.digest=abc", "at '/image/digest'"),
            ("environment[0].name=A", "missing properties 'secret', 'key'"),
            ("files.gateway\\.toml=x", "files: gateway.toml is what config is called"),
            ("stateSize=much", "at '/stateSize'"),
        ]
        for value, message in wrong:
            self.assert_refused(value, ["--set", value], message)

    def test_a_file_that_cannot_work_in_a_pod_is_refused_with_a_message(self):
        wrong = [
            ("[[listeners", "config: cannot be read as TOML"),
            (DEFAULT.replace("0.0.0.0:8280", "127.0.0.1:8280"), 'listener "http" is "127.0.0.1:8280", which nobody outside'),
            (DEFAULT.replace('address = "0.0.0.0:9443"', ""), '[management] is "127.0.0.1:9443", which nobody outside'),
            (DEFAULT.replace("[management]", "[another]"), "there is no [management]"),
            (DEFAULT.replace("9443", "8280"), 'listener "http" and [management] have the same port 8280'),
            (DEFAULT.replace("/var/lib/portcullis/state", "state"), 'gateway.state_dir is "state"'),
            (DEFAULT.replace("[gateway]\n", "[gateway]\ndrain_timeout = 20\n"), 'gateway.drain_timeout is "20"; write a duration'),
            (DEFAULT.replace('name = "http"\n', ""), "config: a listener has no name"),
            (DEFAULT.split("[[listeners]]")[0], "config: there is no listener"),
            (DEFAULT.replace("[[listeners]]", "[listeners]"), "config: listeners is not a list"),
            ("gateway = 1\n" + DEFAULT.replace("[gateway]", "[other]"), "config: gateway is not a table; write [gateway]"),
            (DEFAULT.replace('"http"', '"8280"'), 'listener "8280" has no letter'),
            (DEFAULT.replace('"http"', '"Management"'), 'listener "Management" would be called management'),
            (DEFAULT + self.another("HTTP", 8281), 'listeners "http" and "HTTP" would both be called "http"'),
            (DEFAULT + self.another("more", 8280), 'listeners "http" and "more" have the same port 8280'),
        ]
        for text, message in wrong:
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as values:
                yaml.safe_dump({"config": text}, values)
                values.flush()
                self.assert_refused(text, ["--values", values.name], message)

    def test_rules_and_dashboards_are_those_of_their_folders(self):
        """As long as a folder is empty, the chart says so."""
        rules = ROOT / "deploy/prometheus/portcullis.rules.yml"
        dashboards = {path.name: path.read_text() for path in (ROOT / "deploy/grafana").glob("*.json")}
        for what, there in [("rules", rules.exists()), ("dashboards", bool(dashboards))]:
            enabled = ["--set", f"monitoring.{what}.enabled=true"]
            if not there:
                self.assert_refused(what, enabled, f"monitoring.{what}: this chart has no")
                continue
            done = helm("template", "edge", CHART, *enabled)
            self.assertEqual(done.returncode, 0, done.stderr)
            made = [each for each in yaml.safe_load_all(done.stdout) if each]
            if what == "rules":
                (rule,) = [each for each in made if each["kind"] == "PrometheusRule"]
                self.assertEqual(rule["spec"], yaml.safe_load(rules.read_text()))
                self.assertEqual(self.operator(rule), "")
            else:
                (shown,) = [each for each in made if each["metadata"]["name"].endswith("-dashboards")]
                self.assertEqual({name: json.loads(text) for name, text in shown["data"].items()},
                                 {name: json.loads(text) for name, text in dashboards.items()})
                kubernetes_validate.validate(shown, KUBERNETES[0], strict=True)

    def another(self, name, port):
        return f'\n[[listeners]]\nname = "{name}"\naddress = "0.0.0.0:{port}"\n'

    def assert_refused(self, what, values, message):
        with self.subTest(what):
            done = helm("template", "edge", CHART, *values)
            self.assertNotEqual(done.returncode, 0, done.stdout)
            self.assertIn(message, done.stderr)


if __name__ == "__main__":
    unittest.main()
