"""What a contestant is: a name, a version, and how it is started for a placement.

Never measures; the files of the contestants say only how each is configured to do the same.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from processes import free_port


@dataclass(frozen=True)
class Placement:
    """Where one instance stands, and what it is to know."""

    folder: Path
    materials: Path
    workers: int
    consumer_keys: int
    backend_port: int
    # the peers write a line for each request, too
    peer_logs: bool
    plain_port: int = field(default_factory=free_port)
    tls_port: int = field(default_factory=free_port)
    # HTTP/2 by prior knowledge
    http2_port: int = field(default_factory=free_port)
    management_port: int = field(default_factory=free_port)

    def port(self, tls: bool, http2: bool = False) -> int:
        if tls:
            return self.tls_port
        return self.http2_port if http2 else self.plain_port


@dataclass(frozen=True)
class Contestant:
    name: str
    note: str
    version: Callable[[], str]
    # writes its files into the placement's folder and tells the command
    command: Callable[[Placement], list[str]]
    # why it cannot run here; None when it can
    missing: Callable[[], str | None]
    # grows with each request and is emptied between rounds
    logs: tuple[str, ...] = ()
    # judges no token, so that it cannot be asked whether it does so rightly
    lets_everyone_in: bool = False
