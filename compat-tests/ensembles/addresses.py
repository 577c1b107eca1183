"""Servers with several addresses, one of which nobody can reach."""

from ensemble import QUICK_TICKS, Ensemble
from load import Load
from steps import proof

# No connection goes to a group of hosts: the system says so at once, as it does of a network that is gone.
DEAD = "224.0.0.1"
ALIVE = ("127.0.0.1", "127.0.0.2")
ENABLED = "-Dzookeeper.multiAddress.enabled=true"
RATE = 300


class Several(Ensemble):
    """Each server's line has the dead address first."""

    def connect(self, route=None):
        super().connect(route)
        for member in self.members:
            lines = [line for line in member.settings if not line.startswith("server.")]
            member.settings = lines + [f"server.{other.number}={_places(other)}" for other in self.members]


def _places(member):
    return "|".join(f"{host}:{member.quorum_port}:{member.election_port}" for host in (DEAD, *ALIVE))


def addresses(steps, kinds="RAR"):
    """Each leader is killed and comes back, in turn, under load."""
    with Several(steps.commands, kinds, QUICK_TICKS, everywhere=ENABLED) as ensemble:
        steps.say(f"{kinds}: all serve after {ensemble.start():.1f} s, {ensemble.leader()} leads")
        with Load(steps.tool, ensemble, writers=4, quiet=4, rate=RATE, seed=steps.seed) as load:
            load.flowing()
            for _ in ensemble.members:
                victim = ensemble.leader()
                load.mark()
                victim.kill()
                gap = load.flowing(50)
                victim.spawn()
                back = ensemble.wait()
                steps.say(f"{victim} killed and back in {back:.1f} s, {ensemble.leader()} leads, longest gap {gap:.0f} ms, {load.equal()} nodes equal")
            load.stop()
            steps.say(proof(load.verdict()))
            load.close()
            load.fail_on_problems()
