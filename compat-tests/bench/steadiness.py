"""Acknowledged writes second by second while something heavy happens, on Apache ZooKeeper 3.9.5 and on Rookeeper.

    scripts/steadiness [--quick] [--events REGEX] [--sides REGEX] [--out FOLDER] [--data FOLDER] [--binary FILE] [--list]

Writes steadiness.json and steadiness.md to the folder (target/bench). Ends with 1 when an event could not be measured, whatever the verdicts are."""

import re
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass

import trial
from harness import four_letters
from judge import OURS, REFERENCE, SIDES
from series import Steady, replies_of, series_text, steady, verdict
from sides import address
from states import ROOT, settle, snapshots
from tables import markdown_table, number, plain_table
from trial import Trial, mntr_number, until

HEADER = ["event", "lasted s", "worst second, writes", "longest silence ms", "p50 ms", "p99.9 ms", "max ms", "verdict"]
RIGHT = range(1, 7)


@dataclass(frozen=True)
class Amounts:
    rate: int
    nodes: int
    sessions: int
    timeout: int
    watchers: int
    storms: int
    snap_count: int
    settle: float
    quiet: float
    within: float


WHOLE = Amounts(rate=1_000, nodes=1_000_000, sessions=10_000, timeout=40_000, watchers=10_000, storms=5, snap_count=5_000, settle=8, quiet=10, within=180)
QUICK = Amounts(rate=300, nodes=10_000, sessions=300, timeout=6_000, watchers=300, storms=3, snap_count=600, settle=0.3, quiet=2, within=40)

# Writers, and the nodes that they set in turn.
CONNECTIONS, SET_NODES = 10, 1_000
# Processes that open the sessions that shall expire.
OPENERS = 5
# Seconds of writes before an event begins and after it has ended.
LEAD, TAIL = 3.3, 2.5
NEW_SNAPSHOTS, NEW_LOGS = 3, 5
# Some servers read all that they keep: so many that it takes its time.
RETAINED, SNAPSHOTS = 10, 30


class Writes:
    """Sets at their times, of which each reply is kept."""

    def __init__(self, lab, addresses, lead=LEAD):
        self.lab, self.file, self.began, self.ended = lab, lab.data / "replies", None, None
        rate, within = lab.amounts.rate, lab.amounts.within
        self.running = lab.generator.start("set", addresses, seconds=3 * within, warm_up=min(0.5, lead), until_eof=True, rate=rate, connections=CONNECTIONS,
                                           nodes=SET_NODES, root="/steady", keep=True, replies=self.file)
        try:
            self.running.await_line("the window begins", 60)
        except BaseException:
            self.running.end()
            raise
        time.sleep(lead)

    @contextmanager
    def event(self):
        self.began = time.time()
        yield self
        self.ended = time.time()

    def begin(self, moment):
        """The event has begun a little earlier or later than it was said."""
        self.began = moment

    def told(self):
        time.sleep(TAIL)
        told = self.running.finish(30)
        return steady(replies_of(self.file), self.began, self.ended, self.lab.amounts.rate, sum(told["errors"].values()))

    def end(self):
        self.running.end()
        self.file.unlink(missing_ok=True)


@contextmanager
def writing(lab, servers, lead=LEAD):
    writes = Writes(lab, [address(server) for server in servers], lead)
    try:
        yield writes
    finally:
        writes.end()


def nothing(lab, side):
    with side.one() as server:
        settle(lab, [address(server)])
        with writing(lab, [server]) as writes:
            with writes.event():
                time.sleep(lab.amounts.quiet)
            yield QUIET, writes.told(), ""


