"""Four gateways behind HAProxy with one PostgreSQL and one Redis, upgraded one after the other under load: no request is lost.

All the while somebody writes by the REST API. Each write is in force on every gateway when it is answered, and none that was answered is
lost. HAProxy runs by the file of deploy/compose, with the addresses of this test.
"""

import base64
import contextlib
import http.client
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from fleet_clients import CLIENTS, DEADLINE, PASSWORD_HASH, PORTAL, SIGNED_IN, Load, Writer, call, eventually
from packages import BUILT, ROOT
from postgres import PASSWORD, Postgres

GATEWAYS = 4
ISSUER = "https://is.bank.example/oauth2/token"
# a request of this length is in flight while a gateway is told to stop
SLOW = 1.5
CONFIGURATION = """
[gateway]
name = "{name}"
state_dir = "state"
workers = 1
drain_delay = "2s"
drain_timeout = "10s"
trusted_proxies = ["127.0.0.1"]
[[listeners]]
name = "http"
address = "127.0.0.1:{port}"
[management]
address = "127.0.0.1:{management}"
users = [{{ name = "ann", password_hash = "{password_hash}", roles = ["admin"] }}]
[store]
url = "{store}"
password = "{password}"
[[key_managers]]
name = "is7"
type = "WSO2-IS-7"
issuer = "{issuer}"
certificates = {{ jwks_file = "keys.json" }}
[[apis]]
name = "orders"
version = "1.0.0"
context = "/orders"
production = {{ urls = ["http://127.0.0.1:{backend}"] }}
operations = [{{ method = "*", path = "/*" }}]
[[applications]]
name = "shop"
keys = [{{ type = "production", key_manager = "is7", consumer_key = "shop" }}]
subscriptions = [{{ api = "orders:1.0.0" }}]
[revocation]
channel = "redis://127.0.0.1:{redis}"
[throttling]
counters = "redis://127.0.0.1:{redis}"
[telemetry]
access_log = {{ path = "access.log", sample = 0.0 }}
"""


def free_ports(count):
    """Ports that nobody listens on; the servers take them a moment later."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


class Backend(http.server.BaseHTTPRequestHandler):
    """Says who the client is, after a while if the path asks for it."""

    protocol_version = "HTTP/1.1"
    # two writes would wait for each other's acknowledgment
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/slow":
            time.sleep(SLOW)
        said = json.dumps({"client": self.headers["X-Forwarded-For"], "body": body.decode()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_POST = do_GET

    def log_message(self, *_):
        pass


class Signer:
    """Signs tokens as the authorization server would."""

    def __init__(self, folder):
        self.key = folder / "issuer.key"
        line = ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self.key]
        subprocess.run(line, check=True, capture_output=True)
        keys = subprocess.run([BUILT, "jwk", self.key], check=True, capture_output=True, text=True).stdout
        self.keys = keys
        self.key_id = json.loads(keys)["keys"][0].get("kid")

    def token(self, jti, client="shop"):
        now = int(time.time())
        header = {"alg": "RS256", "typ": "at+jwt", "kid": self.key_id}
        claims = {"iss": ISSUER, "azp": client, "sub": "charlie", "iat": now, "exp": now + 3600, "jti": jti, "scope": ""}
        encode = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")
        parts = b".".join(encode(json.dumps(part).encode()) for part in [header, claims])
        line = ["openssl", "dgst", "-sha256", "-sign", self.key]
        signature = subprocess.run(line, input=parts, check=True, capture_output=True).stdout
        return (parts + b"." + encode(signature)).decode()


class Gateway:
    """One gateway of the fleet, and its successors."""

    def __init__(self, folder, text, port, management):
        self.folder, self.port, self.management, self.process = folder, port, management, None
        folder.mkdir()
        (folder / "gateway.toml").write_text(text)
        self.program = folder / "portcullis"

    def install(self, version):
        """As a package does: another file in the place of the old one."""
        shutil.copy(BUILT, self.folder / version)
        os.chmod(self.folder / version, 0o755)
        os.replace(self.folder / version, self.program)

    def start(self):
        log = open(self.folder / "log", "ab")
        with log:
            self.process = subprocess.Popen([self.program, "run"], cwd=self.folder, stdout=log, stderr=log)
        eventually("ready", self.is_ready)

    def is_ready(self):
        with contextlib.suppress(OSError):
            return call(self.management, "GET", "/readyz")[0] == 200
        return False

    def replace(self):
        """Stops it in order and starts the new program: what an orchestrator does."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(DEADLINE)
        if code != 0:
            raise AssertionError(f"ended with {code}: {self.log()}")
        self.start()

    def hand_over(self):
        """SIGUSR2: the new program takes the sockets over."""
        self.process.send_signal(signal.SIGUSR2)
        code = self.process.wait(DEADLINE)
        if code != 0:
            raise AssertionError(f"ended with {code}: {self.log()}")
        eventually("ready", self.is_ready)

    def owner(self):
        text = (self.folder / "state/lock").read_text()
        return int(text.removeprefix("pid "))

    def log(self):
        return (self.folder / "log").read_text()

    def answered(self):
        text = call(self.management, "GET", "/metrics")[1].decode()
        counted = re.findall(r'(?m)^portcullis_requests_total\{.*status="2\d\d".*\} (\d+)$', text)
        counted = counted or re.findall(r"(?m)^portcullis_requests_total\{.*\} (\d+)$", text)
        return sum(map(int, counted))

    def end(self):
        with contextlib.suppress(OSError, ValueError):
            owner = self.owner()
            if pathlib.Path(os.readlink(f"/proc/{owner}/cwd")) == self.folder:
                os.kill(owner, signal.SIGKILL)
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait(DEADLINE)


