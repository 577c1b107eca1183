"""What steadiness and scale share beside the workbench: options, results that are kept, looks at a server, and what is told first."""

import argparse
import json
import re
import sys
import time

from workbench import Workbench, add_options, allow_open_files, failures

import machine
from harness import ROOT, mntr
from judge import SIDES
from tables import QUICK_RUN, circumstances


def options_of(usage, rows_option, more=()):
    """`rows_option` names what is chosen by a pattern."""
    parser = argparse.ArgumentParser(usage=usage)
    parser.add_argument("--quick", action="store_true", help="small and short: shows that it works; its figures mean nothing")
    parser.add_argument(rows_option, dest="wanted", default="", metavar="REGEX", help="only what this matches")
    parser.add_argument("--sides", default="", metavar="REGEX", help=f"only one of {', '.join(SIDES)}")
    add_options(parser)
    parser.add_argument("--list", action="store_true", help="all names")
    for name, settings in more:
        parser.add_argument(name, **settings)
    return parser.parse_args()


class Trial(Workbench):
    """One run. Results are kept after each step, so that nothing is lost with a run that is ended."""

    def __init__(self, options, name, amounts):
        super().__init__(options, name)
        self.name, self.amounts = name, amounts
        self.sides = [side for side in self.sides if re.search(options.sides, side.name)]
        self.results = {"date": machine.today(), "machine": self.machine, "quick": options.quick, "reference": "3.9.5",
                        "ours": machine.commit(ROOT), "notes": [], "rows": {}}

    def note(self, text):
        """Said, and part of the results, once."""
        if text not in self.results["notes"]:
            self.results["notes"].append(text)
            self.say(text)

    def put(self, row, side, told):
        self.results["rows"].setdefault(row, {}).setdefault(side.name, []).append(told)
        (self.out / f"{self.name}.json").write_text(json.dumps(self.results, indent=1))

    def descriptors(self, wanted):
        """How many open files there may be: as many as are wanted, or a note says that they are fewer."""
        found = allow_open_files(wanted)
        if found < wanted:
            self.note(f"ulimit -n is {found} here and cannot be raised to {wanted}: what needs more open files is cut to that")
        return found

    def end(self, text, plain):
        (self.out / f"{self.name}.md").write_text(text)
        print("\n" + plain)
        print(f"{self.name}.json and {self.name}.md are in {self.out}", flush=True)
        missing = failures(self.results)
        for failure in missing:
            print(f"not measured: {failure}")
        sys.exit(1 if missing else 0)


def mntr_number(server, name):
    """None when the server does not tell it."""
    found = mntr(server.port, patience=5).get(f"zk_{name}")
    return None if found is None else float(found)


def until(holds, seconds, what, every=0.05):
    """Waits for it; the error says what has not happened."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"{what} within {seconds:.0f} s: this has not happened")
        time.sleep(every)


def about(results):
    """Date, machine and notes."""
    return [f"{circumstances(results)}; the load on the same machine.", *([QUICK_RUN] if results["quick"] else []), *results["notes"]]
