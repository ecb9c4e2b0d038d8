"""A gateway beside a real server: which of its tokens pass, and what a new key costs."""

import base64
import contextlib
import http.server
import json
import os
import random
import signal
import subprocess
import threading
import time

from http_client import Server, basic, part
from keycloak import GATEWAY, ODD, Keycloak

ROTATIONS = 5
SECONDS_BETWEEN = 3
NOISY_CLIENTS = 2

FILE = """
[gateway]
workers = 2
state_dir = "state"
[[listeners]]
name = "http"
address = "127.0.0.1:{port}"
[management]
address = "127.0.0.1:{management}"
[telemetry]
access_log = {{ path = "access.log" }}
[[key_managers]]
name = "real"
type = "{type}"
issuer = "{issuer}"
certificates = {{ jwks = "{keys}" }}
{lines}
[[apis]]
name = "t"
version = "1.0.0"
context = "/t"
production = {{ urls = ["http://127.0.0.1:{backend}"] }}
operations = [{{ method = "*", path = "/*", scopes = ["read"] }}]
{applications}
"""

APPLICATION = """
[[applications]]
name = "{client}"
keys = [{{ type = "production", key_manager = "real", consumer_key = "{client}" }}]
subscriptions = [{{ api = "t:1.0.0" }}]
"""


