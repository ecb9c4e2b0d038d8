"""Speaks HTTP to a server on this machine, and remembers what was said where that is wanted."""

import base64
import http.client
import json
import time
import urllib.parse

# The headers that say something about an answer; the others only make the files long.
KEPT = ("content-type", "cache-control", "www-authenticate")


class Server:
    """One server on a loopback port."""

    def __init__(self, port, exchanges=None):
        self.port = port
        self.exchanges = [] if exchanges is None else exchanges

    def call(self, method, path, form=None, body=None, headers=None, name=None):
        """Returns the status and the body, as JSON where it is some. Keeps the exchange under `name`."""
        status, _, content = self.send(method, path, form, body, headers, name)
        return status, content

    def send(self, method, path, form=None, body=None, headers=None, name=None):
        """The same, with the headers of the answer."""
        headers = dict(headers or {})
        content = None
        if form is not None:
            content = urllib.parse.urlencode(form)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        elif body is not None:
            content = json.dumps(body)
            headers["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, content, headers)
        answer = connection.getresponse()
        raw = answer.read()
        connection.close()
        try:
            parsed = json.loads(raw)
        except ValueError:
            parsed = raw.decode()
        if name:
            request = {"method": method, "path": path}
            if "Authorization" in headers:
                request["authorization"] = headers["Authorization"]
            if form is not None:
                request["form"] = form
            kept = {k.lower(): v for k, v in answer.getheaders() if k.lower() in KEPT}
            self.exchanges.append(
                {
                    "name": name,
                    "request": request,
                    "status": answer.status,
                    "headers": kept,
                    "body": parsed,
                }
            )
        return answer.status, answer.headers, parsed

    def made(self, method, path, body, headers=None):
        """A call that has to succeed; returns the body."""
        status, content = self.call(method, path, body=body, headers=headers)
        if status >= 300:
            raise SystemExit(f"{method} {path}: {status} {content}")
        return content

    def wait(self, path, seconds=240):
        """Returns once the path is answered with 200."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if self.call("GET", path)[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.3)
        raise SystemExit(f"port {self.port}: {path} was not answered within {seconds} s")


def basic(name, secret, encoded=False):
    """HTTP Basic, with both parts form-encoded as the gateway does it (RFC 6749 section 2.3.1), or as they are."""
    if encoded:
        name, secret = urllib.parse.quote(name, safe=""), urllib.parse.quote(secret, safe="")
    pair = base64.b64encode(f"{name}:{secret}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def part(token, position):
    """The header (0) or the claims (1) of a JWT."""
    text = token.split(".")[position]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
