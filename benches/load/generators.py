"""Drives wrk and h2load against one address and reads their counts.

Never repairs a bad run: an answer that is not 2xx, or a broken connection, is reported as such.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from scenarios import Scenario

# so many that one is free whenever the schedule wants to send
CONNECTIONS_AT_A_RATE = 200
PATIENCE_SECONDS = 30
HERE = Path(__file__).resolve().parent


class LoadFailed(Exception):
    """The generator saw something else than answers of 2xx."""


@dataclass(frozen=True)
class Count:
    requests: int
    seconds: float
    # how often a set of tokens was gone through once more
    again: int = 0


@dataclass(frozen=True)
class Latency:
    """Microseconds, and the rate that was reached."""

    p50: float
    p99: float
    p999: float
    achieved: float


def run(scenario: Scenario, port: int, seconds: int, materials: Path) -> Count:
    """As much as goes, for a while."""
    if scenario.http2:
        return h2load(scenario, port, seconds, materials)
    found = wrk(scenario, port, seconds, materials, scenario.connections)
    return Count(found["requests"], found["microseconds"] / 1e6, found["again"])


def at_rate(scenario: Scenario, port: int, rate: float, seconds: int, materials: Path) -> Latency:
    """Requests sent on a schedule, whatever the answers do."""
    found = wrk(scenario, port, seconds, materials, CONNECTIONS_AT_A_RATE, rate)
    return Latency(found["p50"], found["p99"], found["p999"], found["requests"] * 1e6 / found["microseconds"])


def url(scenario: Scenario, port: int) -> str:
    return f"{'https' if scenario.tls else 'http'}://127.0.0.1:{port}{scenario.path}"


def authorization(scenario: Scenario, materials: Path) -> list[str]:
    """The one token of a scenario, as an option that both generators know."""
    if scenario.tokens is None:
        return []
    with (materials / scenario.tokens.file_name).open() as tokens:
        return ["-H", f"Authorization: Bearer {tokens.readline().strip()}"]


def wrk(scenario: Scenario, port: int, seconds: int, materials: Path, connections: int, rate: float = 0) -> dict[str, int]:
    environment = os.environ | {"LOAD_BODY": str(scenario.body_bytes), "LOAD_RATE": str(rate)}
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(HERE / "load.lua")]
    if scenario.tokens is not None and scenario.tokens.count > 1:
        environment["LOAD_TOKENS"] = str(materials / scenario.tokens.file_name)
    else:
        command += authorization(scenario, materials)
    printed = output([*command, url(scenario, port)], seconds, environment)
    line = re.search(r"^LOAD .*$", printed, re.MULTILINE)
    if line is None:
        raise LoadFailed(f"wrk said: {printed[-300:]}")
    found = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line.group())}
    if found["refused"] or found["broken"] or not found["requests"]:
        raise LoadFailed(f"{found['requests']} answers, {found['refused']} not 2xx, {found['broken']} broken")
    return found


def h2load(scenario: Scenario, port: int, seconds: int, materials: Path) -> Count:
    command = ["h2load", "-t1", f"-c{scenario.connections}", f"-m{scenario.streams}", "-D", str(seconds), *authorization(scenario, materials)]
    printed = output([*command, url(scenario, port)], seconds, dict(os.environ))
    finished = re.search(r"finished in .*, ([\d.]+) req/s", printed)
    status = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", printed)
    counts = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", printed)
    if not (finished and status and counts):
        raise LoadFailed(f"h2load said: {printed[-300:]}")
    good, others = int(status.group(1)), sum(int(status.group(i)) for i in (2, 3, 4))
    broken = sum(map(int, counts.groups()))
    if others or broken or not good:
        raise LoadFailed(f"{good} answers, {others} not 2xx, {broken} broken")
    return Count(good, good / float(finished.group(1)))


def output(command: list[str], seconds: int, environment: dict[str, str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds + PATIENCE_SECONDS, check=False, env=environment
        )
    except subprocess.TimeoutExpired as error:
        raise LoadFailed(f"{command[0]} did not end") from error
    return done.stdout + done.stderr
