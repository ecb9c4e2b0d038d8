"""Who uses the fleet of test_fleet: clients of the gateways, and one who writes by the REST API."""

import base64
import contextlib
import http.client
import json
import threading
import time

CLIENTS = 6
# far longer than anything takes here
DEADLINE = 60
# of "secret", and of no use elsewhere: it costs nothing to check
PASSWORD_HASH = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$+c6q23sQwLpOH1shdbgrn6Ho39DyRbsdY34ab5ZO+fs"
SIGNED_IN = {"Authorization": "Basic " + base64.b64encode(b"ann:secret").decode(), "Content-Type": "application/json"}
PORTAL = "/api/am/devportal/v3"


def eventually(what, look):
    end = time.monotonic() + DEADLINE
    while not (found := look()):
        if time.monotonic() > end:
            raise AssertionError(f"never {what}")
        time.sleep(0.02)
    return found


def call(port, method, path, body=None, headers=(), connection=None):
    own = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    with contextlib.ExitStack() as stack:
        if connection is None:
            stack.callback(own.close)
        own.request(method, path, body, dict(headers))
        answer = own.getresponse()
        return answer.status, answer.read()


class Load:
    """Clients that ask one request after the other; what was not as it should be."""

    def __init__(self, port, token):
        self.port, self.headers = port, {"Authorization": f"Bearer {token}"}
        self.over = threading.Event()
        self.good, self.wrong = [0] * CLIENTS, []
        self.clients = [threading.Thread(target=self.ask, args=(number,), daemon=True) for number in range(CLIENTS)]

    def ask(self, number):
        """Every third opens a connection each time, every third keeps one, every third asks for what takes long."""
        kept = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE) if number % 3 == 1 else None
        path = "/orders/1.0.0/slow" if number % 3 == 2 else "/orders/1.0.0/fast"
        count = 0
        # a pause, because the gateways of this test share two cores with everything else
        while not self.over.wait(0.002):
            count += 1
            method, body = ("POST", f"order {number}-{count}") if count % 2 else ("GET", None)
            try:
                status, said = call(self.port, method, path, body, self.headers, kept)
            except (OSError, http.client.HTTPException) as error:
                self.wrong.append(f"client {number}: {method} {path}: {error!r}")
                if kept:
                    kept.close()
                continue
            # the client, as HAProxy says, and HAProxy
            expected = {"client": "127.0.0.1, 127.0.0.1", "body": body or ""}
            if status == 200 and json.loads(said) == expected:
                self.good[number] += 1
            else:
                self.wrong.append(f"client {number}: {method} {path}: {status} {said}")
        if kept:
            kept.close()

    def __enter__(self):
        for client in self.clients:
            client.start()
        self.more(5)
        return self

    def more(self, count):
        """Each client has as many more answers."""
        enough = [good + count for good in self.good]
        eventually("more answers", lambda: self.wrong or all(map(lambda good, least: good >= least, self.good, enough)))

    def __exit__(self, *_):
        self.over.set()
        for client in self.clients:
            client.join(DEADLINE)


class Writer:
    """Gives one client after the other an application with a subscription, at a gateway that is not being upgraded."""

    def __init__(self, gateways, signer):
        self.gateways, self.signer = gateways, signer
        self.over, self.lock = threading.Event(), threading.Lock()
        self.upgraded = None
        self.tokens, self.wrong = [], []
        # the id of each object whose creation a gateway has acknowledged
        self.acknowledged = set()
        self.thread = threading.Thread(target=self.write_all, daemon=True)

    def write_all(self):
        while not self.wrong and not self.over.wait(0.05):
            with self.lock:
                try:
                    self.write(f"client-{len(self.tokens)}")
                except (OSError, http.client.HTTPException, AssertionError) as error:
                    self.wrong.append(repr(error))

    def others(self):
        return [gateway for gateway in self.gateways if gateway is not self.upgraded]

    def write(self, client):
        others = self.others()
        at = others[len(self.tokens) % len(others)]
        application = self.create(at, "/applications", "applicationId", {"name": client, "throttlingPolicy": "Unlimited"})
        key = {"consumerKey": client, "keyType": "PRODUCTION", "keyManager": "is7"}
        self.create(at, f"/applications/{application}/map-keys", "keyMappingId", key)
        _, said = call(at.management, "GET", f"{PORTAL}/apis?query=name:orders", None, SIGNED_IN)
        api = json.loads(said)["list"][0]["id"]
        wanted = {"applicationId": application, "apiId": api, "throttlingPolicy": "Unlimited"}
        self.create(at, "/subscriptions?wait=fleet", "subscriptionId", wanted)
        token = self.signer.token(client, client)
        # each of them, and at once: the answer said so
        for gateway in others:
            self.pass_with(gateway, token)
        self.tokens.append(token)

    def create(self, gateway, path, id_name, body):
        """Counts the write once it is answered, whatever comes after."""
        created = self.post(gateway, path, body)[id_name]
        self.acknowledged.add(created)
        return created

    def lost(self, gateway):
        """The acknowledged writes that this gateway does not show."""
        shown = set()
        for application in self.listed(gateway, "/applications?limit=1000", "applicationId"):
            shown.add(application)
            shown.update(self.listed(gateway, f"/applications/{application}/oauth-keys", "keyMappingId"))
            shown.update(self.listed(gateway, f"/subscriptions?applicationId={application}&limit=1000", "subscriptionId"))
        return self.acknowledged - shown

    def listed(self, gateway, path, id_name):
        status, said = call(gateway.management, "GET", PORTAL + path, None, SIGNED_IN)
        if status != 200:
            raise AssertionError(f"{path} at {gateway.folder.name}: {status} {said}")
        return [each[id_name] for each in json.loads(said)["list"]]

    def post(self, gateway, path, body):
        own = http.client.HTTPConnection("127.0.0.1", gateway.management, timeout=DEADLINE)
        with contextlib.closing(own):
            own.request("POST", PORTAL + path, json.dumps(body), SIGNED_IN)
            answer = own.getresponse()
            said = answer.read()
        behind = answer.headers.get("Portcullis-Pending", "")
        # one that was stopped a moment ago may still be waited for
        allowed = ["", self.upgraded.folder.name if self.upgraded else ""]
        if answer.status not in (200, 201) or behind not in allowed:
            raise AssertionError(f"{path} at {gateway.folder.name}: {answer.status} {said} without {behind!r}")
        return json.loads(said)

    def pass_with(self, gateway, token):
        status, said = call(gateway.port, "GET", "/orders/1.0.0/fast", None, {"Authorization": f"Bearer {token}"})
        if status != 200:
            raise AssertionError(f"{gateway.folder.name}: {status} {said}")

    @contextlib.contextmanager
    def around(self, gateway):
        """Writes elsewhere from now on; while the gateway is away, and once more when all are back."""
        with self.lock:
            self.upgraded = gateway
        yield
        self.more()
        with self.lock:
            self.upgraded = None
        self.more()

    def more(self):
        enough = len(self.tokens) + 1
        eventually("another write", lambda: self.wrong or len(self.tokens) >= enough)

    def __enter__(self):
        self.thread.start()
        self.more()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join(DEADLINE)
