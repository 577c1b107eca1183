"""How costs grow: with the number of things, and over time."""

import math
import statistics

# What is less than this is taken for noise.
GROWN_SHARE, GROWN_BYTES, GROWN_FILES = 0.05, 8e6, 4


def exponent(points):
    """The power of the number with which a cost grows, from the first and the last of (number, cost)."""
    points = [(count, cost) for count, cost in points if cost is not None and cost > 0]
    if len(points) < 2 or points[-1][0] <= points[0][0]:
        return None
    (few, less), (many, more) = points[0], points[-1]
    return math.log(more / less) / math.log(many / few)


def exponent_text(power):
    if power is None:
        return "–"
    return "as n" if abs(power - 1) <= 0.1 else f"as n^{power:.2f}"


def grown(values, least):
    """Whether the last third of them lies above the middle one. In the first third a server may take what it needs."""
    third = len(values) // 3
    if third == 0:
        return None
    middle, last = (statistics.median(values[start:start + third]) for start in (third, len(values) - third))
    return last - middle > max(least, GROWN_SHARE * middle)


def endurance(samples, per_second, failed, minutes):
    """What is wrong with a long run; nothing where nothing is. Files are purged once an hour, so that only longer runs show it."""
    silent = [second for second, writes in enumerate(per_second) if writes == 0]
    found = [f"RSS grows ({samples[0]['rss'] / 1e6:.0f} to {samples[-1]['rss'] / 1e6:.0f} MB)"] if grown([one["rss"] for one in samples], GROWN_BYTES) else []
    for name, label in (("open_files", "descriptors grow"), ("threads", "threads grow")):
        if grown([one[name] for one in samples], GROWN_FILES):
            found.append(f"{label} ({samples[0][name]} to {samples[-1][name]})")
    if minutes >= 60 and samples[-1]["files"] > max(one["files"] for one in samples) / 2 + GROWN_FILES:
        found.append(f"files grow ({samples[0]['files']} to {samples[-1]['files']})")
    if silent:
        found.append(f"{len(silent)} seconds without a write")
    if failed:
        found.append(f"{failed} writes refused")
    return found
