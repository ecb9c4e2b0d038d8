"""Writes the tables: what the terminal shows is what stands in benches/RESULTS.md.

Never leaves a figure without its spread, nor a gap without a reason.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from aims import Verdict, against_aims, during_changes, during_reloads, two_against_one
from direct import DIRECT
from results import Results
from scenarios import IdleScenario, Scenario

NONE = "-"


@dataclass(frozen=True)
class Circumstances:
    date: str
    commit: str
    machine: str
    command: str
    rounds: int
    seconds: float
    peer_logs: bool
    # name -> (version, note)
    contestants: dict[str, tuple[str, str]]


def table(head: list[str], rows: list[list[str]]) -> str:
    """Columns padded, so that it can be read in a terminal as well."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in [head, *rows]]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def spread(values: list[float], shape: Callable[[float], str]) -> str:
    if not values:
        return NONE
    if len(values) == 1:
        return shape(values[0])
    return f"{shape(median(values))} ({shape(min(values))}..{shape(max(values))})"


def tenths(value: float) -> str:
    return f"{value:.1f}"


def whole(value: float) -> str:
    return f"{value:,.0f}"


def by_scenario(
    results: Results, workers: int, scenarios: list[Scenario], names: list[str], figure: str, shape: Callable[[float], str]
) -> str:
    rows = []
    for scenario in scenarios:
        cells = [spread(results.values((workers, scenario.name, name), figure), shape) for name in names]
        if any(cell != NONE for cell in cells):
            rows.append([scenario.name, scenario.title, *cells])
    return table(["", "scenario", *names], rows)


def ratios(results: Results, workers: int, scenarios: list[Scenario], names: list[str]) -> str:
    ours, peers = names[0], names[1:]
    rows = []
    for scenario in scenarios:
        cells = []
        for peer in peers:
            found = [
                results.ratio((workers, scenario.name, ours), (workers, scenario.name, peer), figure)
                for figure in ("cpu_microseconds", "requests_per_second")
            ]
            cells.append(NONE if None in found else " / ".join(f"{value:.2f}" for value in found))
        if any(cell != NONE for cell in cells):
            rows.append([scenario.name, *cells])
    return table(["", *(f"to {peer}" for peer in peers)], rows)


def latencies(results: Results, workers: int, scenarios: list[Scenario], names: list[str]) -> str:
    rows = []
    for scenario in scenarios:
        rate = results.rates.get((workers, scenario.name))
        for name in names:
            found = results.latencies.get((workers, scenario.name, name))
            if found and rate:
                figures = [spread([getattr(each, at) for each in found], whole) for at in ("p50", "p99", "p999")]
                held = median(each.achieved for each in found) / rate
                rows.append([scenario.name, f"{rate:,.0f}/s", name, *figures, f"{held:.0%}"])
    return table(["", "rate", "contestant", "p50 us", "p99 us", "p99.9 us", "of the rate held"], rows)


def starts(results: Results, names: list[str]) -> str:
    kinds = sorted({(start.workers, start.consumer_keys) for start in results.starts})
    rows = []
    for workers, consumer_keys in kinds:
        for name in names:
            found = [
                start for start in results.starts
                if (start.contestant, start.workers, start.consumer_keys) == (name, workers, consumer_keys)
            ]
            if found:
                ready = spread([start.ready_seconds for start in found], lambda seconds: f"{seconds:.2f}")
                rows.append([str(workers), f"{consumer_keys:,}", name, ready, spread([start.idle_mib for start in found], whole)])
    return table(["workers", "consumer keys", "contestant", "ready after s", "idle MiB"], rows)


def idle(results: Results, scenarios: list[IdleScenario], names: list[str]) -> str:
    rows = []
    for scenario in scenarios:
        for over in ("plain", "TLS"):
            cells = [spread(results.idle.get((scenario.name, name, over), []), tenths) for name in names]
            if any(cell != NONE for cell in cells):
                rows.append([scenario.name, f"{scenario.title}, {over}", *cells])
    return table(["", "KiB a connection", *names], rows)


def reloads(results: Results) -> str:
    rows = []
    for name, latencies in (
        ("quiet", [sample.quiet for sample in results.reloads]),
        ("during reloads", [sample.disturbed for sample in results.reloads]),
    ):
        figures = [spread([getattr(each, at) for each in latencies], whole) for at in ("p50", "p99", "p999")]
        rows.append([name, f"{results.reloads[0].rate:,.0f}/s", *figures])
    rows[1][0] += f", {median(sample.reloads_per_second for sample in results.reloads):.1f}/s"
    return table(["S10", "rate", "p50 us", "p99 us", "p99.9 us"], rows)


