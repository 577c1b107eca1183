"""Apache ZooKeeper 3.9.5 and Rookeeper in turn on the rows of the performance targets, and what they say of the two.

    scripts/bench [--quick] [--rounds N] [--rows REGEX] [--out FOLDER] [--data FOLDER] [--binary FILE] [--readme] [--from FILE] [--list]

Writes results.json, table.md and chart.svg to the folder (target/bench). Ends with 1 when a row could not be measured, whatever the verdicts are."""

import argparse
import json
import re
import shutil
import sys
from pathlib import Path

from workbench import Workbench, add_options, allow_open_files, failures

import chart
import machine
import tables
from generator import metrics_of
from harness import ROOT
from judge import ECHO, ECHOES, SIDES, SYNC, rails, summary, verdicts
from rows import QUICK, SCENARIOS, WHOLE, Lab

README, README_CHART = ROOT / "README.md", "compat-tests/bench/chart.svg"


def main():
    options = arguments()
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
    add_options(parser)
    parser.add_argument("--readme", action="store_true", help="puts table and chart into README.md")
    parser.add_argument("--from", dest="again", help="tells the results of a run again")
    parser.add_argument("--list", action="store_true", help="all rows")
    return parser.parse_args()


class Run(Workbench):
    """The rounds. Results are written after each row, so that nothing is lost with a run that is ended."""

    def __init__(self, options):
        super().__init__(options, "bench")
        allow_open_files()
        self.amounts = QUICK if options.quick else WHOLE
        self.rounds = options.rounds or self.amounts.rounds
        wanted = re.compile(options.rows)
        self.scenarios = [scenario for scenario in SCENARIOS if any(wanted.search(row) for row in scenario.rows)]
        self.results = {"date": machine.today(), "machine": self.machine, "quick": options.quick, "rounds": self.rounds,
                        "reference": "3.9.5", "ours": machine.commit(ROOT), "limits": {}, "rows": {}}
        self.lab = Lab(self.generator, self.amounts, lambda text: self.say(f"    {text}"))

    def all(self):
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

    def keep(self):
        (self.out / "results.json").write_text(json.dumps(self.results, indent=1))


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
