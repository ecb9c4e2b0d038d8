"""Starts servers, reads what they cost from /proc, and ends them by process id.

Never ends a process that this run did not start, and never waits without an end.
"""

import os
import re
import signal
import socket
import subprocess
from pathlib import Path
from typing import NamedTuple

LONGEST_LIFE_SECONDS = 4 * 3600
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def output_of(command: list[str], seconds: float = 30) -> str:
    """What a short command prints on both streams; empty when it does not exist."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr


class CpuTime(NamedTuple):
    """Microseconds."""

    user: float
    kernel: float


class Server:
    """One server and all its children. It ends with this program, whatever becomes of it."""

    def __init__(self, command: list[str], folder: Path):
        self.log = folder / "server.log"
        # `timeout` bounds its life, `setpriv` ties it to ours; neither is counted
        guarded = ["setpriv", "--pdeathsig", "TERM", "timeout", "--kill-after=5", str(LONGEST_LIFE_SECONDS), *command]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(guarded, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)

    def alive(self) -> bool:
        return self.process.poll() is None

    def members(self) -> list[int]:
        """The server's own process and its descendants."""
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                fields = _stat(int(entry.name))
                if fields:
                    parents[int(entry.name)] = int(fields[1])
        found, frontier = [], {self.process.pid}
        while frontier:
            frontier = {child for child, parent in parents.items() if parent in frontier}
            found.extend(frontier)
        return found

    def cpu_time(self) -> CpuTime:
        """Of the whole tree so far."""
        stats = [fields for fields in map(_stat, self.members()) if fields]
        user, kernel = (sum(int(fields[at]) for fields in stats) * 1_000_000 / TICKS_PER_SECOND for at in (11, 12))
        return CpuTime(user, kernel)

    def memory_mib(self) -> float:
        """Resident now; a page that children share is counted once."""
        return sum(_kib(f"/proc/{member}/smaps_rollup", "Pss") for member in self.members()) / 1024

    def forget_peak(self) -> None:
        for member in self.members():
            try:
                Path(f"/proc/{member}/clear_refs").write_text("5")
            except OSError:
                pass

    def peak_mib(self) -> float:
        """The most that was resident since `forget_peak`, summed over the tree; shared pages are counted for each."""
        return sum(_kib(f"/proc/{member}/status", "VmHWM") for member in self.members()) / 1024

    def stop(self) -> None:
        members = self.members()
        self.process.terminate()
        try:
            self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            for member in members:
                try:
                    os.kill(member, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.kill()
            self.process.wait(timeout=5)


def _stat(process: int) -> list[str] | None:
    """The fields of /proc/<id>/stat after the name, which may hold spaces: state, parent, ..."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _kib(path: str, field: str) -> int:
    try:
        found = re.search(rf"^{field}:\s+(\d+) kB", Path(path).read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found.group(1)) if found else 0
