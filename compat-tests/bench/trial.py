"""What steadiness and scale share: options, directories, open files, progress, and a table that is told twice."""

import argparse
import json
import os
import re
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
from judge import SIDES  # noqa: E402
from sides import both  # noqa: E402

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def options_of(usage, rows_option, more=()):
    """`rows_option` names what is chosen by a pattern."""
    parser = argparse.ArgumentParser(usage=usage)
    parser.add_argument("--quick", action="store_true", help="small and short: shows that it works; its figures mean nothing")
    parser.add_argument(rows_option, dest="wanted", default="", metavar="REGEX", help="only what this matches")
    parser.add_argument("--sides", default="", metavar="REGEX", help=f"only one of {', '.join(SIDES)}")
    parser.add_argument("--out", type=Path, default=TARGET / "bench", help="where results go")
    parser.add_argument("--data", type=Path, help="where servers have their directories")
    parser.add_argument("--binary", type=Path, help="a Rookeeper that is built already")
    parser.add_argument("--list", action="store_true", help="all names")
    for name, settings in more:
        parser.add_argument(name, **settings)
    return parser.parse_args()


class Trial:
    """One run: its servers and its generator. Results are kept after each step, so that nothing is lost with a run that is ended."""

    def __init__(self, options, name, amounts):
        # Ended from outside, it still ends what it started.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        self.name, self.amounts, self.quick = name, amounts, options.quick
        self.out = options.out.resolve()
        self.data = (options.data or self.out / "data").resolve()
        for folder in (self.out, self.data):
            folder.mkdir(parents=True, exist_ok=True)
        # Every server's directory is made there.
        tempfile.tempdir = str(self.data)
        self.began = time.monotonic()
        binary = options.binary.resolve() if options.binary else build()
        self.generator = Generator(binary)
        try:
            self.sides = [side for side in both(f"{binary} server") if re.search(options.sides, side.name)]
        except Skip as skip:
            sys.exit(f"{name}: {skip}")
        self.results = {"date": machine.today(), "machine": machine.facts(self.data), "quick": options.quick, "reference": "3.9.5",
                        "ours": machine.commit(ROOT), "notes": [], "rows": {}}
        self.say("; ".join(f"{key} {value}" for key, value in self.results["machine"].items()))

    def say(self, text):
        print(f"{time.monotonic() - self.began:7.1f} s  {text}", flush=True)

    def note(self, text):
        """Said, and part of the results, once."""
        if text not in self.results["notes"]:
            self.results["notes"].append(text)
            self.say(text)

    def put(self, row, side, told):
        self.results["rows"].setdefault(row, {}).setdefault(side.name, []).append(told)
        (self.out / f"{self.name}.json").write_text(json.dumps(self.results, indent=1))

    def descriptors(self, wanted):
        """Allows as many open files as are wanted, or as many as there can be; the children have it too."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        for limit in ((wanted, max(hard, wanted)), (hard, hard)):
            try:
                if limit[0] > soft:
                    resource.setrlimit(resource.RLIMIT_NOFILE, limit)
                break
            except (ValueError, OSError):
                continue
        found = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if found < wanted:
            self.note(f"ulimit -n is {found} here and cannot be raised to {wanted}: what needs more open files is cut to that")
        return found

    def end(self, text, plain):
        (self.out / f"{self.name}.md").write_text(text)
        print("\n" + plain)
        print(f"{self.name}.json and {self.name}.md are in {self.out}", flush=True)
        missing = [f"{row}, {side}: {one['error']}" for row, sides in self.results["rows"].items() for side, told in sides.items()
                   for one in told if "error" in one]
        for failure in missing:
            print(f"not measured: {failure}")
        sys.exit(1 if missing else 0)


def build():
    subprocess.run(["cargo", "build", "--quiet", "--release", "--package", "rookeeper"], cwd=ROOT, check=True)
    return TARGET.resolve() / "release" / "rookeeper"


def mntr(server, name):
    """One number of `mntr`; none when the server does not tell it."""
    from harness import four_letters
    found = re.search(rf"^zk_{name}\t(-?[\d.]+)", four_letters(server.port, "mntr", 5), re.M)
    return float(found.group(1)) if found else None


def until(holds, seconds, what, every=0.05):
    """Waits for it; the error says what has not happened."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"{what} within {seconds:.0f} s: this has not happened")
        time.sleep(every)


def plain(header, lines, left=1):
    """A table for a terminal; the first columns are text."""
    lines = [header, *lines]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join("  ".join(cell.ljust(width) if column < left or column == len(header) - 1 else cell.rjust(width)
                               for column, (cell, width) in enumerate(zip(line, widths))).rstrip() for line in lines)


def about(results):
    """Machine, date and notes."""
    told = results["machine"]
    lines = [f"{results['date']}, {told['cpu']}, {told['cores']} cores, {told['memory_gb']} GB, Linux {told['kernel']}, {told['disk']}; "
             f"Apache {results['reference']}, Rookeeper {results['ours']}; the load on the same machine."]
    if results["quick"]:
        lines.append("A quick run, which shows that the tool works; its figures mean nothing.")
    return lines + results["notes"]
