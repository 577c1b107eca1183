"""From rounds of figures to verdicts."""

import statistics
from dataclasses import dataclass

from targets import LONE_WRITES, METRICS, TARGETS

REFERENCE, OURS = SIDES = ("Apache", "Rookeeper")
ECHO, ECHOES, SYNC = LIMITS = ("echo server 1x1", "echo server 50x16", "fdatasync of 512 B")
COUNTED = {"failed": "no failed operation", "silent": "no second without a reply"}


@dataclass(frozen=True)
class Verdict:
    """A target beside what was measured. `says` is aim, must, MISSED, or - where a figure is missing."""
    target: object
    reference: float | None
    ours: float | None
    says: str


@dataclass(frozen=True)
class Rail:
    """A guard rail: what must hold, and what was seen."""
    row: str
    what: str
    holds: bool
    seen: str


def medians(rounds):
    """Of each metric over the rounds that have it."""
    found = {}
    for measured in rounds:
        for metric, value in measured.get("metrics", {}).items():
            found.setdefault(metric, []).append(value)
    return {metric: statistics.median(values) for metric, values in found.items()}


def summary(results):
    """The medians of each row and side, and of each limit."""
    rows = {row: {side: medians(sides.get(side, [])) for side in SIDES} for row, sides in results["rows"].items()}
    return rows, {name: medians(rounds) for name, rounds in results["limits"].items()}


def ratio(reference, ours):
    """Ours to the reference's; none where that makes no sense."""
    return ours / reference if reference and ours is not None and reference > 0 else None


def factor(metric, reference, ours):
    """How many times better ours is."""
    found = ratio(reference, ours)
    if found is None or found <= 0:
        return None
    return found if METRICS[metric].more else 1 / found


def holds(bound, metric, reference, ours, limits):
    """None where a figure is missing that the bound asks for."""
    if ours is None:
        return None
    echo, sync = (limits.get(name, {}).get("p50") for name in (ECHO, SYNC))
    asked = []
    if bound.ratio is not None:
        found = ratio(reference, ours)
        asked.append(None if found is None else found >= bound.ratio if METRICS[metric].more else found <= bound.ratio)
    if bound.most is not None:
        asked.append(ours <= bound.most)
    if bound.echoes is not None:
        asked.append(None if echo is None else ours <= bound.echoes * echo)
    if bound.over is not None:
        asked.append(None if None in (echo, sync) else ours <= sync + echo + bound.over)
    return False if False in asked else None if None in asked else True


def judge(target, rows, limits):
    sides = rows.get(target.row, {})
    reference, ours = (sides.get(side, {}).get(target.metric) for side in SIDES)
    must, aim = (holds(bound, target.metric, reference, ours, limits) for bound in (target.must, target.aim))
    # A bound that is not met is told even where the other one cannot be looked at.
    says = "MISSED" if must is False else "-" if must is None else "aim" if aim else "must"
    return Verdict(target, reference, ours, says)


def verdicts(rows, limits):
    """Of all targets whose row was measured."""
    return [judge(target, rows, limits) for target in TARGETS if target.row in rows]


def rails(rows, limits):
    """What must hold in every row beside its targets."""
    found = []
    for row, sides in rows.items():
        reference, ours = (sides[side] for side in SIDES)
        for metric, what in METRICS.items():
            compared = ratio(reference.get(metric), ours.get(metric)) if what.per_request else None
            if compared is not None:
                found.append(Rail(row, f"{what.label} no worse", compared <= 1, f"{ours[metric]:,.1f} to {reference[metric]:,.1f} {what.unit}"))
        for metric, what in COUNTED.items():
            if metric in ours:
                found.append(Rail(row, what, ours[metric] == 0, f"{ours[metric]:g}"))
        sync = limits.get(SYNC, {}).get("p50")
        if row in LONE_WRITES and sync and "rate" in ours:
            # From the median, which others that use the disk disturb the least.
            syncs = 1e6 / sync
            found.append(Rail(row, "no more than the disk syncs", ours["rate"] <= syncs, f"{ours['rate']:.0f}/s to {syncs:.0f}/s"))
    return found
