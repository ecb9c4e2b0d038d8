"""Holds what was measured and answers for medians, spreads and ratios.

Never measures, and never compares figures of different rounds with each other.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from changes import Pace
from generators import Latency


@dataclass(frozen=True)
class Sample:
    round: int
    requests_per_second: float
    cpu_microseconds: float
    # the part of it that was spent in the kernel
    kernel_microseconds: float
    peak_mib: float
    # the tokens of S3 did not suffice for the round
    tokens_came_again: bool = False


@dataclass(frozen=True)
class Start:
    contestant: str
    workers: int
    consumer_keys: int
    ready_seconds: float
    idle_mib: float


@dataclass(frozen=True)
class ReloadSample:
    """Latency at one rate, quiet and during reloads."""

    rate: float
    quiet: Latency
    disturbed: Latency
    reloads_per_second: float


@dataclass(frozen=True)
class ChangeSample:
    """Latency at one rate, quiet and while subscriptions change."""

    rate: float
    quiet: Latency
    disturbed: Latency
    pace: Pace


Key = tuple[int, str, str]


@dataclass
class Results:
    # by workers, scenario, contestant
    samples: dict[Key, list[Sample]] = field(default_factory=dict)
    latencies: dict[Key, list[Latency]] = field(default_factory=dict)
    rates: dict[tuple[int, str], float] = field(default_factory=dict)
    starts: list[Start] = field(default_factory=list)
    # KiB for one connection, by scenario, contestant and plain or TLS
    idle: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)
    reloads: list[ReloadSample] = field(default_factory=list)
    changes: list[ChangeSample] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def add(self, key: Key, sample: Sample) -> None:
        self.samples.setdefault(key, []).append(sample)

    def leave_out(self, what: str) -> None:
        if what not in self.left_out:
            self.left_out.append(what)
            print(f"left out: {what}", flush=True)

    def values(self, key: Key, figure: str) -> list[float]:
        return [getattr(sample, figure) for sample in self.samples.get(key, [])]

    def middle(self, key: Key, figure: str) -> float | None:
        values = self.values(key, figure)
        return median(values) if values else None

    def ratio(self, ours: Key, theirs: Key, figure: str) -> float | None:
        """The median of the ratios of each round: rounds are apart in time, and the machine's speed changes with it."""
        by_round = {sample.round: getattr(sample, figure) for sample in self.samples.get(theirs, [])}
        ratios = [
            getattr(sample, figure) / by_round[sample.round]
            for sample in self.samples.get(ours, [])
            if by_round.get(sample.round)
        ]
        return median(ratios) if ratios else None

    def p99(self, key: Key) -> float | None:
        values = [latency.p99 for latency in self.latencies.get(key, [])]
        return median(values) if values else None

    def write_raw(self, path: Path) -> None:
        """Every single figure, for whoever wants to look closer."""
        rows = [
            {"workers": workers, "scenario": scenario, "contestant": contestant, **asdict(sample)}
            for (workers, scenario, contestant), samples in self.samples.items()
            for sample in samples
        ]
        delays = [
            {"workers": workers, "scenario": scenario, "contestant": contestant, **asdict(latency)}
            for (workers, scenario, contestant), latencies in self.latencies.items()
            for latency in latencies
        ]
        idle = [{"scenario": s, "contestant": c, "over": o, "kib": values} for (s, c, o), values in self.idle.items()]
        raw = {"samples": rows, "latencies": delays, "idle": idle, "starts": [asdict(start) for start in self.starts]}
        raw["reloads"] = [asdict(sample) for sample in self.reloads]
        path.write_text(json.dumps(raw, indent=1))