def changes(results: Results) -> str:
    rows = []
    for name, latencies in (
        ("quiet", [sample.quiet for sample in results.changes]),
        ("while they change", [sample.disturbed for sample in results.changes]),
    ):
        figures = [spread([getattr(each, at) for each in latencies], whole) for at in ("p50", "p99", "p999")]
        rows.append([name, f"{results.changes[0].rate:,.0f}/s", *figures])
    figures = {
        "changes a second": [sample.pace.changes_per_second for sample in results.changes],
        "in each reload": [sample.pace.changes_per_reload for sample in results.changes],
    }
    reached = ", ".join(f"{name} {spread(values, whole)}" for name, values in figures.items())
    reloads_per_second = spread([sample.pace.reloads_per_second for sample in results.changes], lambda rate: f"{rate:.2f}")
    return f"Reached: {reached}, reloads a second {reloads_per_second}.\n\n" + table(["S12", "rate", "p50 us", "p99 us", "p99.9 us"], rows)


def by_connections(results: Results, workers: int, scenarios: list[Scenario]) -> str:
    """The contestants that were measured there, the backend itself last."""
    names = list(dict.fromkeys(key[2] for key in results.samples if key[1] in {scenario.name for scenario in scenarios}))
    names.sort(key=lambda name: name == DIRECT.name)
    return "\n".join([
        "Requests per second:\n", by_scenario(results, workers, scenarios, names, "requests_per_second", whole),
        "\nCPU microseconds per request:\n", by_scenario(results, workers, scenarios, names, "cpu_microseconds", tenths),
    ])


def verdicts(found: list[Verdict]) -> str:
    return table(["aim", "measured", ""], [[each.aim, each.measured, "met" if each.met else "NOT MET"] for each in found])


def write(
    results: Results, said: Circumstances, workers: list[int], scenarios: list[Scenario], connections: list[Scenario],
    idle_scenarios: list[IdleScenario],
) -> str:
    names = list(said.contestants)
    logs = "write one, too" if said.peer_logs else "write none"
    text = [
        "# Results of the load rig\n",
        f"{said.date}, commit {said.commit}. {said.machine}. Load generator, backend and contestant share it.",
        f"`{said.command}`: {said.rounds} interleaved rounds of {said.seconds:g} s. Medians, in brackets the least and the most.",
        "Times mean something only beside each other, within one run. Portcullis writes an access log line for each request;",
        f"the peers {logs}. How to run it and what the scenarios are: [load/README.md](load/README.md).\n",
        table(["contestant", "version", "configured with"], [[name, *pair] for name, pair in said.contestants.items()]),
    ]
    for count in workers:
        some = [scenario for scenario in scenarios if any(key[:2] == (count, scenario.name) for key in results.samples)]
        if some:
            text += [f"\n## {count} worker{'s' if count > 1 else ''}"]
            text += ["\nCPU microseconds per request, user and system, of the contestant's processes:\n",
                     by_scenario(results, count, some, names, "cpu_microseconds", tenths)]
            text += ["\nOf them in the kernel:\n", by_scenario(results, count, some, names, "kernel_microseconds", tenths)]
            text += ["\nRequests per second:\n", by_scenario(results, count, some, names, "requests_per_second", whole)]
            if len(names) > 1:
                text += [f"\nRatios of {names[0]}, CPU per request / requests per second (medians of the ratios of each round):\n",
                         ratios(results, count, some, names)]
            text += ["\nMost memory during the scenario, MiB (an instance lives through all rounds and keeps what it has taken):\n", by_scenario(results, count, some, names, "peak_mib", whole)]
            if any(key[0] == count for key in results.latencies):
                text += ["\nLatency at a fixed rate, half of what the slower of the first two carries:\n",
                         latencies(results, count, some, names)]
    if any(key[1] == scenario.name for key in results.samples for scenario in connections):
        text += ["\n## By number of connections\n", by_connections(results, workers[0], connections)]
    if results.starts:
        text += ["\n## Start and idle memory\n", starts(results, names)]
    if results.idle:
        text += ["\n## Idle connections\n", idle(results, idle_scenarios, names)]
    if results.reloads:
        text += ["\n## Reloads, one after the other\n", reloads(results)]
    if results.changes:
        text += ["\n## Subscriptions that change\n", changes(results)]
    judged = [
        *against_aims(results, workers[0]), *during_reloads(results), *during_changes(results), *two_against_one(results),
    ]
    if judged:
        text += [f"\n## Against the aims, {workers[0]} worker{'s' if workers[0] > 1 else ''}\n", verdicts(judged)]
    if any(sample.tokens_came_again for samples in results.samples.values() for sample in samples):
        text += ["\nIn some rounds of S3 the tokens did not suffice and came again; those figures are too good."]
    if results.left_out:
        text += ["\n## Left out\n", *(f"- {what}" for what in results.left_out)]
    return "\n".join(text) + "\n"
