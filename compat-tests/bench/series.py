"""Acknowledged writes second by second, around an event: the worst second, the longest silence, the slowest of a thousand."""

import math
from bisect import bisect_left
from dataclasses import asdict, dataclass
from pathlib import Path

# Seconds that are told before an event, at most, and after it: what it leaves behind belongs to it.
BEFORE, AFTER = 3, 2
MICROSECONDS = 1_000_000
SILENT_FROM_MS = 1_000.0


@dataclass(frozen=True)
class Steady:
    """One event on one side. `series` has the writes acknowledged in each second; the event begins with that numbered `before`."""
    lasted: float
    series: list
    before: int
    worst: int
    gap_ms: float
    p50_ms: float | None
    p999_ms: float | None
    max_ms: float | None
    due: float
    failed: int = 0

    def told(self):
        return asdict(self)


def replies_of(path):
    """(when it came, latency) of each reply in microseconds, in the order in which they came."""
    lines = Path(path).read_text().splitlines()
    return sorted(tuple(map(int, line.split())) for line in lines)


def steady(replies, began, ended, due, failed=0):
    """What an event from `began` to `ended`, in seconds since 1970, did to these replies."""
    times = [came for came, _ in replies]
    start, last = round(began * MICROSECONDS), round((ended + AFTER) * MICROSECONDS)
    before = max(0, min(BEFORE, (start - times[0]) // MICROSECONDS)) if times else 0
    edges = [start + second * MICROSECONDS for second in range(-before, (last - start) // MICROSECONDS + 1)]
    places = [bisect_left(times, edge) for edge in edges]
    series = [after - first for first, after in zip(places, places[1:])]
    first, beyond = places[before], places[-1]
    latencies = sorted(latency for _, latency in replies[first:beyond])
    # A silence that began before the event and one that outlasted it count whole.
    around = [*(times[first - 1:first] or [start]), *times[first:beyond], *(times[beyond:beyond + 1] or [edges[-1]])]
    gap = max(after - one for one, after in zip(around, around[1:]))
    return Steady(lasted=ended - began, series=series, before=before, worst=min(series[before:]), gap_ms=gap / 1e3, p50_ms=part(latencies, 0.5),
                  p999_ms=part(latencies, 0.999), max_ms=part(latencies, 1.0), due=due, failed=failed)


def part(latencies, share):
    """The latency in milliseconds that so many of them do not exceed; none of none."""
    if not latencies:
        return None
    return latencies[max(0, math.ceil(share * len(latencies)) - 1)] / 1e3


def verdict(reference, ours):
    """What must hold of ours: no second without an acknowledged write, none refused. Beside it what is worse than the reference's."""
    if ours is None:
        return "-"
    broken = []
    if ours.worst == 0 or ours.gap_ms >= SILENT_FROM_MS:
        broken.append("SILENT")
    if ours.failed:
        broken.append(f"{ours.failed} REFUSED")
    if broken:
        return ", ".join(broken)
    worse = reference is not None and None not in (reference.p999_ms, ours.p999_ms) and ours.p999_ms > reference.p999_ms
    return "holds, p99.9 is worse" if worse else "holds"


def series_text(one):
    """The seconds, with bars where the event begins and ends."""
    end = one.before + max(1, math.ceil(one.lasted))
    parts = one.series[:one.before], one.series[one.before:end], one.series[end:]
    return " | ".join(" ".join(map(str, seconds)) for seconds in parts).strip()
