"""Memberships in motion: servers of each kind join, change and leave under load; all members replaced one by one."""

import re
import struct
import time

from ensemble import QUICK_TICKS, Ensemble, Member, connect, steady_port
from load import Load
from steps import proof
from wire import Gone, text

RECONFIG = 16
NO_QUORUM, IN_PROGRESS, BAD_ARGUMENTS = -13, -14, -8
SETTINGS = {**QUICK_TICKS, "reconfigEnabled": "true", "skipACL": "yes"}
CONFIG = "/zookeeper/config"
# As fast as a load may go while servers start beside it.
RATE = 300


class Mover(Member):
    """Writes its zoo.cfg once: from then on it is the server's own."""

    def __init__(self, *words):
        super().__init__(*words)
        self.writes_config = False

    def line(self, role="participant"):
        return f"server.{self.number}=127.0.0.1:{self.quorum_port}:{self.election_port}:{role};127.0.0.1:{self.port}"


class Moving(Ensemble):
    """The first `begin` of `kinds` are members from the start; the others join when they are told to."""

    def __init__(self, commands, kinds, begin, settings=None):
        self.begin = begin
        super().__init__(commands, kinds, {**SETTINGS, **(settings or {})})

    def connect(self, route=None):
        self.members = [Mover(member.kinds, member.kind, member.number, member.folder) for member in self.members]
        for member in self.members:
            known = self.members[:self.begin] + ([member] if member.number > self.begin else [])
            member.settings = [*(f"{key}={value}" for key, value in self.settings.items()), *(one.line() for one in known)]

    def launch(self):
        self.start(self.members[:self.begin])

    def wait(self, seconds=90):
        """Until one leads and all others that run follow or observe."""
        began = time.monotonic()
        while True:
            modes = [member.mode() for member in self.alive]
            if modes.count("leader") == 1 and set(modes) <= {"leader", "follower", "observer"}:
                return time.monotonic() - began
            if time.monotonic() - began > seconds:
                words = "\n".join(f"{member}: {member.last_words(8)}" for member in self.members if hasattr(member, "log"))
                raise AssertionError(f"after {seconds} s {[str(member) for member in self.alive]} are {modes}\n{words}")
            time.sleep(0.05)

    def invite(self, member):
        """Starts a server that knows the members of now, and itself."""
        lines = [line for line in self.config().splitlines() if line.startswith("server.") and not line.startswith(f"server.{member.number}=")]
        member.settings = [*(f"{key}={value}" for key, value in self.settings.items()), *lines, member.line()]
        member.spawn()
        end = time.monotonic() + 90
        while member.mode() not in ("follower", "observer"):
            if time.monotonic() > end or not member.lives:
                raise AssertionError(f"{member} does not follow:\n{member.last_words()}")
            time.sleep(0.05)

    def config(self, member=None):
        for one in [member] if member else self.alive:
            try:
                return connect(one, 10).get(CONFIG).decode()
            except Gone:
                continue
        raise AssertionError("no server tells the membership")

    def change(self, joining=None, leaving=None, members=None, through=None, seconds=60):
        """One change, tried again while its quorum is not there yet or a leader is being found."""
        end, wanted = time.monotonic() + seconds, None
        while True:
            try:
                client = connect(through if through and through.lives else self.leader() or self.alive[0])
                error, _ = client.call(RECONFIG, _string(joining) + _string(leaving) + _string(members) + struct.pack(">q", -1))
            except (Gone, IndexError):
                error = None
            if error == 0 or error is None and self._is_done(joining, leaving):
                return self.wait()
            wanted = error
            if error not in (None, NO_QUORUM, IN_PROGRESS) or time.monotonic() > end:
                raise AssertionError(f"reconfig joining={joining} leaving={leaving} members={members}: {wanted}")
            time.sleep(0.2)

    def _is_done(self, joining, leaving):
        self.wait()
        lines = self.config().splitlines()
        gone = not any(line.startswith(f"server.{number}=") for number in filter(None, (leaving or "").split(",")) for line in lines)
        return gone and all(line in lines for line in filter(None, (joining or "").split(",")))

    def agree(self, seconds=30):
        """Until all that run know the same membership, in the node and in the file; its lines."""
        end = time.monotonic() + seconds
        while True:
            configs = {member: self.config(member) for member in self.alive}
            files = {member: _file(member) for member in self.alive}
            one = next(iter(configs.values()))
            if all(config == one for config in configs.values()) and all(found == _as_file(one) for found in files.values()):
                return one.splitlines()
            if time.monotonic() > end:
                raise AssertionError(f"the memberships differ: { {str(member): (configs[member], files[member]) for member in configs} }")
            time.sleep(0.2)


