"""A silent gRPC stream of more than a minute through the gateway, to a server that ends connections which are pinged often."""

import contextlib
import pathlib
import signal
import subprocess

from http_client import Server

SECONDS = 75

FILE = """
[gateway]
workers = 1
state_dir = "state"
[[listeners]]
name = "http"
address = "127.0.0.1:{port}"
protocols = ["h2", "http/1.1"]
[management]
address = "127.0.0.1:{management}"
[[apis]]
name = "streams"
version = "1"
default_version = true
context = "/"
subscription_required = false
body_stall_timeout = "none"
operations = [{{ method = "*", path = "/*", auth = "none" }}]
[apis.production]
urls = ["http://{backend}"]
http2 = "always"
response_timeout = "5m"
{lines}
"""


@contextlib.contextmanager
def running(line, **more):
    process = subprocess.Popen(line, **more)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def streams(program, gateway, folder, free_ports):
    """By default the stream lives; with a ping every ten seconds it ends, or this would have shown nothing."""
    with running([program, "serve"], stdout=subprocess.PIPE, text=True) as server:
        backend = server.stdout.readline().strip()
        often = 'http2_ping_interval = "10s"'
        with contextlib.ExitStack() as stack:
            calls = [
                stack.enter_context(call(program, gateway, folder / name, free_ports, backend, lines))
                for name, lines in (("default", ""), ("often", often))
            ]
            told = [each.communicate()[0].strip() for each in calls]
    for name, said in zip(("default", "every 10 s"), told):
        print(f"  pings {name}: {said}")
    if not told[0].endswith("then OK") or told[1].endswith("then OK"):
        raise SystemExit("the stream lives by default alone")


@contextlib.contextmanager
def call(program, gateway, folder: pathlib.Path, free_ports, backend, lines):
    port, management = free_ports(2)
    folder.mkdir()
    text = FILE.format(port=port, management=management, backend=backend, lines=lines)
    (folder / "gateway.toml").write_text(text)
    with open(folder / "log", "w") as log, running([gateway, "run"], cwd=folder, stdout=log, stderr=log):
        Server(management).wait("/readyz", 30)
        line = [program, "call", f"127.0.0.1:{port}", str(SECONDS), "Silent"]
        yield subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
