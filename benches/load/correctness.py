"""Asks every contestant the same questions before it may be measured.

Never accepts a near miss: the status and, where the backend is to be reached, its body must be right.
"""

import http.client
import json
import ssl

from backend import ANSWER, BODIES
from contestant import Placement
from scenarios import OPEN_PATH, PROTECTED_PATH

TRUSTING = ssl.create_default_context()
TRUSTING.check_hostname = False
TRUSTING.verify_mode = ssl.CERT_NONE


class Wrong(Exception):
    """A contestant does not do what it is measured for."""


def ask(port: int, path: str, token: str | None = None, body: bytes | None = None, tls: bool = False) -> tuple[int, bytes]:
    connection = (
        http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=TRUSTING)
        if tls else http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    )
    try:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connection.request("POST" if body else "GET", path, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def ready(port: int) -> bool:
    try:
        return ask(port, OPEN_PATH)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def check(placement: Placement, tls: bool) -> None:
    """The whole list; raises `Wrong` with the first that fails."""
    samples = json.loads((placement.materials / "samples.json").read_text())
    expected = ANSWER.encode()

    def must(what: str, statuses: set[int], content: bytes | None, path: str, token: str | None = None, **more: object) -> None:
        port = placement.port(bool(more.get("tls")))
        try:
            status, body = ask(port, path, token, **more)
        except (OSError, http.client.HTTPException) as error:
            raise Wrong(f"{what}: {error!r}") from error
        if status not in statuses or (content is not None and body != content):
            raise Wrong(f"{what}: {status} {body[:80]!r}")

    for secured in (False, True) if tls else (False,):
        must("open", {200}, expected, OPEN_PATH, tls=secured)
        for algorithm in ("RS256", "ES256"):
            must(f"valid {algorithm}", {200}, expected, PROTECTED_PATH, samples[algorithm], tls=secured)
        must("no token", {401}, None, PROTECTED_PATH, tls=secured)
        for flaw in ("bad", "expired", "issuer"):
            # twice: a refusal must not be remembered as something else
            for _ in range(2):
                must(flaw, {401}, None, PROTECTED_PATH, samples[flaw], tls=secured)
        for flaw in ("unknown", "scope"):
            must(flaw, {401, 403}, None, PROTECTED_PATH, samples[flaw], tls=secured)
    for name, size in BODIES.items():
        must(f"body of {name}", {200}, b"y" * size, f"/a/1/body/{name}", body=b"x" * size)