def _string(value):
    return struct.pack(">i", -1) if value is None else text(value)


def _file(member):
    """Version and lines of the dynamic file that the server's own zoo.cfg names."""
    found = re.search(r"^dynamicConfigFile=(.*)$", (member.folder / "zoo.cfg").read_text(), re.M)
    if not found:
        return None
    path = found.group(1)
    with open(path) as file:
        return path.rsplit(".", 1)[1], sorted(file.read().splitlines())


def _as_file(config):
    lines = config.splitlines()
    return next(line for line in lines if line.startswith("version=")).split("=")[1], sorted(line for line in lines if not line.startswith("version="))


def replace(steps, kinds="RRRAAA"):
    """All members are replaced one by one under load; in the end none of the first is there, and nothing is lost."""
    count = len(kinds) // 2
    with Moving(steps.commands, kinds, count) as ensemble:
        ensemble.launch()
        steps.say(f"{kinds[:count]}: {ensemble.leader()} leads")
        with Load(steps.tool, ensemble, writers=4, quiet=8, rate=RATE, seed=steps.seed) as load:
            load.flowing(100)
            for old, new in zip(ensemble.members[:count], ensemble.members[count:]):
                _replace(steps, ensemble, load, old, new)
            load.stop()
            steps.say(proof(load.verdict()))
            load.close()
            load.fail_on_problems()


def _replace(steps, ensemble, load, old, new):
    load.mark()
    leader = ensemble.leader()
    ensemble.invite(new)
    ensemble.change(joining=new.line())
    ensemble.change(leaving=str(old.number))
    gap = load.flowing(50)
    lines = ensemble.agree()
    old.stop()
    ensemble.wait()
    gap = max(gap, load.flowing(50))
    nodes = load.equal()
    steps.say(f"{old} gave way to {new}, {leader} led, {ensemble.leader()} leads: {len(lines) - 1} members at all, longest gap {gap:.0f} ms, {nodes} nodes equal")


def roles(steps, kinds="RAR"):
    """A follower observes and votes again, the leader observes, ports change, the leader leaves and comes back; bulk at the end."""
    with Moving(steps.commands, kinds, len(kinds)) as ensemble:
        ensemble.launch()
        with Load(steps.tool, ensemble, writers=4, quiet=6, rate=RATE, seed=steps.seed) as load:
            load.flowing(50)
            for what, step in [("a follower observes", _observe), ("the leader observes", _leader_observes), ("the leader leaves", _leader_leaves), ("all ports change", _move)]:
                load.mark()
                who = step(ensemble)
                gap = load.flowing(50)
                lines = ensemble.agree()
                steps.say(f"{what} ({who}), {ensemble.leader()} leads, {len(lines) - 1} members, longest gap {gap:.0f} ms, {load.equal()} nodes equal")
            bulk = ",".join(member.line() for member in ensemble.members)
            ensemble.change(members=bulk)
            ensemble.agree()
            load.stop()
            steps.say(proof(load.verdict()))
            load.close()
            load.fail_on_problems()


def _observe(ensemble):
    member = ensemble.followers()[0]
    ensemble.change(joining=member.line("observer"))
    _until(lambda: member.mode() == "observer", f"{member} does not observe")
    ensemble.agree()
    ensemble.change(joining=member.line())
    _until(lambda: member.mode() == "follower", f"{member} does not follow")
    return member


def _leader_observes(ensemble):
    member = ensemble.leader()
    ensemble.change(joining=member.line("observer"), through=ensemble.followers()[0])
    _until(lambda: member.mode() == "observer", f"{member} does not observe")
    ensemble.agree()
    ensemble.change(joining=member.line(), through=ensemble.leader())
    _until(lambda: member.mode() == "follower", f"{member} does not follow")
    return member


def _leader_leaves(ensemble):
    member = ensemble.leader()
    ensemble.change(leaving=str(member.number), through=ensemble.followers()[0])
    _until(lambda: member.mode() == "follower", f"{member} does not follow")
    ensemble.change(joining=member.line(), through=ensemble.leader())
    return member


def _move(ensemble):
    """Each server's three ports, one server after the other."""
    for member in ensemble.members:
        before = member.port
        member.quorum_port, member.election_port = steady_port(), steady_port()
        ensemble.change(joining=member.line(), through=next(one for one in ensemble.alive if one is not member))
        ensemble.agree()
        assert member.port == before
    return "one by one"


