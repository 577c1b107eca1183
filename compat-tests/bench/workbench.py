"""What bench, steadiness and scale stand on: folders, both servers, the generator, open files, and what is said meanwhile.

It lets the modules of lib, ensembles and faults be found, so it is imported before them."""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), *(str(HERE.parent / folder) for folder in ("lib", "ensembles", "faults"))]
import machine  # noqa: E402
from generator import Generator  # noqa: E402
from harness import ROOT, Skip  # noqa: E402
from sides import both  # noqa: E402

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def add_options(parser):
    """Those that a workbench heeds."""
    parser.add_argument("--out", type=Path, default=TARGET / "bench", help="where results go")
    parser.add_argument("--data", type=Path, help="where servers have their directories")
    parser.add_argument("--binary", type=Path, help="a Rookeeper that is built already")


class Workbench:
    """Where one run has its servers and its load; its name is for what goes wrong before it begins."""

    def __init__(self, options, name):
        # Ended from outside, it still ends what it started.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        self.out = options.out.resolve()
        self.data = (options.data or self.out / "data").resolve()
        for folder in (self.out, self.data):
            folder.mkdir(parents=True, exist_ok=True)
        # Every server's directory is made there.
        tempfile.tempdir = str(self.data)
        binary = options.binary.resolve() if options.binary else build()
        self.generator, self.began = Generator(binary), time.monotonic()
        try:
            self.sides = both(f"{binary} server")
        except Skip as skip:
            sys.exit(f"{name}: {skip}")
        self.machine = machine.facts(self.data)
        self.say("; ".join(f"{key} {value}" for key, value in self.machine.items()))

    def say(self, text):
        print(f"{time.monotonic() - self.began:7.1f} s  {text}", flush=True)


def build():
    subprocess.run(["cargo", "build", "--quiet", "--release", "--package", "rookeeper"], cwd=ROOT, check=True)
    return TARGET.resolve() / "release" / "rookeeper"


def allow_open_files(wanted=None):
    """Allows as many as are wanted, or else as many as there can be; the children have it too. How many they are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if wanted is None else wanted
    for limit in ((wanted, max(hard, wanted)), (hard, hard)):
        try:
            if limit[0] > soft:
                resource.setrlimit(resource.RLIMIT_NOFILE, limit)
            break
        except (ValueError, OSError):
            continue
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def failures(results):
    """What could not be measured, and why."""
    return [f"{row}, {side}: {one['error']}" for row, sides in results["rows"].items() for side, told in sides.items() for one in told if "error" in one]
