"""The interleaved rounds: within a round every contestant meets every scenario, so that the weather is the same for all.

Never stops a run because one contestant failed: it is named and left out of that scenario.
"""

import resource
from dataclasses import dataclass, replace
from pathlib import Path

from changes import Changing, witness_tokens
from contestant import Contestant
from correctness import Wrong
from direct import DIRECT
from generators import LoadFailed, at_rate, run
from idle import ConnectionsLost, kib_per_connection
from instances import Instance, Instances
from reload import quiet_and_reloading
from results import ChangeSample, ReloadSample, Results, Sample, Start
from scenarios import USUAL_CONSUMER_KEYS, IdleScenario, Scenario

# how much of its capacity a contestant needs to spare to be asked for its latency at the rate
HEADROOM = 1.2
SHARE_OF_CAPACITY = 0.5
# a machine that has room: what is asked is what a reload takes from requests, not what a full machine does
SHARE_BESIDE_RELOADS = 0.2
# rounds beside reloads lie further apart than others, and their median needs more of them
ROUNDS_BESIDE_RELOADS = 7
# a reload with a million consumer keys takes seconds
RELOADING_SECONDS = 8
CHANGING_SECONDS = 20
# the rows by number of connections are many
CONNECTION_CONTESTANTS = ("portcullis", "haproxy")
CONNECTION_ROUNDS = 2


