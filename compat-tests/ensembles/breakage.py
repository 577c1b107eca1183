"""Faults of every sort under load, and what must hold afterwards: the majority goes on, and nothing acknowledged is lost."""

import shutil
import subprocess
import time

from archive import Archive
from ensemble import QUICK_TICKS, Ensemble
from harness import Skip
from load import Load
from proxy import Links
from steps import proof, spread_of

SETTINGS = {**QUICK_TICKS, "preAllocSize": 4096}
# In terms of QUICK_TICKS: twice the limit after which a silent peer is given up.
TWICE_SYNC_LIMIT = 2 * SETTINGS["syncLimit"] * SETTINGS["tickTime"] / 1000
# Lists of members differ between servers that see each other through proxies.
THROUGH_PROXIES = ("/zookeeper/config",)
SLOW_SYNC_MICROSECONDS = 300_000


class Scene:
    """What a fault gets at."""

    def __init__(self, steps, ensemble, load, links):
        self.steps, self.ensemble, self.load, self.links, self.random = steps, ensemble, load, links, steps.random

    def others(self, member):
        return [other for other in self.ensemble.members if other is not member]

    def any_follower(self):
        return self.random.choice(self.ensemble.followers())


def fault(steps, kinds="RRR", what=(), count=None, rate=500):
    """Each named fault `count` times in one ensemble."""
    with Links(steps.seed) as links, Ensemble(steps.commands, kinds, SETTINGS) as ensemble:
        ensemble.connect(links.route)
        steps.say(f"{kinds}: all serve after {ensemble.start():.1f} s, {ensemble.leader()} leads")
        with Load(steps.tool, ensemble, writers=6, quiet=12, rate=rate, seed=steps.seed) as load:
            load.flowing()
            load.poke()
            scene = Scene(steps, ensemble, load, links)
            for name in what:
                gaps = []
                for number in range(1, (count or steps.rounds) + 1):
                    gaps.append(_once(scene, name, number))
                steps.say(f"gaps, {name}: {spread_of(gaps)}")
            told = load.stop()
            steps.say(f"{told['acknowledged']} acknowledged, {told['unknown']} of unknown outcome, {told['reads']} reads")
            steps.say(proof(load.verdict(skip=THROUGH_PROXIES)))


def _once(scene, name, number):
    ensemble, load = scene.ensemble, scene.load
    load.mark()
    what = FAULTS[name](scene)
    gap = float(what.pop("gap", 0))
    scene.links.heal()
    for member in ensemble.members:
        if member.stopped:
            member.resume()
        elif not member.lives:
            member.spawn()
    back = ensemble.wait()
    gap = max(gap, load.flowing(50))
    load.spread()
    told = load.poke()
    nodes = load.equal(skip=THROUGH_PROXIES)
    scene.steps.say(f"{name} {number}: {what['what']}; gap {gap:.0f} ms, whole again {back:.1f} s after its end, "
                    f"{told['told']} watches fired, {nodes} nodes equal, {ensemble.leader()} leads")
    return gap


def kill_follower(scene):
    member = scene.any_follower()
    member.kill()
    return {"what": f"{member} killed", "gap": scene.load.flowing(100)}


def kill_leader(scene):
    member = scene.ensemble.leader()
    member.kill()
    return {"what": f"{member} killed", "gap": scene.load.flowing(100)}


def kill_all(scene):
    scene.ensemble.kill_all()
    return {"what": "all killed at once"}


def pause_leader(scene):
    """A leader that sleeps for twice the syncLimit, and then still believes that it leads."""
    member = scene.ensemble.leader()
    member.pause()
    began = time.monotonic()
    gap = scene.load.flowing(50)
    time.sleep(max(0, TWICE_SYNC_LIMIT - (time.monotonic() - began)))
    member.resume()
    return {"what": f"{member} asleep for {TWICE_SYNC_LIMIT} s", "gap": max(gap, scene.load.flowing(50))}


def pause_all(scene):
    for member in scene.ensemble.members:
        member.pause()
    time.sleep(TWICE_SYNC_LIMIT)
    return {"what": f"all asleep for {TWICE_SYNC_LIMIT} s"}


def isolate_leader(scene):
    """Its clients stay attached; none of their writes may succeed."""
    return _cut_from_all(scene, scene.ensemble.leader(), out=True, into=True)


def isolate_follower(scene):
    return _cut_from_all(scene, scene.any_follower(), out=True, into=True)


def leader_not_heard(scene):
    return _cut_from_all(scene, scene.ensemble.leader(), out=True, into=False)


def leader_hears_nothing(scene):
    return _cut_from_all(scene, scene.ensemble.leader(), out=False, into=True)


def follower_not_heard(scene):
    return _cut_from_all(scene, scene.any_follower(), out=True, into=False)


def _cut_from_all(scene, member, out, into):
    role = member.mode()
    for other in scene.others(member):
        if out:
            scene.links.cut(member.number, other.number)
        if into:
            scene.links.cut(other.number, member.number)
    return _go_on_without(scene, f"{role} {member} {'is not heard' if not into else 'hears nothing' if not out else 'is cut off'}")