def filled(lab, side):
    """A server with a million nodes writes snapshots, and starts again with more of them than it is to keep."""
    amounts = lab.amounts
    with side.one() as server:
        fill(lab, [server])
        server.stop()
        settings = list(server.settings)
        server.settings.append(f"snapCount={amounts.snap_count}")
        server.start(wait=amounts.within)
        folder = server.data / "version-2"
        with writing(lab, [server]) as writes:
            before = set(snapshots(folder))
            with writes.event():
                until(lambda: len(set(snapshots(folder)) - before) >= NEW_SNAPSHOTS, amounts.within, f"{NEW_SNAPSHOTS} snapshots")
            told = writes.told()
        size = max((folder / name).stat().st_size for name in snapshots(folder).values())
        yield SNAPSHOT, told, f"{NEW_SNAPSHOTS} snapshots of {size / 1e6:,.0f} MB"
        server.stop()
        server.settings[:] = [*settings, "autopurge.purgeInterval=1", f"autopurge.snapRetainCount={RETAINED}"]
        found = more_snapshots(folder)
        # A start may write one more, so that it is not known which of the newest ones stay.
        needless = set(sorted(snapshots(folder))[:-RETAINED])
        server.start(wait=amounts.within)
        # Both purge when they start, and then once an hour: nothing is waited for.
        with writing(lab, [server], lead=0.1) as writes:
            left = len(needless & set(snapshots(folder)))
            with writes.event():
                until(lambda: not needless & set(snapshots(folder)), amounts.within, "a purge")
            told = writes.told()
        yield PURGE, told, f"{len(needless)} of {found} snapshots are removed, {left} of them after the first write"


def more_snapshots(folder, wanted=SNAPSHOTS):
    """Old snapshots under further names, so that there is enough to purge; how many there are then. They are whole: some servers check."""
    names = [name for zxid, name in sorted(snapshots(folder).items()) if zxid > 0]
    taken = set(snapshots(folder))
    for copy in range(max(0, wanted - len(taken))):
        zxid = next(zxid for zxid in range(1 + copy, 1 << 30) if zxid not in taken)
        taken.add(zxid)
        # A hard link takes no room.
        (folder / f"snapshot.{zxid:x}").hardlink_to(folder / names[0])
    return len(snapshots(folder))


def rolling(lab, side):
    """Small snapshots and new logs, one after the other."""
    with side.one(["snapCount=%d" % max(300, lab.amounts.rate)]) as server:
        settle(lab, [address(server)])
        folder = server.data / "version-2"
        with writing(lab, [server]) as writes:
            before = set(folder.glob("log.*"))
            with writes.event():
                until(lambda: len(set(folder.glob("log.*")) - before) >= NEW_LOGS, lab.amounts.within, f"{NEW_LOGS} logs")
            yield ROLL, writes.told(), f"{NEW_LOGS} logs"


def learner(lab, side):
    """A follower comes back with nothing, and is sent everything."""
    with side.three() as ensemble, emptied(ensemble):
        late = ensemble.followers()[0]
        late.stop()
        shutil.rmtree(late.data)
        leader = ensemble.leader()
        fill(lab, [leader])
        sent = mntr_number(leader, "snap_count") or 0
        with writing(lab, [leader]) as writes:
            with writes.event():
                late.spawn()
                until(lambda: "Mode: follower" in four_letters(late.port, "srvr"), lab.amounts.within, "the learner serves")
            told = writes.told()
        if not (mntr_number(leader, "snap_count") or 0) > sent:
            raise AssertionError("the leader did not send a snapshot")
        yield SNAP, told, f"{lab.amounts.nodes:,} nodes"


@contextmanager
def emptied(ensemble):
    """A million nodes are not kept for those who look for a failure: its servers end, and their logs are told."""
    try:
        yield
    except BaseException:
        for member in ensemble.members:
            member.stop()
            shutil.rmtree(member.data, ignore_errors=True)
        raise


def expiring(lab, side):
    """Sessions whose clients are gone, each with an ephemeral node, end with their timeout."""
    amounts = lab.amounts
    with side.one() as server:
        settle(lab, [address(server)])
        # Several open them at once, so that the last one stands long before the first one expires.
        shares = [{"root": f"/sessions{place}"} for place in range(OPENERS)]
        with lab.generator.held("idle", [address(server)], "sessions", 240, shares, connections=amounts.sessions // OPENERS, timeout=amounts.timeout,
                                ephemerals=1) as held, writing(lab, [server]) as writes:
            standing = mntr_number(server, "ephemerals_count")
            if standing != amounts.sessions:
                raise AssertionError(f"{standing} ephemeral nodes, not {amounts.sessions}")
            for running in held:
                running.end()
            with writes.event():
                until(lambda: begun(server, standing, writes), amounts.timeout / 1e3 + 30, "the first session expires")
                until(lambda: mntr_number(server, "ephemerals_count") == 0, amounts.within, "all sessions expire", every=0.2)
            yield EXPIRE, writes.told(), f"{amounts.sessions:,} sessions"


