"""Three servers: elect, serve, kill -9 of any one, rejoin, equal trees, again and again."""

from ensemble import Ensemble
from load import Load
from steps import proof, spread_of


def rounds(steps, kinds="RRR", count=None):
    count = count or steps.rounds
    gaps = {"leader": [], "follower": []}
    with Ensemble(steps.commands, kinds) as ensemble:
        steps.say(f"{kinds}: all serve after {ensemble.start():.1f} s, {ensemble.leader()} leads")
        with Load(steps.tool, ensemble, writers=6, rate=600, seed=steps.seed) as load:
            load.flowing()
            for number in range(1, count + 1):
                victim = ensemble.members[(number + steps.random.randrange(2)) % len(ensemble.members)]
                role = victim.mode()
                load.mark()
                victim.kill()
                gap = load.flowing(100)
                back = _rejoin(ensemble, victim)
                gap = max(gap, load.flowing(100))
                gaps.setdefault(role, []).append(gap)
                nodes = load.equal()
                load.spread()
                steps.say(f"round {number}: {victim} ({role}) killed and back in {back:.1f} s, longest gap {gap:.0f} ms, {nodes} nodes equal, "
                          f"{ensemble.leader()} leads")
            load.stop()
            steps.say(proof(load.verdict()))
    for role, found in gaps.items():
        if found:
            steps.say(f"gap when a {role} was killed: {spread_of(found)}")


def _rejoin(ensemble, member):
    member.spawn()
    return ensemble.wait()
