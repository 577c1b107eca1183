"""Apache ZooKeeper 3.9.5 and Rookeeper in turn on the rows of the performance targets, and what they say of the two.

    scripts/bench [--quick] [--rounds N] [--rows REGEX] [--out FOLDER] [--data FOLDER] [--binary FILE] [--readme] [--from FILE] [--list]

Writes results.json, table.md and chart.svg to the folder (target/bench). Ends with 1 when a row could not be measured, whatever the verdicts are."""

import argparse
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), *(str(HERE.parent / folder) for folder in ("lib", "ensembles", "faults"))]
import chart  # noqa: E402
import machine  # noqa: E402
import tables  # noqa: E402
from generator import Generator, metrics_of  # noqa: E402
from harness import ROOT, Skip  # noqa: E402
from judge import ECHO, ECHOES, SIDES, SYNC, rails, summary, verdicts  # noqa: E402
from rows import QUICK, SCENARIOS, WHOLE, Lab  # noqa: E402
from sides import both  # noqa: E402

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
README, README_CHART = ROOT / "README.md", "compat-tests/bench/chart.svg"


def main():
    options = arguments()
    # Ended from outside, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if options.list:
        print("\n".join(row for scenario in SCENARIOS for row in scenario.rows))
        return
    if options.again:
        results = json.loads(Path(options.again).read_text())
    else:
        results = Run(options).all()
    write(results, options)
    sys.exit(1 if failures(results) else 0)


def arguments():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, short and small: shows that it works")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--rows", default="", help="only rows that this matches")
    parser.add_argument("--out", type=Path, default=TARGET / "bench", help="where results go")
    parser.add_argument("--data", type=Path, help="where servers have their directories")
    parser.add_argument("--binary", type=Path, help="a Rookeeper that is built already")
    parser.add_argument("--readme", action="store_true", help="puts table and chart into README.md")
    parser.add_argument("--from", dest="again", help="tells the results of a run again")
    parser.add_argument("--list", action="store_true", help="all rows")
    return parser.parse_args()


class Run:
    """The rounds. Results are written after each row, so that nothing is lost with a run that is ended."""

    def __init__(self, options):
        self.amounts = QUICK if options.quick else WHOLE
        self.rounds = options.rounds or self.amounts.rounds
        self.out = options.out.resolve()
        self.data = (options.data or self.out / "data").resolve()
        self.data.mkdir(parents=True, exist_ok=True)
        # Every server's directory is made there.
        tempfile.tempdir = str(self.data)
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        binary = options.binary.resolve() if options.binary else build()
        self.generator, self.began = Generator(binary), time.monotonic()
        try:
            self.sides = both(f"{binary} server")
        except Skip as skip:
            sys.exit(f"bench: {skip}")
        wanted = re.compile(options.rows)
        self.scenarios = [scenario for scenario in SCENARIOS if any(wanted.search(row) for row in scenario.rows)]
        self.results = {"date": machine.today(), "machine": machine.facts(self.data), "quick": options.quick, "rounds": self.rounds,
                        "reference": "3.9.5", "ours": machine.commit(ROOT), "limits": {}, "rows": {}}
        self.lab = Lab(self.generator, self.amounts, lambda text: self.say(f"    {text}"))

    def all(self):
        self.say("; ".join(f"{name} {value}" for name, value in self.results["machine"].items()))
        for number in range(1, self.rounds + 1):
            self.say(f"round {number} of {self.rounds}")
            self.limits()
            for scenario in self.scenarios:
                # Whoever was first is second in the next round.
                for side in self.sides if number % 2 else reversed(self.sides):
                    self.measure(scenario, side)
                    self.keep()
        return self.results

    def limits(self):
        amounts = self.amounts
        echo = {name: metrics_of(self.generator.echo(amounts.seconds / 2, amounts.warm_up / 2, connections=connections, depth=depth))
                for name, connections, depth in ((ECHO, 1, 1), (ECHOES, 50, 16))}
        for name, metrics in {**echo, SYNC: machine.syncs(self.data, amounts.sync_seconds)}.items():
            self.results["limits"].setdefault(name, []).append({"metrics": metrics})
            self.tell(name, "", metrics)

    def measure(self, scenario, side):
        missing = list(scenario.rows)
        try:
            for row, metrics, raw in scenario.measure(self.lab, side):
                missing.remove(row)
                self.entries(row, side).append({"metrics": metrics, "raw": raw})
                self.tell(row, side.name, metrics)
        except Exception as error:  # the other rows are measured nevertheless
            for row in missing:
                self.entries(row, side).append({"error": f"{type(error).__name__}: {error}"})
                self.say(f"  {row:<40} {side.name:<10} not measured: {error}")

    def entries(self, row, side):
        return self.results["rows"].setdefault(row, {name: [] for name in SIDES})[side.name]

    def tell(self, row, side, metrics):
        told = "  ".join(f"{what.label} {tables.with_unit(name, metrics[name])}" for name, what in tables.METRICS.items() if name in metrics)
        self.say(f"  {row:<40} {side:<10} {told}")

    def say(self, text):
        print(f"{time.monotonic() - self.began:7.1f} s  {text}", flush=True)

    def keep(self):
        (self.out / "results.json").write_text(json.dumps(self.results, indent=1))


def build():
    subprocess.run(["cargo", "build", "--quiet", "--release", "--package", "rookeeper"], cwd=ROOT, check=True)
    return TARGET.resolve() / "release" / "rookeeper"


def failures(results):
    return [f"{row}, {side}: {measured['error']}" for row, sides in results["rows"].items() for side in sides
            for measured in sides[side] if "error" in measured]


def write(results, options):
    rows, limits = summary(results)
    judged, railed = verdicts(rows, limits), rails(rows, limits)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "table.md").write_text(tables.markdown(results, rows, limits, judged, railed))
    (options.out / "chart.svg").write_text(chart.svg(judged))
    if options.readme:
        block = tables.markdown(results, rows, limits, judged, railed, README_CHART)
        README.write_text(tables.put_between(README.read_text(), block))
        shutil.copy(options.out / "chart.svg", ROOT / README_CHART)
    print("\n" + "\n".join([*tables.about(results), "", tables.plain(judged), "", tables.tally(judged), *tables.rails_text(railed)]))
    for failure in failures(results):
        print(f"not measured: {failure}")
    print(f"results.json, table.md and chart.svg are in {options.out}", flush=True)


if __name__ == "__main__":
    main()
