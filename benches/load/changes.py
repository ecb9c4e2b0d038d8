"""S12: subscriptions that change all the time while requests come at a fixed rate.

The files are read whole on each reload, so changes are collected: each reload carries those that fell due since the one
before it, 1,000 for each second. Never counts a reload whose changes a request does not notice.
"""

import http.client
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from correctness import ask
from instances import Instance
from portcullis import CHANGES
from reload import PATIENCE_SECONDS
from scenarios import PROTECTED_PATH, TokenSet

CHANGES_PER_SECOND = 1_000
# more than fall due while a million consumer keys are read
CHANGING_APPLICATIONS = 20_000
WRITER_NICENESS = 10


def witness_tokens(consumer_keys: int) -> TokenSet:
    """Two tokens, the second of which is that of the first changing application."""
    return TokenSet("RS256", 2, 2 * consumer_keys)


def write(folder: Path, consumer_keys: int, blocked: list[bool]) -> None:
    """Applications whose consumer keys follow those that never change; whole or not at all."""
    unfinished = folder / f"{CHANGES}.part"
    with unfinished.open("w") as file:
        for place, is_blocked in enumerate(blocked):
            number = consumer_keys + place
            file.write(
                f'[[applications]]\nname = "application-{number}"\n'
                f'keys = [{{ type = "production", key_manager = "issuer", consumer_key = "consumer-key-{number}" }}]\n'
                f'subscriptions = [{{ api = "a:1", status = "{"blocked" if is_blocked else "unblocked"}" }}]\n'
            )
    os.replace(unfinished, folder / CHANGES)


@dataclass(frozen=True)
class Applied:
    """One reload: how many changes it carried, and when it was done."""

    changes: int
    at: float


@dataclass(frozen=True)
class Pace:
    changes_per_second: float
    reloads_per_second: float
    changes_per_reload: float


class Changing:
    """Writes and reloads as fast as it will go, until it is left."""

    def __init__(self, instance: Instance, token: str):
        self.placement, self.token = instance.placement, token
        self.blocked = [False] * CHANGING_APPLICATIONS
        self.applied: list[Applied] = []
        self.trouble: list[str] = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.change, daemon=True)

    def __enter__(self) -> "Changing":
        self.begun = time.monotonic()
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.thread.join(PATIENCE_SECONDS)

    def change(self) -> None:
        # to write a file of 20,000 applications takes a processor from what is measured
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), WRITER_NICENESS)
        carried, place = self.begun, 1
        while not self.stopping.is_set() and not self.trouble:
            time.sleep(max(0.0, carried + 1 / CHANGES_PER_SECOND - time.monotonic()))
            now = time.monotonic()
            due = min(max(1, int((now - carried) * CHANGES_PER_SECOND)), CHANGING_APPLICATIONS)
            carried = now
            # the first one changes every time: it is the witness
            self.blocked[0] = not self.blocked[0]
            for _ in range(due - 1):
                self.blocked[place] = not self.blocked[place]
                place = place + 1 if place + 1 < CHANGING_APPLICATIONS else 1
            try:
                self.apply(due)
            except (OSError, http.client.HTTPException) as error:
                self.trouble.append(repr(error))

    def apply(self, changes: int) -> None:
        write(self.placement.folder, self.placement.consumer_keys, self.blocked)
        connection = http.client.HTTPConnection("127.0.0.1", self.placement.management_port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("POST", "/reload")
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            self.trouble.append(f"reload: {answer.status} {body[:100]!r}")
            return
        expected = 401 if self.blocked[0] else 200
        status, _ = ask(self.placement.plain_port, PROTECTED_PATH, self.token)
        if status != expected:
            self.trouble.append(f"a changed subscription is answered with {status}, not {expected}")
            return
        self.applied.append(Applied(changes, time.monotonic()))

    def pace(self) -> Pace | None:
        """From the end of the first reload to that of the last one; nothing when there were fewer than two."""
        if len(self.applied) < 2:
            return None
        lasted = self.applied[-1].at - self.applied[0].at
        later = [each.changes for each in self.applied[1:]]
        return Pace(sum(later) / lasted, len(later) / lasted, sum(later) / len(later))
