"""The aims the project has set itself, as data, held against the medians of one run.

Never rounds in our favour: an aim is met when the measured ratio is at most its bound.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from results import Results

US = "portcullis"


@dataclass(frozen=True)
class Aim:
    scenario: str
    peer: str
    at_most: float
    # compared with this scenario of the peer; the same one when nothing is said
    other_scenario: str | None = None


CPU_AIMS = [
    *(Aim(scenario, peer, bound)
      for scenario in ("S1", "S2", "S7-100k", "S7-1m", "S8")
      for peer, bound in (("envoy", 0.45), ("haproxy", 0.33), ("nginx", 0.1))),
    Aim("S0", "haproxy", 1.0),
    Aim("S0", "envoy", 0.5),
    Aim("S4", "envoy", 0.6),
    Aim("S5", "envoy", 0.6),
    Aim("S6-64k", "haproxy", 1.0),
    Aim("S6-1m", "haproxy", 1.0),
    Aim("S1", US, 1.05, other_scenario="S0"),
    Aim("S7-1m", US, 1.03, other_scenario="S2"),
]
IDLE_AIMS_KIB = {"plain": 8.0, "TLS": 24.0}
MOST_DURING_RELOADS = 1.2
LATENCY_PEER = "haproxy"


@dataclass(frozen=True)
class Verdict:
    aim: str
    measured: str
    met: bool


def against_aims(results: Results, workers: int) -> Iterator[Verdict]:
    """Those aims for which this run has both figures."""
    for aim in CPU_AIMS:
        other = aim.other_scenario or aim.scenario
        ratio = results.ratio((workers, aim.scenario, US), (workers, other, aim.peer), "cpu_microseconds")
        if ratio is not None:
            against = f"its own {other}" if aim.other_scenario else aim.peer
            yield Verdict(f"{aim.scenario}: CPU at most {aim.at_most:g} of {against}", f"{ratio:.3f}", ratio <= aim.at_most)
    for scenario in sorted({key[1] for key in results.latencies if key[0] == workers}):
        ours, theirs = (results.p99((workers, scenario, name)) for name in (US, LATENCY_PEER))
        if ours and theirs:
            yield Verdict(f"{scenario}: p99 at or below {LATENCY_PEER}'s", f"{ours / theirs:.2f}", ours <= theirs)
    for (scenario, contestant, over), values in results.idle.items():
        if contestant == US:
            most = IDLE_AIMS_KIB[over]
            worst = max(values)
            yield Verdict(f"{scenario}: at most {most:g} KiB an idle connection, {over}", f"{worst:.1f} KiB", worst <= most)


def during_reloads(results: Results) -> Iterator[Verdict]:
    ratios = [sample.disturbed.p99 / sample.quiet.p99 for sample in results.reloads]
    if ratios:
        middle = median(ratios)
        yield Verdict(f"S10: p99 during reloads at most {MOST_DURING_RELOADS:g} of the quiet p99", f"{middle:.2f}", middle <= MOST_DURING_RELOADS)


def during_changes(results: Results) -> Iterator[Verdict]:
    ratios = [sample.disturbed.p99 / sample.quiet.p99 for sample in results.changes]
    if ratios:
        middle, rate = median(ratios), median(sample.pace.changes_per_second for sample in results.changes)
        aim = f"S12: p99 with {rate:,.0f} subscription changes a second at most {MOST_DURING_RELOADS:g} of the quiet p99"
        yield Verdict(aim, f"{middle:.2f}", middle <= MOST_DURING_RELOADS)


def two_against_one(results: Results) -> Iterator[Verdict]:
    """Requests per second of two workers over those of one; only with the cores to show it."""
    for scenario in ("S0", "S1", "S2"):
        one, two = (results.middle((workers, scenario, US), "requests_per_second") for workers in (1, 2))
        if one and two:
            yield Verdict(f"{scenario}: two workers at least 1.9 times one", f"{two / one:.2f}", two / one >= 1.9)