class Fleet(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        backend = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
        threading.Thread(target=backend.serve_forever, daemon=True).start()
        self.addCleanup(backend.server_close)
        self.addCleanup(backend.shutdown)
        self.port, self.redis, *ports = free_ports(2 + 2 * GATEWAYS)
        line = ["redis-server", "--port", str(self.redis), "--bind", "127.0.0.1", "--save", "", "--dir", self.folder]
        self.started(line)
        eventually("Redis", lambda: self.listens(self.redis))
        store = Postgres()
        self.addCleanup(store.end)
        store.start()
        eventually("PostgreSQL", store.answers)
        self.signer = Signer(self.folder)
        self.gateways = []
        for number, (port, management) in enumerate(zip(ports[::2], ports[1::2]), 1):
            more = {"port": port, "management": management, "backend": backend.server_port, "redis": self.redis}
            more |= {"name": f"gateway-{number}", "store": store.address("portcullis"), "password": PASSWORD, "password_hash": PASSWORD_HASH}
            text = CONFIGURATION.format(issuer=ISSUER, **more)
            gateway = Gateway(self.folder / f"gateway-{number}", text, port, management)
            (gateway.folder / "keys.json").write_text(self.signer.keys)
            self.addCleanup(gateway.end)
            gateway.install("old")
            gateway.start()
            self.gateways.append(gateway)
        self.balance(list(zip(ports[::2], ports[1::2])))

    def started(self, line):
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait, DEADLINE)
        self.addCleanup(process.kill)

    def listens(self, port):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), DEADLINE).close()
            return True
        return False

    def balance(self, ports):
        """Starts HAProxy by the file of the manual, with these servers."""
        text = (ROOT / "deploy/compose/haproxy.cfg").read_text()
        text = text.replace("bind :8280", f"bind 127.0.0.1:{self.port}").replace("check port 9443 ", "")
        text, found = re.subn(r"(?m)^ +server gateway-\d .*\n", "", text)
        self.assertEqual(found, 2)
        for port, management in ports:
            text += f"    server gateway-{port} 127.0.0.1:{port} check port {management}\n"
        configuration = self.folder / "haproxy.cfg"
        configuration.write_text(text)
        self.started(["haproxy", "-db", "-f", configuration])
        eventually("HAProxy", lambda: self.listens(self.port))

    def test_no_request_is_lost_while_the_fleet_is_upgraded(self):
        token = self.signer.token("load")
        with Load(self.port, token) as load, Writer(self.gateways, self.signer) as writer:
            for gateway in self.gateways:
                gateway.install("new")
                before = gateway.owner()
                with writer.around(gateway):
                    gateway.replace()
                    self.assertNotEqual(gateway.owner(), before)
                    load.more(2)
            self.assertEqual((load.wrong[:5], writer.wrong), ([], []))
            for gateway in self.gateways:
                gateway.install("newer")
                with writer.around(gateway):
                    gateway.hand_over()
                    load.more(2)
                self.assertEqual(os.readlink(f"/proc/{gateway.owner()}/exe"), str(gateway.program))
        self.assertEqual((load.wrong[:5], writer.wrong), ([], []))
        for gateway in self.gateways:
            for written in writer.tokens:
                writer.pass_with(gateway, written)
        self.every_write_is_kept(writer)
        answered = [gateway.answered() for gateway in self.gateways]
        self.assertTrue(all(answered), answered)
        counts = f"{sum(load.good)} requests, {CLIENTS} clients, {2 * GATEWAYS} upgrades, {len(writer.acknowledged)} writes"
        print(counts, end=" ", flush=True)
        self.one_revocation_holds_everywhere()

    def every_write_is_kept(self, writer):
        """An application, a key and a subscription for each client; and the count finds one that is gone."""
        self.assertEqual(len(writer.acknowledged), 3 * len(writer.tokens))
        for gateway in self.gateways:
            self.assertEqual(writer.lost(gateway), set(), gateway.folder.name)
        first = self.gateways[0]
        application = writer.listed(first, "/applications?query=client-0", "applicationId")[0]
        (subscription,) = writer.listed(first, f"/subscriptions?applicationId={application}", "subscriptionId")
        deleted = call(first.management, "DELETE", f"{PORTAL}/subscriptions/{subscription}?wait=fleet", None, SIGNED_IN)
        self.assertEqual(deleted[0], 200, deleted)
        for gateway in self.gateways:
            self.assertEqual(writer.lost(gateway), {subscription}, gateway.folder.name)

    def one_revocation_holds_everywhere(self):
        token = self.signer.token("revoked")
        headers = {"Authorization": f"Bearer {token}"}
        ask = lambda: call(self.port, "GET", "/orders/1.0.0/fast", None, headers)[0]
        self.assertEqual(ask(), 200)
        body = json.dumps({"jti": "revoked", "key_manager": "is7"})
        status, said = call(self.gateways[0].management, "POST", "/revocations", body, SIGNED_IN)
        self.assertEqual(status, 200, said)
        # more often than there are gateways, so that each has been asked
        eventually("refused everywhere", lambda: all(ask() == 401 for _ in range(4 * GATEWAYS)))


if __name__ == "__main__":
    unittest.main()
