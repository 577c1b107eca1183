"""Rolling migration: one server at a time becomes another kind on its own data directory, under writes and living sessions."""

from ensemble import Ensemble
from load import Load
from steps import proof

# Those of the load that runs meanwhile.
LIVE_SESSIONS = 100


def migrate(steps, there="A", here="R", orders=("leader last", "leader first"), sessions=LIVE_SESSIONS):
    """All servers from one kind to the other, and back in the next order. Nothing but a lost connection may be seen."""
    with Ensemble(steps.commands, there * 3) as ensemble:
        steps.say(f"{ensemble.kinds}: all serve after {ensemble.start():.1f} s, {ensemble.leader()} leads")
        with Load(steps.tool, ensemble, writers=6, quiet=sessions, rate=400, seed=steps.seed) as load:
            load.flowing()
            load.poke()
            for number, order in enumerate(orders):
                kind = here if number % 2 == 0 else there
                _roll(steps, ensemble, load, kind, order)
            load.stop()
            steps.say(proof(load.verdict()))
            load.close()
            load.fail_on_problems()
            steps.say("all ephemeral nodes are gone with their sessions")


def _roll(steps, ensemble, load, kind, order):
    steps.say(f"to {kind}, {order}")
    waiting = [member for member in ensemble.members if member.kind != kind]
    while waiting:
        leader = ensemble.leader()
        if order == "leader first" and leader in waiting:
            member = leader
        else:
            member = next((one for one in waiting if one is not leader), waiting[0])
        waiting.remove(member)
        was, role = str(member), member.mode()
        load.mark()
        member.stop()
        gap = load.flowing(50)
        member.become(kind)
        member.spawn()
        back = ensemble.wait()
        gap = max(gap, load.flowing(50))
        load.spread()
        told = load.poke()
        mark = load.mark()
        nodes = load.equal()
        steps.say(f"{was} ({role}) is now {member}, back in {back:.1f} s: longest gap {gap:.0f} ms, all {told['told']} watches fired, "
                  f"{mark['moves']} moves of sessions so far, {mark['expired']} expired, {nodes} nodes equal, {ensemble.leader()} leads")
