"""Drives wrk and h2load against one address and reads their counts.

Never repairs a bad run: an answer that is not 2xx, or a broken connection, is reported as such.
"""

import math
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from scenarios import Scenario

CONNECTIONS = 32
STREAMS = 8
# h2load's clock for --rps has steps of 10 ms: with a slower pace for each connection no requests are bunched
REQUESTS_PER_SECOND_AND_CONNECTION = 50
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
    p50: float
    p99: float
    p999: float
    achieved: float


def run(scenario: Scenario, port: int, seconds: float, materials: Path) -> Count:
    """As much as goes, for a while."""
    return _h2load(scenario, port, seconds, materials) if scenario.http2 else _wrk(scenario, port, seconds, materials)


def url(scenario: Scenario, port: int) -> str:
    return f"{'https' if scenario.tls else 'http'}://127.0.0.1:{port}{scenario.path}"


def authorization(scenario: Scenario, materials: Path) -> list[str]:
    if scenario.tokens is None:
        return []
    with (materials / scenario.tokens.file_name).open() as tokens:
        return ["-H", f"Authorization: Bearer {tokens.readline().strip()}"]


def _wrk(scenario: Scenario, port: int, seconds: float, materials: Path) -> Count:
    environment = os.environ | {"LOAD_BODY": str(scenario.body_bytes)}
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "--timeout", "10s", "-s", str(HERE / "load.lua")]
    if scenario.tokens is not None and scenario.tokens.count > 1:
        environment["LOAD_TOKENS"] = str(materials / scenario.tokens.file_name)
    else:
        command += authorization(scenario, materials)
    printed = _output([*command, url(scenario, port)], seconds, environment)
    found = re.search(r"LOAD requests=(\d+) microseconds=(\d+) refused=(\d+) broken=(\d+) again=(\d+)", printed)
    if found is None:
        raise LoadFailed(f"wrk said nothing: {printed[-300:]}")
    requests, microseconds, refused, broken, again = map(int, found.groups())
    if refused or broken or not requests:
        raise LoadFailed(f"{requests} answers, {refused} not 2xx, {broken} broken")
    return Count(requests, microseconds / 1e6, again)


def _h2load(scenario: Scenario, port: int, seconds: float, materials: Path) -> Count:
    command = ["h2load", "-t1", f"-c{CONNECTIONS}", f"-m{STREAMS}", "-D", str(max(1, round(seconds))), *authorization(scenario, materials)]
    printed = _output([*command, url(scenario, port)], seconds)
    requests, taken = _h2load_counts(printed)
    return Count(requests, taken)


def _h2load_counts(printed: str) -> tuple[int, float]:
    finished = re.search(r"finished in ([\d.]+)(ms|s), ([\d.]+) req/s", printed)
    status = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", printed)
    counts = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", printed)
    if not (finished and status and counts):
        raise LoadFailed(f"h2load said: {printed[-300:]}")
    good, others = int(status.group(1)), sum(int(status.group(i)) for i in (2, 3, 4))
    broken = sum(map(int, counts.groups()))
    if others or broken or not good:
        raise LoadFailed(f"{good} answers, {others} not 2xx, {broken} broken")
    return good, good / float(finished.group(3))


def at_rate(scenario: Scenario, port: int, rate: float, seconds: float, materials: Path, scratch: Path) -> Latency:
    """Requests sent on schedule, whatever the answers do, over so many connections that none waits for its turn."""
    connections = max(1, round(rate / REQUESTS_PER_SECOND_AND_CONNECTION))
    log = scratch / "h2load.log"
    log.unlink(missing_ok=True)
    duration = max(2, round(seconds))
    command = [
        "h2load", "-t1", f"-c{connections}", "-m1", "-D", str(duration), f"--rps={rate / connections:.3f}", f"--log-file={log}",
        *([] if scenario.http2 else ["--h1"]), *authorization(scenario, materials),
    ]
    printed = _output([*command, url(scenario, port)], duration)
    requests, _ = _h2load_counts(printed)
    with log.open() as lines:
        rows = [line.split("\t") for line in lines]
    # the first half second is connections being opened
    begun = min(int(row[0]) for row in rows) + 500_000
    taken = sorted(int(row[2]) for row in rows if int(row[0]) >= begun)
    log.unlink()
    if not taken:
        raise LoadFailed("no request after the first half second")
    return Latency(*(percentile(taken, share) for share in (0.5, 0.99, 0.999)), requests / duration)


def percentile(ordered: list[int], share: float) -> float:
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * share) - 1)]


def _output(command: list[str], seconds: float, environment: dict | None = None) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds + PATIENCE_SECONDS, check=False, env=environment
        )
    except subprocess.TimeoutExpired as error:
        raise LoadFailed(f"{command[0]} did not end") from error
    return done.stdout + done.stderr