def begun(server, standing, writes):
    """The event begins with the last look at which all were there."""
    now = time.time()
    if mntr_number(server, "ephemerals_count") in (standing, None):
        writes.begin(now)
        return False
    return True


def storm(lab, side):
    amounts = lab.amounts
    with side.one() as server:
        settle(lab, [address(server)])
        with writing(lab, [server]) as writes:
            running = lab.generator.start("watch-storm", [address(server)], seconds=amounts.within, connections=amounts.watchers, count=amounts.storms,
                                          timeout=40_000, root="/watched", keep=True)
            try:
                running.await_line("watchers", amounts.within)
                with writes.event():
                    told = running.finish(amounts.within)
            finally:
                running.end()
            if told["missing_events"]:
                raise AssertionError(f"{told['missing_events']} events are missing")
            yield FIRE, writes.told(), f"{amounts.storms} times"


def fill(lab, servers):
    lab.generator.run("fill", [address(server) for server in servers], (), patience=1200, count=lab.amounts.nodes, root=ROOT, keep=True)


QUIET, SNAPSHOT, PURGE, ROLL = "nothing happens", "a snapshot of 1 M nodes is written", "a purge runs", "a log rolls"
SNAP, EXPIRE, FIRE = "a learner is synced by SNAP", "10,000 sessions expire", "10,000 watches fire"
SCENARIOS = [((QUIET,), nothing), ((SNAPSHOT, PURGE), filled), ((SNAP,), learner), ((EXPIRE,), expiring), ((ROLL,), rolling), ((FIRE,), storm)]


def main():
    options = trial.options_of(__doc__, "--events")
    scenarios = [(rows, measure) for rows, measure in SCENARIOS if any(re.search(options.wanted, row) for row in rows)]
    if options.list:
        print("\n".join(row for rows, _ in scenarios for row in rows))
        return
    lab = Trial(options, "steadiness", QUICK if options.quick else WHOLE)
    lab.descriptors(max(lab.amounts.watchers, lab.amounts.sessions) + 500)
    for rows, measure in scenarios:
        for side in lab.sides:
            one_scenario(lab, side, rows, measure)
    lab.end(markdown(lab.results), "\n".join([*trial.about(lab.results), "", *plain_table(HEADER, lines(lab.results), RIGHT), "", *all_series(lab.results)]))


def one_scenario(lab, side, rows, measure):
    missing = list(rows)
    try:
        for row, told, extra in measure(lab, side):
            missing.remove(row)
            lab.put(row, side, {**told.told(), "extra": extra})
            lab.say(f"{row:<36} {side.name:<10} worst second {told.worst}, longest silence {told.gap_ms:.0f} ms, p99.9 {number(told.p999_ms)} ms ({extra})")
    except Exception as error:  # the other events are measured nevertheless
        for row in missing:
            lab.put(row, side, {"error": f"{type(error).__name__}: {error}"})
            lab.say(f"{row:<36} {side.name:<10} not measured: {error}")


def measured(sides, side):
    told = next((one for one in sides.get(side, []) if "error" not in one), None)
    return told and Steady(**{name: value for name, value in told.items() if name != "extra"})


def lines(results):
    found = []
    for row, sides in results["rows"].items():
        pair = [measured(sides, side) for side in SIDES]
        cells = [" / ".join(number(one and getattr(one, name)) for one in pair) for name in ("lasted", "worst", "gap_ms", "p50_ms", "p999_ms", "max_ms")]
        found.append([row, *cells, verdict(*pair)])
    return found


def all_series(results):
    """Each event's seconds on each side."""
    found = []
    for row, sides in results["rows"].items():
        for side in SIDES:
            if one := measured(sides, side):
                extra = next(told["extra"] for told in sides[side] if "error" not in told)
                found.append(f"{row}, {side}{f' ({extra})' if extra else ''}: {series_text(one)}")
    return found


def markdown(results):
    text = [*trial.about(results), "", f"Sets of 128 B at a fixed rate meanwhile. {REFERENCE} / {OURS}; `scripts/steadiness --events NAME` makes a line.", "",
            *markdown_table(HEADER, lines(results), RIGHT), "", "Writes acknowledged in each second, the event between the bars:", "",
            *(f"* {line}" for line in all_series(results))]
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    main()
