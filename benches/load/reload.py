"""S10: what requests at a fixed rate notice while the gateway reads its files again and again.

Never compares with a peer: each of them reloads by starting new processes or not at all.
"""

import http.client
import threading
import time

from generators import Latency, at_rate
from instances import Instance
from scenarios import Scenario

RELOADS_PER_SECOND = 10
PATIENCE_SECONDS = 60


class Reloading:
    """Asks for reloads on a schedule, one after the other: a slow one makes the next one late."""

    def __init__(self, port: int):
        self.port = port
        self.done = 0
        self.refused: list[str] = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.ask, daemon=True)

    def __enter__(self) -> "Reloading":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.thread.join(PATIENCE_SECONDS)

    def ask(self) -> None:
        while not self.stopping.is_set():
            begun = time.monotonic()
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
            try:
                connection.request("POST", "/reload")
                answer = connection.getresponse()
                body = answer.read()
                if answer.status == 200:
                    self.done += 1
                else:
                    self.refused.append(f"{answer.status} {body[:100]!r}")
            except (OSError, http.client.HTTPException) as error:
                self.refused.append(repr(error))
            finally:
                connection.close()
            self.stopping.wait(max(0.0, 1 / RELOADS_PER_SECOND - (time.monotonic() - begun)))


def quiet_and_reloading(instance: Instance, scenario: Scenario, rate: float, seconds: int) -> tuple[Latency, Latency, float]:
    """Both latencies, and how many reloads a second were done."""
    placement = instance.placement
    quiet = at_rate(scenario, placement.plain_port, rate, seconds, placement.materials)
    with Reloading(placement.management_port) as reloading:
        begun = time.monotonic()
        disturbed = at_rate(scenario, placement.plain_port, rate, seconds, placement.materials)
        reloads = reloading.done / (time.monotonic() - begun)
    if reloading.refused:
        raise ConnectionError(f"reload: {reloading.refused[0]}")
    return quiet, disturbed, reloads