@dataclass
class Measurement:
    instances: Instances
    results: Results
    contestants: list[Contestant]
    materials: Path
    seconds: int
    warm: set[tuple[int, str, str]]

    def rounds(self, count: int, workers: int, scenarios: list[Scenario]) -> None:
        for number in range(count):
            print(f"round {number + 1} of {count}, {workers} worker{'s' if workers > 1 else ''}", flush=True)
            for scenario in scenarios:
                # nobody is always first
                turn = number % max(1, len(self.contestants))
                for contestant in self.contestants[turn:] + self.contestants[:turn]:
                    self.attempt(number, workers, scenario, contestant)

    def attempt(self, number: int, workers: int, scenario: Scenario, contestant: Contestant) -> None:
        key = (workers, scenario.name, contestant.name)
        try:
            if scenario.anew:
                instance = self.instances.start(contestant, workers, scenario.consumer_keys)
                try:
                    sample = self.sample(number, scenario, instance)
                finally:
                    instance.server.stop()
            else:
                instance = self.instances.find(contestant, workers, scenario.consumer_keys)
                if key not in self.warm:
                    self.warm.add(key)
                    self.sample(number, scenario, instance)
                sample = self.sample(number, scenario, instance)
        except (Wrong, LoadFailed) as error:
            self.results.leave_out(f"{contestant.name}, {scenario.name}, workers {workers}: {error}")
            return
        self.results.add(key, sample)
        print(
            f"  {scenario.name:<9} {contestant.name:<11} {sample.requests_per_second:>9,.0f}/s {sample.cpu_microseconds:>8.1f} us, {sample.kernel_microseconds:.1f} in the kernel"
            f"{' (tokens came again)' if sample.tokens_came_again else ''}",
            flush=True,
        )

    def sample(self, number: int, scenario: Scenario, instance: Instance) -> Sample:
        instance.server.forget_peak()
        before = instance.server.cpu_time()
        count = run(scenario, instance.placement.port(scenario.tls, scenario.http2), scenario.seconds or self.seconds, self.materials)
        after = instance.server.cpu_time()
        kernel = (after.kernel - before.kernel) / count.requests
        cpu = kernel + (after.user - before.user) / count.requests
        peak = instance.server.peak_mib()
        instance.empty_logs()
        again = scenario.anew and count.again > 0
        return Sample(number, count.requests / count.seconds, cpu, kernel, peak, again)

    def latencies(self, count: int, workers: int, scenarios: list[Scenario]) -> None:
        """All at one rate: half of what the slower of the first two contestants carries."""
        for scenario in (each for each in scenarios if each.latency):
            capacities = {
                contestant.name: self.results.middle((workers, scenario.name, contestant.name), "requests_per_second")
                for contestant in self.contestants
            }
            known = [capacities[contestant.name] for contestant in self.contestants[:2] if capacities[contestant.name]]
            if not known:
                continue
            rate = min(known) * SHARE_OF_CAPACITY
            self.results.rates[workers, scenario.name] = rate
            for _ in range(count):
                for contestant in self.contestants:
                    capacity = capacities[contestant.name]
                    if capacity and capacity >= rate * HEADROOM:
                        self.latency(workers, scenario, contestant, rate)
                    elif capacity:
                        self.results.leave_out(f"{contestant.name}, {scenario.name}, workers {workers}: cannot hold {rate:,.0f}/s for latency")

    def latency(self, workers: int, scenario: Scenario, contestant: Contestant, rate: float) -> None:
        key = (workers, scenario.name, contestant.name)
        try:
            instance = self.instances.find(contestant, workers, scenario.consumer_keys)
            found = at_rate(scenario, instance.placement.port(scenario.tls), rate, max(2, self.seconds), self.materials)
        except (Wrong, LoadFailed) as error:
            self.results.leave_out(f"{contestant.name}, latency of {scenario.name}, workers {workers}: {error}")
            return
        instance.empty_logs()
        self.results.latencies.setdefault(key, []).append(found)
        print(f"  {scenario.name:<9} {contestant.name:<11} p50 {found.p50:,.0f}, p99 {found.p99:,.0f}, p99.9 {found.p999:,.0f} us", flush=True)

    def by_connections(self, count: int, workers: int, scenarios: list[Scenario]) -> None:
        """Beside the backend itself; warm after the first scenarios, and in fewer rounds, because there are many."""
        some = [each for each in self.contestants if each.name in CONNECTION_CONTESTANTS]
        within = replace(self, contestants=[*some, DIRECT])
        within.warm = {(workers, scenario.name, each.name) for scenario in scenarios for each in within.contestants}
        within.rounds(min(count, CONNECTION_ROUNDS), workers, scenarios)

    def changes(self, count: int, workers: int, scenario: Scenario) -> None:
        """Portcullis alone, like `reloads`; anew, because its files are changed."""
        ours = next((each for each in self.contestants if each.name == "portcullis"), None)
        if ours is None:
            return
        token = (self.materials / witness_tokens(scenario.consumer_keys).file_name).read_text().split()[1]
        try:
            instance = self.instances.start(ours, workers, scenario.consumer_keys)
        except Wrong as error:
            self.results.leave_out(f"portcullis, {scenario.name}: {error}")
            return
        try:
            port, seconds = instance.placement.plain_port, max(CHANGING_SECONDS, self.seconds)
            self.sample(0, scenario, instance)
            rate = self.sample(0, scenario, instance).requests_per_second * SHARE_BESIDE_RELOADS
            for _ in range(max(count, ROUNDS_BESIDE_RELOADS)):
                quiet = at_rate(scenario, port, rate, seconds, self.materials)
                with Changing(instance, token) as changing:
                    disturbed = at_rate(scenario, port, rate, seconds, self.materials)
                pace = changing.pace()
                if changing.trouble or pace is None:
                    raise ConnectionError(changing.trouble[0] if changing.trouble else "fewer than two reloads in time")
                self.results.changes.append(ChangeSample(rate, quiet, disturbed, pace))
                instance.empty_logs()
                print(
                    f"  {scenario.name:<9} p99 {quiet.p99:,.0f} us quiet, {disturbed.p99:,.0f} us with {pace.changes_per_second:,.0f} changes/s,"
                    f" {pace.changes_per_reload:,.0f} in each reload",
                    flush=True,
                )
        except (LoadFailed, ConnectionError) as error:
            self.results.leave_out(f"portcullis, {scenario.name}: {error}")
        finally:
            instance.server.stop()

    def idle(self, workers: int, scenarios: list[IdleScenario]) -> None:
        for scenario in scenarios:
            for contestant in self.contestants:
                for over in ("plain", "TLS"):
                    try:
                        instance = self.instances.start(contestant, workers, USUAL_CONSUMER_KEYS)
                    except Wrong as error:
                        self.results.leave_out(f"{contestant.name}, {scenario.name}: {error}")
                        continue
                    try:
                        found = kib_per_connection(instance, scenario.connections, over == "TLS")
                        self.results.idle.setdefault((scenario.name, contestant.name, over), []).append(found)
                        print(f"  {scenario.name:<9} {contestant.name:<11} {over:<5} {found:6.1f} KiB a connection", flush=True)
                    except ConnectionsLost as error:
                        self.results.leave_out(f"{contestant.name}, {scenario.name}, {over}: {error}")
                    finally:
                        instance.server.stop()

    def reloads(self, count: int, workers: int, scenario: Scenario) -> None:
        """Portcullis alone, at a fifth of what it carries quietly."""
        ours = next((each for each in self.contestants if each.name == "portcullis"), None)
        if ours is None:
            return
        try:
            instance = self.instances.find(ours, workers, scenario.consumer_keys)
            self.sample(0, scenario, instance)
            rate = self.sample(0, scenario, instance).requests_per_second * SHARE_BESIDE_RELOADS
            for _ in range(max(count, ROUNDS_BESIDE_RELOADS)):
                quiet, disturbed, reloads = quiet_and_reloading(instance, scenario, rate, max(RELOADING_SECONDS, self.seconds))
                self.results.reloads.append(ReloadSample(rate, quiet, disturbed, reloads))
                instance.empty_logs()
                print(f"  {scenario.name:<9} p99 {quiet.p99:,.0f} us quiet, {disturbed.p99:,.0f} us with {reloads:.1f} reloads/s", flush=True)
        except (Wrong, LoadFailed, ConnectionError) as error:
            self.results.leave_out(f"portcullis, {scenario.name}: {error}")

    def note_starts(self) -> None:
        """How long the kept instances took to be ready, and what they held before the first load."""
        for (name, workers, consumer_keys), instance in self.instances.kept.items():
            if isinstance(instance, Instance):
                self.results.starts.append(Start(name, workers, consumer_keys, instance.ready_seconds, instance.idle_mib))


def raise_file_limit() -> None:
    """Ten thousand idle connections need as many descriptors, here and, by inheritance, in the contestants."""
    wanted = 65536
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
    except (ValueError, OSError):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
