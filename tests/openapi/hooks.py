"""What Schemathesis has to know of the gateway that it calls."""

import itertools
import json
import os

import schemathesis
from requests.adapters import HTTPAdapter

# Names and ids of objects that the gateway has, by the field that holds them.
KNOWN = json.loads(os.environ["PORTCULLIS_KNOWN"])

# A delete that was only tried is taken for one, and what is still there for a fault.
DRY_RUN = {"$ref": "#/components/parameters/dryRun"}

# Operations that are asked to wait for all gateways too; of the others it would only take time.
WAIT = {"$ref": "#/components/parameters/wait"}
WAITING = ["createApplication", "createUser", "createApi", "createKeyManager"]

# Each connection comes from an address of its own: wrong passwords of one address are limited, and
# the check of credentials sends many.
addresses = (f"127.{a}.{b}.{c}" for a, b, c in itertools.product(range(1, 200), range(1, 250), range(1, 250)))
send = HTTPAdapter.send


def send_from_a_new_address(self, request, *arguments, **options):
    self.poolmanager.clear()
    self.poolmanager.connection_pool_kw["source_address"] = (next(addresses), 0)
    request.headers["Connection"] = "close"
    return send(self, request, *arguments, **options)


HTTPAdapter.send = send_from_a_new_address


def narrow(node):
    """A field that names an object can have the names of this gateway's: another is a fault."""
    if isinstance(node, dict):
        properties = node.get("properties")
        if isinstance(properties, dict):
            for name, values in KNOWN.items():
                if name in properties and node.get("additionalProperties") is False:
                    properties[name] = {"enum": values}
        if node.get("in") == "query" and node.get("name") in KNOWN:
            node["schema"] = {"enum": KNOWN[node["name"]]}
        for value in node.values():
            narrow(value)
    elif isinstance(node, list):
        for value in node:
            narrow(value)


@schemathesis.hook
def before_load_schema(context, raw_schema):
    # answers stay as they are
    for item in raw_schema["paths"].values():
        for method, operation in item.items():
            if method == "delete":
                operation["parameters"] = [own for own in operation["parameters"] if own != DRY_RUN]
            if operation["operationId"] not in WAITING:
                # the wait for all gateways takes up to a second
                operation["parameters"] = [own for own in operation["parameters"] if own != WAIT]
            narrow(operation["parameters"])
    for name, schema in raw_schema["components"]["schemas"].items():
        if name.startswith(("New", "KeyMapping", "KeyGeneration", "ApplicationSettings", "MoveKeys", "ClientRegistration")):
            narrow(schema)
