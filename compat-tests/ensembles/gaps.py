"""How long no write is acknowledged when the leader is killed by -9, and by SIGTERM: ours beside the reference in one run."""

import signal
import statistics

from ensemble import Ensemble
from load import Load

SIGNALS = {"kill -9": signal.SIGKILL, "SIGTERM": signal.SIGTERM}
# The default compilers, for this is a measurement.
PLAIN = "-XX:TieredStopAtLevel=4"


# Rounds of one side before it is the other's turn, so that whatever else the machine does meets both.
TURN = 10


def gaps(steps, sides=("AAA", "RRR"), count=None):
    count = count or steps.rounds
    found = {side: {name: [] for name in SIGNALS} for side in sides}
    for done in range(0, count, TURN):
        for side in sides:
            _measure(steps, side, range(done + 1, min(done + TURN, count) + 1), found[side])
    reference, ours = sides
    steps.say(f"longest time without an acknowledged write, ms, {count} rounds each")
    steps.say(f"{'':<22}{reference:>10}{ours:>10}{'ratio':>8}")
    for name in SIGNALS:
        for what, of in (("median", statistics.median), ("worst", max)):
            values = [of(found[side][name]) for side in sides]
            steps.say(f"{name + ', ' + what:<22}{values[0]:>10.0f}{values[1]:>10.0f}{values[1] / values[0]:>8.2f}")


def _measure(steps, kinds, rounds, found):
    with Ensemble(steps.commands, kinds, flags=PLAIN if set(kinds) <= set("AD") else "") as ensemble:
        ensemble.start()
        with Load(steps.tool, ensemble, writers=6, rate=1000, seed=steps.seed) as load:
            load.flowing(2000)
            for number in rounds:
                for name, how in SIGNALS.items():
                    leader = ensemble.leader()
                    load.flowing(500)
                    load.mark()
                    leader.process.send_signal(how)
                    found[name].append(load.flowing(300))
                    leader.process.wait(60)
                    leader.spawn()
                    ensemble.wait()
                    load.spread()
                steps.say(f"{kinds} {number}: " + ", ".join(f"{name} {times[-1]:.0f} ms" for name, times in found.items()))
            load.stop()
            told = load.verdict()
            steps.say(f"{kinds}: {told['acknowledged']} acknowledged writes present and in order")