class Backend(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Gateway:
    """A gateway that runs, with the address of its listener and of its management."""

    def __init__(self, program, folder, ports):
        self.program, self.folder = program, folder
        self.front, self.management = Server(ports[0]), Server(ports[1])

    def status(self, token):
        headers = {"Authorization": f"Bearer {token}"}
        return self.front.call("GET", "/t/1.0.0/x", headers=headers)[0]

    def expect(self, what, token, wanted):
        status = self.status(token)
        print(f"  {what}: {status}")
        if status != wanted:
            raise SystemExit(f"{what}: {status}, not {wanted}; see {self.folder}")

    def hears(self, what, words):
        """Waits until the log says that; it is written by a thread of its own."""
        end = time.monotonic() + 10
        while words not in (text := (self.folder / "stderr.log").read_text()):
            if time.monotonic() > end:
                raise SystemExit(f"{what}: the log does not say {words!r}\n{text}")
            time.sleep(0.1)


def issuer(product):
    return product.server.call("GET", product.well_known)[1]["issuer"]


def address(server, path):
    return f"http://127.0.0.1:{server.port}{path}"


@contextlib.contextmanager
def gateway(product, program, folder, lines):
    """A gateway whose key manager is that server, with these lines."""
    backend = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    ports = product.free_ports(2)
    keycloak = isinstance(product, Keycloak)
    names = ("shop", "stall") if keycloak else ("shop", "kiosk")
    folder = folder / f"gateway-{ports[0]}"
    folder.mkdir()
    if not keycloak:
        lines = f'consumer_key_claim = "client_id"\nscopes_claim = "scp"\n{lines}'
    text = FILE.format(
        port=ports[0], management=ports[1], issuer=issuer(product), lines=lines,
        type="KeyCloak" if keycloak else "CustomKeyManager",
        keys=address(product.server, product.keys), backend=backend.server_port,
        applications="".join(APPLICATION.format(client=name) for name in names),
    )  # fmt: skip
    (folder / "gateway.toml").write_text(text)
    with open(folder / "stderr.log", "w") as log:
        process = subprocess.Popen([program, "run"], cwd=folder, stderr=log, env=os.environ | SECRETS)
    try:
        running = Gateway(program, folder, ports)
        running.management.wait("/readyz", 30)
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        backend.shutdown()


SECRETS = {"SECRET": GATEWAY[1], "ODD": ODD[1], "WRONG": "wrong"}


def asking(product, credentials, validation="introspection", more=""):
    """The lines of a key manager that is asked about tokens."""
    asked = product.server if isinstance(product, Keycloak) else product.admin
    return (
        f'token_validation = "{validation}"\nintrospection_cache = "0s"\n{more}\n'
        f'introspection_endpoint = "{address(asked, product.introspection)}"\n'
        f"credentials = {{ {credentials} }}"
    )


def noise(product):
    """A token of that issuer, with a key id that nobody has heard of."""
    encoded = lambda text: part_of(json.dumps(text).encode())
    header = {"alg": "RS256", "kid": f"unknown-{random.random()}", "typ": "JWT"}
    claims = {"iss": issuer(product), "exp": int(time.time()) + 600, "azp": "shop"}
    return f"{encoded(header)}.{encoded(claims)}.{part_of(os.urandom(256))}"


def part_of(content):
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def rotation(product, running, access_token):
    """New keys while noise asks for others: no good token may get 401."""
    over, seen = threading.Event(), {}
    before = [access_token()]

    def disturb():
        while not over.is_set():
            status = running.status(noise(product))
            seen[status] = seen.get(status, 0) + 1

    disturbers = [threading.Thread(target=disturb) for _ in range(NOISY_CLIENTS)]
    for disturber in disturbers:
        disturber.start()
    good = {}
    for _ in range(ROTATIONS):
        product.rotate()
        end = time.monotonic() + SECONDS_BETWEEN
        while time.monotonic() < end:
            token = access_token()
            before.append(token)
            for each in (token, before[0]):
                status = running.status(each)
                good[status] = good.get(status, 0) + 1
    over.set()
    for disturber in disturbers:
        disturber.join()
    kids = {part(token, 0)["kid"] for token in before}
    print(f"  rotation: {len(kids)} keys, good tokens {good}, noise {seen}")
    if 401 in good or len(kids) < ROTATIONS:
        raise SystemExit(f"a good token was refused during a rotation: {good}")
    if 200 in seen:
        raise SystemExit("noise passed")


def imported(product, program, folder, more, token, wanted):
    """What `portcullis import` prints of the server, with a sample."""
    (folder / "sample").write_text(token)
    (folder / "secret").write_text(GATEWAY[1])
    line = [program, "import", address(product.server, product.well_known), "--token", "sample"]
    line += ["--introspect", "--api", "t", "--app", "shop", *more]
    told = subprocess.run(line, cwd=folder, capture_output=True, text=True)
    text = " ".join(line.lstrip("# ") for line in told.stdout.split("\n"))
    text = " ".join(text.split())
    missing = [words for words in wanted if words not in text]
    if told.returncode or missing or "WRONG" in text:
        raise SystemExit(f"import: {told.returncode} {missing}\n{told.stdout}\n{told.stderr}")
    (folder / "gateway.toml").write_text(told.stdout)
    checked = subprocess.run([program, "check", "--fetch"], cwd=folder, capture_output=True, text=True)
    print(f"  import, then check --fetch: {checked.returncode}")
    if checked.returncode:
        raise SystemExit(f"check: {checked.stdout}{checked.stderr}\n{told.stdout}")


USUAL = f'username = "{GATEWAY[0]}", password = {{ env = "SECRET" }}'


def keycloak_by_keys(product, program, folder):
    print("verified by keys")
    with gateway(product, program, folder, "") as running:
        answers = product.of_alice()
        running.expect("access token", product.access_token(), 200)
        running.expect("access token of a person", answers["access_token"], 200)
        running.expect("access token of another client", product.of_stall(), 200)
        for what, other in product.refused(answers).items():
            running.expect(what, other, 401)
        rotation(product, running, product.access_token)


def keycloak_asked(product, program, folder):
    print("introspection")
    token, answers = product.access_token(), product.of_alice()
    with gateway(product, program, folder, asking(product, USUAL)) as running:
        running.expect("access token", token, 200)
        running.expect("access token of a person", answers["access_token"], 200)
        for what, other in product.refused(answers).items():
            running.expect(what, other, 401)
    odd = f'username = "{ODD[0]}", password = {{ env = "ODD" }}'
    wrong = f'username = "{GATEWAY[0]}", password = {{ env = "WRONG" }}'
    raw = 'username = "gateway", password = { env = "ODD" }, method = "basic_raw"'
    for what, credentials, status in [
        ("odd secret", odd, 200),
        ("odd secret, posted", f'{odd}, method = "post"', 200),
        ("wrong secret", wrong, 503),
        ("a secret that cannot be decoded", raw, 503),
    ]:
        with gateway(product, program, folder, asking(product, credentials)) as running:
            running.expect(what, token, status)
            if status == 503:
                running.hears(what, "refuses the gateway's own credentials")


def keycloak_keyed(product, program, folder):
    print("private_key_jwt")
    key = folder / "key.pem"
    line = ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
    key.write_bytes(subprocess.run(line, check=True, capture_output=True).stdout)
    keys = subprocess.run([program, "jwk", key], check=True, capture_output=True)
    product.register(keys.stdout.decode())
    lines = asking(product, f'username = "keyed", key = "{key}"')
    with gateway(product, program, folder, lines) as running:
        running.expect("access token", product.access_token(), 200)


def keycloak_both(product, program, folder):
    print("both")
    lines = asking(product, USUAL, "both", 'introspect_every = "1s"')
    with gateway(product, program, folder, lines) as running:
        token, answers = product.access_token(), product.of_alice()
        running.expect("access token", token, 200)
        running.expect("access token of a person", answers["access_token"], 200)
        product.log_out(answers)
        time.sleep(1.5)
        running.expect("the same after a logout", answers["access_token"], 401)
        running.expect("access token", token, 200)


def keycloak_imported(product, program, folder):
    client = ["--client-id", GATEWAY[0], "--client-secret-file", "secret"]
    wanted = ['type = "KeyCloak"', "is active"]
    imported(product, program, folder, client, product.access_token(), wanted)


def keycloak(product, program, folder):
    keycloak_by_keys(product, program, folder)
    keycloak_asked(product, program, folder)
    keycloak_keyed(product, program, folder)
    keycloak_both(product, program, folder)
    keycloak_imported(product, program, folder)


def hydra(product, program, folder):
    token, answers = product.access_token(), product.of_alice()
    jwt, of_jwt = product.access_token("kiosk"), product.of_alice("kiosk")
    print("opaque tokens asked about, JWTs verified by keys")
    lines = asking(product, 'method = "none"', "self_validate_jwt")
    with gateway(product, program, folder, lines) as running:
        for what, good in [("opaque token", token), ("JWT", jwt)]:
            running.expect(what, good, 200)
        running.expect("opaque token of a person", answers["access_token"], 200)
        running.expect("JWT of a person", of_jwt["access_token"], 200)
        for found in (answers, of_jwt):
            for what, other in product.refused(found).items():
                running.expect(what, other, 401)
        product.revoke(token)
        running.expect("opaque token after its revocation", token, 401)
        rotation(product, running, lambda: product.access_token("kiosk"))
    print("both")
    both = asking(product, 'method = "none"', "both", 'introspect_every = "1s"')
    with gateway(product, program, folder, both) as running:
        # Hydra calls JWTs inactive whose key was followed by another, though it still publishes that key
        running.expect("JWT of before the rotation", jwt, 401)
        again, other = product.access_token("kiosk"), product.access_token("kiosk")
        running.expect("JWT", again, 200)
        product.revoke(again, "kiosk")
        time.sleep(1.5)
        running.expect("the same after its revocation", again, 401)
        running.expect("another JWT", other, 200)
    endpoint = ["--introspection-endpoint", address(product.admin, product.introspection)]
    sample = product.access_token()
    imported(product, program, folder, endpoint, sample, ['method = "none"', "is active"])


def journey(product, program, folder, free_ports):
    product.free_ports = free_ports
    (keycloak if isinstance(product, Keycloak) else hydra)(product, program, folder)
