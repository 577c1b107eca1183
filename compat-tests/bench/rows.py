"""What is measured: loads on one server and on three. States of a server are in `states`."""

from dataclasses import dataclass

import states
from generator import metrics_of
from sides import address


@dataclass(frozen=True)
class Amounts:
    """How long and how much."""
    rounds: int
    settle: float
    warm_up: float
    seconds: float
    sync_seconds: float
    fill: int
    snapshot_rate: int
    snapshot_every: int
    snapshot_seconds: float
    idle_sessions: int
    idle_timeout: int
    idle_seconds: float
    watchers: int
    storms: int
    kills: int
    kill_rate: int


WHOLE = Amounts(rounds=3, settle=8, warm_up=2, seconds=10, sync_seconds=3, fill=1_000_000, snapshot_rate=2_000, snapshot_every=5_000, snapshot_seconds=20,
                idle_sessions=5_000, idle_timeout=30_000, idle_seconds=20, watchers=10_000, storms=5, kills=3, kill_rate=1_000)
QUICK = Amounts(rounds=1, settle=0.3, warm_up=0.2, seconds=1, sync_seconds=0.3, fill=20_000, snapshot_rate=500, snapshot_every=500, snapshot_seconds=2.5,
                idle_sessions=100, idle_timeout=4_000, idle_seconds=2.7, watchers=100, storms=2, kills=1, kill_rate=300)


@dataclass(frozen=True)
class Lab:
    """What every measurement is given."""
    generator: object
    amounts: Amounts
    say: object


@dataclass(frozen=True)
class Scenario:
    """Rows that are measured together: `measure(lab, side)` gives them one by one, each with its metrics and all else that was told."""
    rows: tuple
    measure: object


def load(row, what, shape, where="one", **options):
    """A load on a fresh server, alone (`one`), or of three on the `leader`, a `follower`, or `all`."""
    connections, depth = map(int, shape.split("x"))
    options = {"connections": connections, "depth": depth, **options}

    def measure(lab, side):
        with side.one() if where == "one" else side.three() as servers:
            members, to = place(servers, where)
            states.settle(lab, [address(member) for member in members])
            told = lab.generator.run(what, [address(member) for member in to], [member.process.pid for member in members],
                                     lab.amounts.seconds, lab.amounts.warm_up, keep=True, **options)
            yield row, metrics_of(told), told

    return Scenario((row,), measure)


def place(servers, where):
    """All servers, and those that are asked."""
    if where == "one":
        return [servers], [servers]
    chosen = {"leader": lambda: [servers.leader()], "follower": lambda: servers.followers()[:1], "all": lambda: servers.members}[where]()
    return servers.members, chosen


SCENARIOS = [
    load("get 128 B 1x1", "get", "1x1"),
    load("get 128 B 50x16", "get", "50x16"),
    load("exists 50x16", "exists", "50x16"),
    load("mixed 90/10 50x16", "mixed", "50x16"),
    load("getchildren of 1,000 10x4", "list", "10x4"),
    load("set 128 B 1x1", "set", "1x1"),
    load("set 128 B 50x16", "set", "50x16"),
    load("set 1 KB 50x16", "set", "50x16", size=1024),
    load("create 128 B 50x16", "create", "50x16"),
    load("create+delete 128 B 50x16", "create-delete", "50x16"),
    load("multi of 10 sets 50x4", "multi", "50x4"),
    load("3 servers: set 1x1, leader", "set", "1x1", "leader"),
    load("3 servers: set 1x1, follower", "set", "1x1", "follower"),
    load("3 servers: set 50x16, leader", "set", "50x16", "leader"),
    load("3 servers: set 50x16, follower", "set", "50x16", "follower"),
    load("3 servers: mixed 90/10 50x16 over all", "mixed", "50x16", "all"),
    # Guard rails: few clients, with one request each. One client has its rows above.
    *(load(f"{what} 128 B {count}x1", what, f"{count}x1") for what in ("get", "set") for count in (2, 5, 10, 20)),
    Scenario(("empty server",), states.empty),
    Scenario(states.MILLION, states.million),
    Scenario(("5,000 idle sessions",), states.idle),
    Scenario(("10,000 watches on one node, one set",), states.storm),
    Scenario(("3 servers: leader killed",), states.leader_killed),
]
