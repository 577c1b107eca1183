"""Mixed ensembles: each member as leader, kills, and late joins by DIFF, TRUNC and SNAP in both directions."""

import struct
import time

from ensemble import QUICK_TICKS, Ensemble, connect, marks_of, synced_by, touch
from load import Load
from steps import proof
from wire import CREATE, OPEN_ACL, text

# SNAP: the reference keeps no fewer than 500 committed transactions, and without a factor it sends none from its files.
SETTINGS = {**QUICK_TICKS, "snapCount": 300, "preAllocSize": 256, "snapshotSizeFactor": -1, "commitLogCount": 500,
            "autopurge.snapRetainCount": 3}
BEYOND_COMMITTED_LOG = 1500
FEW = 40
# A second: so slowly that what is written while a server starts stays few.
SLOWLY, BRISKLY = 50, 1500
UNCOMMITTED = 25


def mix(steps, kinds="RAA", joins=("DIFF", "TRUNC", "SNAP", "TAIL"), leaders=None):
    """`leaders`: the numbers of those to lead in turn; by default one of each kind."""
    leaders = leaders or sorted({kind: number for number, kind in reversed(list(enumerate(kinds, 1)))}.values())
    for number in leaders:
        with Ensemble(steps.commands, kinds, SETTINGS) as ensemble:
            ensemble.start()
            ensemble.lead_by(number)
            steps.say(f"{kinds}: {ensemble.leader()} leads, by ids and zxids")
            _serve(steps, ensemble, joins)


def _serve(steps, ensemble, joins):
    with Load(steps.tool, ensemble, writers=2 * len(ensemble.members), quiet=3 * len(ensemble.members), rate=BRISKLY, seed=steps.seed) as load:
        load.flowing(200)
        load.poke()
        leader = ensemble.leader()
        load.equal()
        for other in ensemble.members:
            if other is not leader and other is _first_of_its_kind(ensemble, other, leader):
                for how in joins:
                    JOINS[how](steps, ensemble, load, leader, other)
        load.spread()
        load.flowing(100)
        load.poke()
        leader = _kill_the_leader(steps, ensemble, load)
        told = load.stop()
        steps.say(f"writes acknowledged through each server: {told['by_server']}, of unknown outcome {told['unknown']}")
        if "0" in told["by_server"].split(","):
            raise AssertionError("a server took no write")
        steps.say(proof(load.verdict()))
        load.close()
        load.fail_on_problems()


def _first_of_its_kind(ensemble, other, leader):
    return next(member for member in ensemble.members if member.kind == other.kind and member is not leader)


def _kill_the_leader(steps, ensemble, load):
    leader = ensemble.leader()
    load.mark()
    leader.kill()
    gap = load.flowing(100)
    new = ensemble.leader()
    leader.spawn()
    ensemble.wait()
    load.flowing(50)
    load.spread()
    told = load.poke()
    steps.say(f"{leader} killed: {new} leads, gap {gap:.0f} ms; {leader} is back, all {told['told']} watches fired, {load.equal()} nodes equal")
    return new


def _join(steps, ensemble, load, leader, learner, how):
    marks = marks_of(ensemble)
    learner.spawn()
    took = ensemble.wait()
    if ensemble.leader() is not leader:
        raise AssertionError(f"{ensemble.leader()} leads, not {leader}")
    nodes = load.equal()
    seen = synced_by(learner, leader, marks)
    if seen is not None and how is not None and how not in seen:
        raise AssertionError(f"{learner} joined {leader} by {seen}, not by {how}")
    told = "in a way that neither tells" if seen is None else f"by {' and '.join(seen)}"
    steps.say(f"{learner} joins {leader} {told} in {took:.1f} s, {nodes} nodes equal")


def diff(steps, ensemble, load, leader, learner):
    load.ask(f"rate {SLOWLY}")
    learner.kill()
    load.flowing(FEW)
    _join(steps, ensemble, load, leader, learner, "DIFF")
    load.ask(f"rate {BRISKLY}")


def snap(steps, ensemble, load, leader, learner):
    learner.kill()
    load.flowing(BEYOND_COMMITTED_LOG)
    _join(steps, ensemble, load, leader, learner, "SNAP")


def trunc(steps, ensemble, load, leader, learner):
    """A learner with a tail that nobody else has, before anything is written after it. (Behind a later epoch's writes the reference sends SNAP.)"""
    _lead_alone(steps, ensemble, load, leader, learner)
    _join(steps, ensemble, load, leader, learner, "TRUNC")
    load.ask(f"rate {BRISKLY}")


def tail(steps, ensemble, load, leader, learner):
    """The same, and the others have gone on: the leader may choose how."""
    _lead_alone(steps, ensemble, load, leader, learner)
    load.ask("resume")
    load.flowing(FEW)
    _join(steps, ensemble, load, leader, learner, None)
    load.ask(f"rate {BRISKLY}")


def _lead_alone(steps, ensemble, load, leader, learner):
    """The learner leads for a while and logs what nobody else gets; then `leader` leads again without it.

    Who is to lead must win the election: of the others one minority misses a transaction, and only it votes with `leader`.
    The others are stopped and then killed, so that what the network still holds for them is lost."""
    load.ask(f"rate {SLOWLY}")
    load.ask("pause")
    ensemble.settle()
    ensemble.lead_by(learner.number)
    rest = [member for member in ensemble.members if member not in (leader, learner)]
    minority = (len(ensemble.members) - 1) // 2
    late, early = rest[:minority], [leader, *rest[minority:]]
    for member in late:
        member.kill()
    touch(learner)
    session = connect(learner)
    ensemble.settle()
    for member in early:
        member.pause()
    _leave_a_tail(session, learner)
    learner.kill()
    for member in early:
        member.kill()
    ensemble.start([leader, *late])
    for member in early[1:]:
        member.spawn()
    ensemble.wait()
    steps.say(f"{learner} led, and has {UNCOMMITTED} transactions that nobody else has; {ensemble.leader()} leads")


def _leave_a_tail(session, member):
    """Requests that cannot be committed; until they are in the log."""
    for number in range(UNCOMMITTED):
        session.xid += 1
        session.send(struct.pack(">ii", session.xid, CREATE) + text(f"/tail-{number}") + text("") + OPEN_ACL + struct.pack(">i", 0))
    last, end = f"/tail-{UNCOMMITTED - 1}".encode(), time.monotonic() + 10
    while not any(last in log.read_bytes() for log in (member.data / "version-2").glob("log.*")):
        if time.monotonic() > end:
            raise AssertionError(f"{member} does not log what it cannot commit")
        time.sleep(0.05)


JOINS = {"DIFF": diff, "TRUNC": trunc, "SNAP": snap, "TAIL": tail}
