"""How many instructions an operation of each hot way takes, beside what the list in the repository says.

Unlike times, instructions do not depend on what else the machine does. Each way runs with some operations and with twice as
many; the difference is without set-up. Another compiler or another kind of processor gives other numbers, so nothing fails here."""

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LIST = HERE / "instructions.txt"
# What grew by more than this is marked.
GROWTH_PERCENT = 10
COUNT = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
COLLECTED = re.compile(r"Collected\s*:\s*(\d+)")


@dataclass(frozen=True)
class Counted:
    way: str
    now: float
    listed: float | None

    @property
    def change(self):
        """In percent of what is listed."""
        return None if not self.listed else (self.now - self.listed) * 100 / self.listed

    @property
    def mark(self):
        if self.change is None:
            return "not listed"
        return "GREW" if self.change > GROWTH_PERCENT else "fell" if self.change < -GROWTH_PERCENT else ""


def per_operation(once, twice, operations):
    """Instructions of one operation, from a run with so many and one with twice as many."""
    return (twice - once) / operations


def collected(told):
    """The total that callgrind tells at its end."""
    found = COLLECTED.search(told)
    if not found:
        raise ValueError(f"callgrind tells no count: {told[-300:]}")
    return int(found[1])


def parse(text):
    """The list: by which compiler it was made, and instructions by way."""
    lines = [line.strip() for line in text.splitlines()]
    made_by = next((line[2:] for line in lines if line.startswith("# rustc ")), "")
    pairs = [line.split() for line in lines if line and not line.startswith("#")]
    return made_by, {way: float(count) for way, count in pairs}


def listed(made_by, counts):
    """The same as text."""
    head = "# Instructions of one operation of each hot way; written by scripts/instructions --write.\n"
    return f"{head}# {made_by}\n" + "".join(f"{way} {count:.0f}\n" for way, count in counts.items())


def row(one):
    before = "–" if one.listed is None else f"{one.listed:,.0f}"
    change = "" if one.change is None else f"{round(one.change, 1) + 0:+.1f} %"
    return f"{one.way:<22} {one.now:>16,.0f} {before:>16} {change:>9}  {one.mark}".rstrip()


def heading():
    return f"{'way':<22} {'instructions/op':>16} {'listed':>16} {'change':>9}"


def verdict(all_counted, made_by, compiler):
    """What is said below the table."""
    grew = [one.way for one in all_counted if one.mark == "GREW"]
    said = [f"grew by more than {GROWTH_PERCENT} %: {', '.join(grew)}" if grew else f"none grew by more than {GROWTH_PERCENT} %"]
    if made_by != compiler:
        said.append(f"the list was made with {made_by or 'an unknown compiler'}, this is {compiler}: expect differences")
    return "; ".join(said)


def compiler():
    told = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout.splitlines()
    host = next(line.split()[1] for line in told if line.startswith("host:"))
    return f"{' '.join(told[0].split()[:2])} {host}"


def count(binary, way, operations):
    ended = subprocess.run([*COUNT, binary, "--count", way, str(operations)], capture_output=True, text=True)
    if ended.returncode:
        raise RuntimeError(f"{way} ended with {ended.returncode}: {ended.stderr[-1000:]}")
    return collected(ended.stderr)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("binary", help="the built hot-ways")
    options.add_argument("--ways", default="", help="only those whose name has this")
    options.add_argument("--write", action="store_true", help="write the list anew")
    asked = options.parse_args()
    told = subprocess.run([asked.binary, "--ways"], capture_output=True, text=True, check=True).stdout
    ways = [line.split() for line in told.splitlines() if asked.ways in line.split()[0]]
    made_by, before = parse(LIST.read_text()) if LIST.exists() else ("", {})
    print(heading(), flush=True)
    all_counted = []
    for way, number in ways:
        operations = int(number)
        now = per_operation(count(asked.binary, way, operations), count(asked.binary, way, 2 * operations), operations)
        all_counted.append(Counted(way, now, before.get(way)))
        print(row(all_counted[-1]), flush=True)
    print(verdict(all_counted, made_by, compiler()))
    if asked.write:
        LIST.write_text(listed(compiler(), before | {one.way: one.now for one in all_counted}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
