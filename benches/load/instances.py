"""Running contestants: started when first needed, checked once, kept until the end.

Never gives out an instance that answered wrongly.
"""

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from contestant import Contestant, Placement
from correctness import Wrong, check, ready
from processes import Server
from scenarios import USUAL_CONSUMER_KEYS

LONGEST_START_SECONDS = 120
SETTLE_SECONDS = 0.5


@dataclass
class Instance:
    contestant: Contestant
    placement: Placement
    server: Server
    ready_seconds: float
    idle_mib: float

    def empty_logs(self) -> None:
        for name in self.contestant.logs:
            path = self.placement.folder / name
            if path.exists():
                os.truncate(path, 0)


class Instances:
    """All that this run has started, so that all of it can be ended."""

    def __init__(self, scratch: Path, materials: Path, backend_port: int, peer_logs: bool):
        self.scratch, self.materials = scratch, materials
        self.backend_port, self.peer_logs = backend_port, peer_logs
        self.kept: dict[tuple[str, int, int], Instance | Wrong] = {}
        self.started: list[Server] = []
        self.count = 0

    def start(self, contestant: Contestant, workers: int, consumer_keys: int) -> Instance:
        """A new one, ready to serve; the caller stops it."""
        self.count += 1
        folder = self.scratch / "instances" / f"{self.count}-{contestant.name}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        placement = Placement(folder, self.materials, workers, consumer_keys, self.backend_port, self.peer_logs)
        command = contestant.command(placement)
        begun = time.monotonic()
        server = Server(command, folder)
        self.started.append(server)
        while not ready(placement.plain_port):
            if not server.alive() or time.monotonic() - begun > LONGEST_START_SECONDS:
                server.stop()
                last = server.log.read_text(errors="replace").strip().splitlines()[-3:]
                raise Wrong(f"did not start: {' '.join(last)[:300]}")
            time.sleep(0.02)
        ready_seconds = time.monotonic() - begun
        if consumer_keys != USUAL_CONSUMER_KEYS:
            print(f"  {contestant.name} ready with {consumer_keys:,} consumer keys after {ready_seconds:.1f} s", flush=True)
        time.sleep(SETTLE_SECONDS)
        return Instance(contestant, placement, server, ready_seconds, server.memory_mib())

    def find(self, contestant: Contestant, workers: int, consumer_keys: int) -> Instance:
        """The kept one; raises `Wrong` again for one that failed before."""
        key = (contestant.name, workers, consumer_keys)
        if key not in self.kept:
            try:
                self.kept[key] = self.checked(contestant, workers, consumer_keys)
            except Wrong as wrong:
                self.kept[key] = wrong
        found = self.kept[key]
        if isinstance(found, Wrong):
            raise found
        return found

    def checked(self, contestant: Contestant, workers: int, consumer_keys: int) -> Instance:
        instance = self.start(contestant, workers, consumer_keys)
        if contestant.lets_everyone_in:
            return instance
        try:
            check(instance.placement, tls=consumer_keys == USUAL_CONSUMER_KEYS)
        except Wrong:
            instance.server.stop()
            raise
        return instance

    def stop_all(self) -> None:
        for server in self.started:
            if server.alive():
                server.stop()
