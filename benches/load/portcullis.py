"""Portcullis as a contestant: the binary to ship with the whole walk, metrics and the access log on.

Never builds it; the rig does that before.
"""

import json
from pathlib import Path

from contestant import Contestant, Placement
from processes import output_of

TARGET = Path(__file__).resolve().parents[2] / "target"
# what `cargo build --profile dist` makes
PLAIN = TARGET / "dist/portcullis"
# what `deploy/build` makes, and who runs a gateway should run
TRAINED = TARGET / "trained/portcullis"
ACCESS_LOG = "access.log"
# empty until subscriptions are to change
CHANGES = "changes.toml"


def applications(materials: Path, consumer_keys: int, policy: str | None) -> Path:
    """One application and one subscription for each consumer key."""
    path = materials / f"applications-{consumer_keys}{f'-{policy}' if policy else ''}.jsonl"
    subscription = {"api": "a:1"} | ({"policy": policy} if policy else {})
    if not path.exists():
        with path.open("w") as lines:
            for i in range(consumer_keys):
                key = {"type": "production", "key_manager": "issuer", "consumer_key": f"consumer-key-{i}"}
                application = {"name": f"application-{i}", "owner": "owner", "keys": [key], "subscriptions": [subscription]}
                lines.write(json.dumps(application, separators=(",", ":")) + "\n")
    return path


def command(placement: Placement, binary: Path, policy: str | None = None, tables: str = "") -> list[str]:
    """`policy` is that of all subscriptions, and `tables` stand at the end of the file."""
    materials = placement.materials
    (placement.folder / CHANGES).touch()
    (placement.folder / "gateway.toml").write_text(f"""
application_files = ["{applications(materials, placement.consumer_keys, policy)}"]
include = ["{CHANGES}"]

[gateway]
workers = {placement.workers}
drain_timeout = "1s"

[[listeners]]
name = "plain"
address = "127.0.0.1:{placement.plain_port}"

[[listeners]]
name = "http2"
address = "127.0.0.1:{placement.http2_port}"
protocols = ["h2"]

[[listeners]]
name = "tls"
address = "127.0.0.1:{placement.tls_port}"
tls = {{ certificate = "{materials}/tls.crt", key = "{materials}/tls.key" }}

[limits]
idle_timeout = "10m"

[management]
address = "127.0.0.1:{placement.management_port}"

[telemetry]
access_log = {{ path = "{ACCESS_LOG}" }}

[[key_managers]]
name = "issuer"
issuer = "https://issuer.example"
certificates = {{ jwks_file = "{materials}/keys.json" }}
algorithms = ["RS256", "ES256"]
token_types = ["at+jwt"]

[[apis]]
name = "a"
version = "1"
context = "/a"
production = {{ urls = ["http://127.0.0.1:{placement.backend_port}"] }}
operations = [
  {{ method = "GET", path = "/x/{{id}}", scopes = ["read"] }},
  {{ method = "GET", path = "/open", auth = "none" }},
  {{ method = "POST", path = "/body/{{size}}", auth = "none" }},
]
{tables}""")
    return [str(binary), "--config", "gateway.toml", "run"]


def build(name: str, binary: Path, policy: str | None = None, tables: str = "") -> Contestant:
    return Contestant(
        name=name,
        note=f"token, subscription, scope, access log to a file, metrics{'; built by deploy/build' if binary == TRAINED else ''}",
        version=lambda: output_of([str(binary), "--version"]).strip().removeprefix("portcullis "),
        command=lambda placement: command(placement, binary, policy, tables),
        missing=lambda: None if binary.exists() else f"no {binary}",
        logs=(ACCESS_LOG,),
    )


PORTCULLIS = build("portcullis", TRAINED)