def grow(steps, kinds="RRRRR"):
    """One server that is an ensemble grows to three and to five, and back to three, under load."""
    with Moving(steps.commands, kinds, 1, {"standaloneEnabled": "false"}) as ensemble:
        ensemble.launch()
        with Load(steps.tool, ensemble, writers=4, quiet=6, rate=RATE, seed=steps.seed) as load:
            load.flowing(50)
            for member in ensemble.members[1:]:
                ensemble.invite(member)
                ensemble.change(joining=member.line())
                ensemble.agree()
                load.flowing(30)
            steps.say(f"{len(ensemble.agree()) - 1} members, {ensemble.leader()} leads, {load.equal()} nodes equal")
            for member in ensemble.members[:2]:
                ensemble.change(leaving=str(member.number))
                ensemble.agree()
                member.stop()
                ensemble.wait()
                load.flowing(30)
            steps.say(f"{len(ensemble.agree()) - 1} members, {ensemble.leader()} leads, {load.equal()} nodes equal")
            load.stop()
            steps.say(proof(load.verdict()))
            load.close()
            load.fail_on_problems()


def kills(steps, kinds="RRRR"):
    """In each round a server joins or leaves while another is killed by -9; when it is back all know the old membership or the new one."""
    with Moving(steps.commands, kinds, 3) as ensemble:
        ensemble.launch()
        guest = ensemble.member(4)
        ensemble.invite(guest)
        with Load(steps.tool, ensemble, writers=4, quiet=4, rate=RATE, seed=steps.seed) as load:
            load.flowing(50)
            outcomes = {"old": 0, "new": 0}
            for number in range(steps.rounds):
                is_member = guest.line() in ensemble.config()
                victim = steps.random.choice(ensemble.members)
                client = connect(ensemble.leader())
                words = (None, "4") if is_member else (guest.line(), None)
                client.send(struct.pack(">ii", 1, RECONFIG) + _string(words[0]) + _string(words[1]) + _string(None) + struct.pack(">q", -1))
                time.sleep(steps.random.random() * 0.008)
                victim.kill()
                time.sleep(steps.random.random())
                if victim is guest:
                    # Where it is no member its own files say so, and it does not start with them.
                    (victim.folder / "zoo.cfg").unlink()
                    ensemble.invite(victim)
                else:
                    victim.spawn()
                ensemble.wait()
                load.flowing(20)
                lines = ensemble.agree()
                outcomes["new" if (guest.line() in lines) != is_member else "old"] += 1
            assert len(ensemble.alive) == len(kinds), "a server has ended"
            steps.say(f"{steps.rounds} changes with a kill: {outcomes}, {load.equal()} nodes equal")
            load.stop()
            steps.say(proof(load.verdict()))
            load.close()
            load.fail_on_problems()


def weights(steps, kinds="RRR"):
    """Weights and groups come and go with whole lists: who has no weight is not missed, who has one is; nobody joins one by one meanwhile."""
    with Moving(steps.commands, kinds, len(kinds)) as ensemble:
        ensemble.launch()
        with Load(steps.tool, ensemble, writers=4, quiet=6, rate=RATE, seed=steps.seed) as load:
            load.flowing(50)
            lines = [member.line() for member in ensemble.members]
            leader, (weightless, heavy) = ensemble.leader(), ensemble.followers()
            grouped = [*lines, "group.1=1:2:3", *(f"weight.{member.number}={int(member is not weightless)}" for member in ensemble.members)]
            ensemble.change(members=",".join(grouped))
            found = ensemble.agree()
            assert {"group.1=1:2:3", f"weight.{weightless.number}=0"} <= set(found), found
            load.flowing(50)
            error, _ = connect(leader).call(RECONFIG, _string(weightless.line("observer")) + _string(None) + _string(None) + struct.pack(">q", -1))
            assert error == BAD_ARGUMENTS, f"a server joins alone although there are groups: {error}"
            weightless.kill()
            gap = load.flowing(50)
            steps.say(f"{leader} leads, {weightless} has no weight and is not missed: longest gap {gap:.0f} ms")
            weightless.spawn()
            ensemble.wait()
            heavy.kill()
            _until(lambda: all(member.mode() not in ("leader", "follower") for member in ensemble.alive), f"served without {heavy}")
            heavy.spawn()
            ensemble.wait()
            load.flowing(50)
            ensemble.agree()
            ensemble.change(members=",".join(lines))
            assert not any(line.startswith(("group", "weight")) for line in ensemble.agree())
            ensemble.leader().kill()
            ensemble.wait()
            load.flowing(50)
            for member in ensemble.members:
                if not member.lives:
                    member.spawn()
            ensemble.wait()
            load.stop()
            steps.say(f"{load.equal()} nodes equal; {proof(load.verdict())}")
            load.close()
            load.fail_on_problems()


def _until(condition, what, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(what)
        time.sleep(0.05)
