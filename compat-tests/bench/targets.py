"""The only place that says what is asked of which row: metrics, bounds, and the performance targets as they are written."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """More is better only where `more` says so. Of `per_request` metrics none may be worse than the reference's, in any row."""
    label: str
    unit: str = ""
    more: bool = False
    per_request: bool = False


METRICS = {
    "rate": Metric("ops/s", "/s", more=True),
    "p50": Metric("p50", "µs", per_request=True),
    "p99": Metric("p99", "µs", per_request=True),
    "cpu": Metric("CPU/op", "µs", per_request=True),
    "max": Metric("max", "µs"),
    "rss": Metric("RSS", "MB"),
    "bytes": Metric("RSS per znode", "B"),
    "seconds": Metric("first read", "s"),
    "growth": Metric("RSS growth", "%"),
    "kb": Metric("RSS each", "KB"),
    "microcores": Metric("CPU each", "µCores"),
    "last": Metric("last event", "µs"),
    "reply": Metric("the set's reply", "µs"),
    "gap": Metric("longest gap", "ms"),
    "lost": Metric("lost writes"),
}


@dataclass(frozen=True)
class Bound:
    """All that is given must hold. `ratio` is ours to the reference's: at most, or at least where more is better; `most` is absolute;
    `echoes` times the p50 of an echo server; at most `over` above the p50 of that and of a sync of the disk together."""
    ratio: float | None = None
    most: float | None = None
    echoes: float | None = None
    over: float | None = None


@dataclass(frozen=True)
class Target:
    """`source` is the row of the performance targets."""
    source: str
    row: str
    metric: str
    must: Bound
    aim: Bound


def _of(source, *rows, **asked):
    """The same of several rows; a number alone is a ratio."""
    bounds = {metric: [bound if isinstance(bound, Bound) else Bound(ratio=bound) for bound in pair] for metric, pair in asked.items()}
    return [Target(source, row, metric, *pair) for row in rows for metric, pair in bounds.items()]


TARGETS = [
    *_of("get, exists, mixed 90/10 at 50x16", "get 128 B 50x16", "exists 50x16", "mixed 90/10 50x16",
         cpu=(1 / 8, 1 / 14), rate=(5, 10), p99=(1 / 4, 1 / 8)),
    *_of("get 1x1", "get 128 B 1x1", p50=(Bound(ratio=0.6, echoes=1.4), Bound(echoes=1.15)), cpu=(1 / 4, 1 / 6)),
    *_of("getchildren 1,000", "getchildren of 1,000 10x4", cpu=(1 / 10, 1 / 30)),
    *_of("set 128 B 50x16", "set 128 B 50x16", cpu=(1 / 6, 1 / 10), rate=(4, 6), p99=(1 / 3, 1 / 5)),
    *_of("set 1 KB 50x16", "set 1 KB 50x16", cpu=(1 / 5, 1 / 8), rate=(3, 5)),
    *_of("set 1x1", "set 128 B 1x1", p50=(0.6, Bound(over=20)), cpu=(1 / 4, 1 / 5)),
    *_of("create, create+delete 50x16", "create 128 B 50x16", "create+delete 128 B 50x16", cpu=(1 / 6, 1 / 10)),
    *_of("multi of 10", "multi of 10 sets 50x4", cpu=(1 / 5, 1 / 8)),
    *_of("3 servers, set 50x16", "3 servers: set 50x16, leader", "3 servers: set 50x16, follower",
         cpu=(1 / 6, 1 / 10), rate=(4, 7), p99=(1 / 4, 1 / 8)),
    *_of("3 servers, set 1x1", "3 servers: set 1x1, leader", p50=(0.55, 0.4)),
    *_of("3 servers, set 1x1", "3 servers: set 1x1, follower", p50=(0.6, 0.45)),
    *_of("3 servers, mixed 90/10", "3 servers: mixed 90/10 50x16 over all", cpu=(1 / 8, 1 / 14), rate=(5, 8)),
    *_of("RSS", "empty server", rss=(1 / 8, 1 / 15)),
    *_of("RSS", "1 M znodes: fill", bytes=(1 / 3, 1 / 4)),
    *_of("1 M fill", "1 M znodes: fill", cpu=(1 / 5, 1 / 8), rate=(3, 5)),
    *_of("restart with 1 M", "1 M znodes: restart from a snapshot", seconds=(1 / 6, 1 / 10)),
    *_of("restart with 1 M", "1 M znodes: restart from the log", seconds=(1 / 5, 1 / 8)),
    *_of("sets while snapshots run", "1 M znodes: sets while snapshots run",
         p99=(1 / 4, 1 / 8), max=(Bound(most=50_000), Bound(most=20_000)), growth=(Bound(most=20), Bound(most=10))),
    *_of("5,000 idle sessions", "5,000 idle sessions", kb=(1 / 3, 1 / 6), microcores=(1 / 8, 1 / 12)),
    *_of("10,000-watch storm", "10,000 watches on one node, one set",
         last=(0.5, 0.35), cpu=(1 / 3, 1 / 4), reply=(1 / 10, Bound(most=2_000))),
    *_of("leader killed", "3 servers: leader killed", gap=(0.6, 0.3), lost=(Bound(most=0), Bound(most=0))),
]

# More of these a second than the disk can sync would mean that nothing is synced.
LONE_WRITES = ["set 128 B 1x1", "3 servers: set 1x1, leader", "3 servers: set 1x1, follower"]