def bridge(scene):
    """Two that do not see each other; the third sees both."""
    leader = scene.ensemble.leader()
    other = scene.random.choice(scene.others(leader))
    scene.links.cut_both(leader.number, other.number)
    return _go_on_without(scene, f"{leader} (leader) and {other} do not see each other")


def _go_on_without(scene, what):
    """The majority must serve while the cut lasts."""
    gap = scene.load.flowing(50, 60)
    time.sleep(TWICE_SYNC_LIMIT)
    return {"what": what, "gap": max(gap, scene.load.flowing(50, 60))}


def swizzle(scene):
    """Links are cut one after another, and healed in another order."""
    pairs = [(one.number, other.number) for one in scene.ensemble.members for other in scene.others(one)]
    scene.random.shuffle(pairs)
    for pair in pairs:
        scene.links.cut(*pair)
        time.sleep(scene.random.uniform(0, 0.4))
    scene.random.shuffle(pairs)
    for pair in pairs:
        scene.links.cuts = scene.links.cuts - {pair}
        time.sleep(scene.random.uniform(0, 0.4))
    return {"what": "links cut one by one, and healed in another order"}


def slow_links(scene):
    for one in scene.ensemble.members:
        for other in scene.others(one):
            scene.links.delay(one.number, other.number, 0.08)
    gap = scene.load.flowing(300)
    time.sleep(2)
    return {"what": "every message takes up to 80 ms", "gap": gap}


def slow_disk_leader(scene):
    return _slow_disk(scene, scene.ensemble.leader())


def slow_disk_follower(scene):
    return _slow_disk(scene, scene.any_follower())


def _slow_disk(scene, member):
    if not shutil.which("strace"):
        raise Skip("no strace")
    role = member.mode()
    inject, seen = f"inject=fdatasync,fsync:delay_enter={SLOW_SYNC_MICROSECONDS}", scene.ensemble.folder / "slow-syncs"
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-o", str(seen), "-e", "trace=fdatasync,fsync", "-e", inject, "-p", str(member.process.pid)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        gap = scene.load.flowing(50)
        time.sleep(5)
        gap = max(gap, scene.load.flowing(50))
        if tracer.poll() is not None:
            raise Skip("strace may not attach here")
    finally:
        tracer.terminate()
        tracer.wait()
    slow = seen.read_text(errors="replace").count("(DELAYED)")
    if slow == 0:
        raise AssertionError(f"no sync of {member} was delayed")
    return {"what": f"{slow} syncs of {role} {member} took {SLOW_SYNC_MICROSECONDS // 1000} ms each", "gap": gap}


FAULTS = {name.replace("_", "-"): function for name, function in list(globals().items())
          if callable(function) and getattr(function, "__code__", None) and function.__code__.co_varnames[:1] == ("scene",)
          and not name.startswith("_")}


def chaos(steps, kinds="RRR", writes=1_000_000, pause=(2.0, 8.0), seconds=1200, times=2, without=("swizzle", "pause-all", "slow-links")):
    """At least so many writes in all, as fast as they go, under one fault after another, each at least so many times."""
    names, waiting = [name for name in FAULTS if name not in without], []
    with Links(steps.seed) as links, Ensemble(steps.commands, kinds, {**SETTINGS, "preAllocSize": 16384, "snapCount": 20000}) as ensemble:
        ensemble.connect(links.route)
        ensemble.start()
        with Archive(ensemble) as archive, Load(steps.tool, ensemble, writers=12, window=24, rate=0, quiet=30, seed=steps.seed) as load:
            scene, end, number = Scene(steps, ensemble, load, links), time.monotonic() + seconds, 0
            while load.total < writes or number < times * len(names):
                if time.monotonic() > end:
                    raise AssertionError(f"{load.total} of {writes} writes and {number} of {times * len(names)} faults in {seconds} s")
                number += 1
                if not waiting:
                    waiting = steps.random.sample(names, len(names))
                _one_of(scene, waiting.pop(), number)
                time.sleep(steps.random.uniform(*pause))
                load.mark()
            told = load.stop()
            steps.say(f"{told['acknowledged']} acknowledged, {told['unknown']} of unknown outcome, {told['reads']} reads, "
                      f"through each server: {told['by_server']}, {number} faults")
            told = load.verdict(skip=THROUGH_PROXIES, archive=archive)
            steps.say(proof(told))
            logs = told["logs"]
            steps.say(f"in the logs: {logs['acknowledged']} of them among {logs['transactions']} transactions; replayed on a model from the first one on: "
                      f"every reply and every node as it was told ({logs['given-up']} records that one server had alone were given up)")


def _one_of(scene, name, number):
    what = FAULTS[name](scene)["what"]
    scene.links.heal()
    for member in scene.ensemble.members:
        if member.stopped:
            member.resume()
        elif not member.lives:
            member.spawn()
    back = scene.ensemble.wait(180)
    scene.load.spread()
    scene.load.fail_on_problems()
    scene.steps.say(f"fault {number}, {name}: {what}; whole again after {back:.1f} s, {scene.load.total} acknowledged")
