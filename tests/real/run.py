#!/usr/bin/env python3
"""Puts the gateway beside a real authorization server, or records what that server says.

    python3 tests/real/run.py keycloak            the journey, with the gateway of target/debug
    python3 tests/real/run.py hydra --record      writes tests/vectors/recorded/hydra/VERSION.json instead
    python3 tests/real/run.py grpc                a silent stream of 75 s to a gRPC server with the defaults of grpc-go

Not part of tests/run: a server is hundreds of megabytes, or the journey takes longer than most tests. Needs Java 17 or later
and Maven for Keycloak, Go for the others. Everything is kept in target/real, and every port is a free one of loopback.
"""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import zipfile

from http_client import Server
from hydra import Hydra
from journey import journey
from keycloak import Keycloak
from streams import streams

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEPT = ROOT / "target" / "real"
VERSIONS = {"keycloak": "26.7.3", "hydra": "2.3.0"}
# recorded tokens name it: tests that play them reach it through a proxy of their own
RECORDED_ISSUERS = {"keycloak": "http://sso.bank.example", "hydra": "http://hydra.bank.example"}


def run(*line, **more):
    subprocess.run(line, check=True, **more)


def get_keycloak(version):
    """The folder of that version, by Maven."""
    folder = KEPT / f"keycloak-{version}"
    if not folder.is_dir():
        artifact = f"org.keycloak:keycloak-quarkus-dist:{version}:zip"
        plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
        run("mvn", "-q", "-B", plugin, f"-Dartifact={artifact}", f"-DoutputDirectory={KEPT}")
        packed = KEPT / f"keycloak-quarkus-dist-{version}.zip"
        with zipfile.ZipFile(packed) as archive:
            archive.extractall(KEPT)
        (folder / "bin" / "kc.sh").chmod(0o755)
        packed.unlink()
    return folder


def get_hydra(version):
    """The program of that version, built by Go."""
    program = KEPT / f"hydra-{version}"
    if not program.is_file():
        module = KEPT / "hydra-module"
        shutil.rmtree(module, ignore_errors=True)
        module.mkdir()
        go = lambda *line: run("go", *line, cwd=module)
        go("mod", "init", "real")
        # `go install` refuses modules with replace directives, and only the main module's count
        pop = "github.com/ory/pop/v6@v6.2.1-0.20241121111754-e5dfc0f3344b"
        go("mod", "edit", f"-replace=github.com/gobuffalo/pop/v6={pop}")
        go("get", "-tool", f"github.com/ory/hydra/v2@v{version}")
        go("get", "github.com/ory/hydra-client-go/v2@v2.2.1")
        go("build", "-tags", "sqlite", "-o", str(program), "github.com/ory/hydra/v2")
    return program


def get_grpc():
    """The server and client of tests/real/grpc, built by Go."""
    program = KEPT / "grpc"
    run("go", "build", "-o", str(program), ".", cwd=ROOT / "tests" / "real" / "grpc")
    return program


def free_ports(count):
    """Ports that nobody listens on; the server takes them a moment later."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


@contextlib.contextmanager
def started(line, log, **more):
    """A server in a process group of its own, ended in the end."""
    with open(log, "w") as output:
        process = subprocess.Popen(
            line, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, **more
        )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


@contextlib.contextmanager
def server(name, version, issuer, folder):
    """The server, set up."""
    ports = free_ports(2)
    if name == "keycloak":
        # a copy, for it keeps its database and its built parts beside itself
        copy = folder / "keycloak"
        shutil.copytree(get_keycloak(version), copy)
        line, more = Keycloak.command(copy, ports, issuer)
        product = Keycloak(Server(ports[0]))
    else:
        configuration = Hydra.configure(folder, ports, issuer)
        line, more = [get_hydra(version), "serve", "all", "--dev", "-c", configuration], {}
        public = Server(ports[0])
        product = Hydra(public, Server(ports[1], public.exchanges))
    with started(line, KEPT / f"{name}.log", env=os.environ | more):
        product.set_up()
        yield product


def record(name, version, product):
    product.record()
    folder = ROOT / "tests" / "vectors" / "recorded" / name
    folder.mkdir(parents=True, exist_ok=True)
    said = {"product": name, "version": version, "recorded": f"{datetime.date.today()}"}
    said |= {"issuer": RECORDED_ISSUERS[name], "exchanges": product.exchanges}
    (folder / f"{version}.json").write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n")


def main():
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("server", choices=[*VERSIONS, "grpc"])
    words.add_argument("--version", help="another version than the usual one")
    words.add_argument("--record", action="store_true", help="record its answers instead")
    words.add_argument("--gateway", default=ROOT / "target" / "debug" / "portcullis")
    told = words.parse_args()
    gateway = pathlib.Path(told.gateway).resolve()
    KEPT.mkdir(parents=True, exist_ok=True)
    if told.server == "grpc":
        with tempfile.TemporaryDirectory() as folder:
            streams(get_grpc(), gateway, pathlib.Path(folder), free_ports)
        print("grpc: all as it should be")
        return
    version = told.version or VERSIONS[told.server]
    issuer = RECORDED_ISSUERS[told.server] if told.record else None
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        with server(told.server, version, issuer, folder) as product:
            if told.record:
                record(told.server, version, product)
            else:
                journey(product, gateway, folder, free_ports)
    print(f"{told.server} {version}: {'recorded' if told.record else 'all as it should be'}")


if __name__ == "__main__":
    sys.exit(main())
