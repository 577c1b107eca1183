"""From one server to three, to five and back to three, under writes; and what must not go wrong on the way.

Each danger ends with everything that was acknowledged still there, and with one line that says what was refused and why."""

import re
import shutil
import time

from ensemble import QUICK_TICKS, connect
from load import Load
from reconfig import RATE, Moving
from steps import proof
from wire import CLOSE_SESSION, GET_DATA, text

# So long a server that is refused gets to say so more than once.
APART = 3
WAIT = 60
MARK = "version-2/standalone.mark"
SYNC, NO_NODE = 9, -101
DISCARD = "-Dzookeeper.discardLocalData=true"


def scaling(steps, kinds="RRRRR", writes=300):
    """One server grows to five and shrinks to three: by changes of the membership alone, and beginning with a restart as one of three."""
    for begin in (_alone_as_an_ensemble, _restarted_as_one_of_three):
        with begin(steps, kinds) as ensemble, Load(steps.tool, ensemble, writers=4, quiet=4, rate=RATE, seed=steps.seed) as load:
            load.flowing(writes)
            ensemble.become_three()
            _tell(steps, ensemble, load, writes)
            for member in ensemble.members[3:]:
                ensemble.join(member)
            _tell(steps, ensemble, load, writes)
            for member in ensemble.members[:2]:
                ensemble.part(member)
            _tell(steps, ensemble, load, writes)
            load.stop()
            steps.say(proof(load.verdict()))
            load.close()
            load.fail_on_problems()


def _tell(steps, ensemble, load, writes):
    gap = load.flowing(writes)
    steps.say(f"{len(ensemble.agree()) - 1} members, {ensemble.leader()} leads, {load.equal()} nodes equal, longest gap {gap:.0f} ms")


class Growing(Moving):
    """One server, of which an ensemble is made."""

    def join(self, member):
        self.invite(member)
        self.change(joining=member.line())
        self.agree()

    def part(self, member):
        self.change(leaving=str(member.number))
        self.agree()
        member.stop()
        self.wait()


class ByReconfig(Growing):
    def become_three(self):
        for member in self.members[1:3]:
            self.join(member)


class ByRestart(Growing):
    def launch(self):
        stand_alone(self.members[0])

    def become_three(self):
        one, two, three = self.members[:3]
        one.stop()
        (one.folder / "zoo.cfg").unlink()
        # Two of three need each other, so the history of the one is that of the ensemble before the third is there.
        self.start([one, two])
        assert self.leader() is one
        three.spawn()
        self.wait()
        assert not (one.data / MARK).exists()
        # The first change writes the dynamic files.
        self.change(members=",".join(member.line() for member in self.members[:3]))


def _alone_as_an_ensemble(steps, kinds):
    ensemble = ByReconfig(steps.commands, kinds, 1, {"standaloneEnabled": "false"})
    ensemble.launch()
    steps.say(f"{kinds[0]}: one server that is an ensemble")
    return ensemble


def _restarted_as_one_of_three(steps, kinds):
    ensemble = ByRestart(steps.commands, kinds, 3)
    ensemble.launch()
    steps.say(f"{kinds[0]}: one standalone server, to be restarted as one of three")
    return ensemble


def dangers(steps, whole=True):
    """What an operator may do wrong on the way: nothing is lost, and one line says what was refused."""
    for danger, kinds, is_short in DANGERS:
        if not whole and not is_short:
            continue
        with Scene(steps, kinds) as scene:
            steps.say(f"{kinds}: {danger.__doc__} {danger(scene) or ''}".rstrip())


class Scene(Moving):
    """Three servers and a fourth, none of which runs yet."""

    def __init__(self, steps, kinds):
        super().__init__(steps.commands, kinds + kinds[0], 3, QUICK_TICKS)

    def alone(self, count):
        """The first server wrote so many nodes standalone, and was stopped."""
        member = self.members[0]
        stand_alone(member)
        write(member, "/alone", count)
        member.stop()
        (member.folder / "zoo.cfg").unlink()
        return member


def _the_new_ones_began_without_it(scene):
    """Two with empty data directories begin without the one that has data; it stays apart, until the two are emptied."""
    one, two, three = scene.members[:3]
    scene.alone(30)
    scene.start([two, three])
    write(two, "/others", 3)
    one.spawn()
    line = stays_apart(one, r"standalone up to (0x\w+)")
    assert re.search(r"history \(0x\w+\)", line) and "--discard-local-data" in line, line
    write(three, "/more", 3)
    assert (one.data / MARK).exists()
    for member in (two, three):
        member.stop()
        shutil.rmtree(member.data)
    two.spawn()
    scene.wait()
    three.spawn()
    scene.wait()
    assert scene.leader() is one and not (one.data / MARK).exists()
    for member in scene.alive:
        holds(member, "/alone", 30)
    return f"\n             {line}"


def _the_data_is_given_up(scene):
    """The same, until the operator gives its data up."""
    one, two, three = scene.members[:3]
    scene.alone(3)
    scene.start([two, three])
    write(two, "/others", 30)
    one.spawn()
    stays_apart(one, r"standalone up to (0x\w+)")
    one.stop()
    one.everywhere = DISCARD
    one.spawn()
    scene.wait()
    assert not (one.data / MARK).exists()
    holds(one, "/others", 30)
    gone(one, "/alone")


def _the_reference_wrote_it(scene):
    """What a standalone server of the reference wrote is kept as well, where ours goes on with its directories."""
    one, two, three = scene.members[:3]
    one.become("A")
    scene.alone(30)
    one.become("R")
    scene.start([two, three])
    write(two, "/others", 3)
    one.spawn()
    line = stays_apart(one, r"standalone up to (0x\w+)")
    one.stop()
    (one.folder / "zoo.cfg").unlink()
    stand_alone(one)
    holds(one, "/alone", 30)
    return f"\n             {line}"


def _a_wrong_id(scene):
    """A server whose myid stands in no line does not start."""
    one, two, three, guest = scene.members
    scene.start([one, two, three])
    write(one, "/kept", 10)
    three.stop()
    three.number = 9
    three.spawn()
    line = ends(three, r"server\.9\b.*myid")
    three.number = 3
    three.spawn()
    scene.wait()
    holds(three, "/kept", 10)
    return f"\n             {line}"


def _an_id_twice(scene):
    """Two servers have one id, each with ports of its own: one of them serves, and what was acknowledged stays."""
    one, two, three, twin = scene.members
    scene.start([one, two, three])
    write(one, "/kept", 10)
    lines = [member.line() for member in (one, two, three)]
    twin.number = 3
    lines[2] = twin.line()
    # It is not to learn the other's ports.
    twin.settings = [*(f"{key}={value}" for key, value in {**scene.settings, "reconfigEnabled": "false"}.items()), *lines]
    twin.spawn()
    line = [said(member, "two servers have one id") for member in (one, two)][0]
    write(one, "/while", 10)
    time.sleep(APART)
    [only(member, "two servers have one id") for member in (one, two)]
    twin.stop()
    scene.wait()
    for member in (one, two, three):
        holds(member, "/kept", 10)
        holds(member, "/while", 10)
    return f"\n             {line}"


def _another_ensemble_s_data(scene):
    """A server with the data of another ensemble, which is further than this one, joins nothing."""
    one, two, three, guest = scene.members
    # The other ensemble is one server, two elections old, and its snapshots tell who it was.
    guest.settings = [*(f"{key}={value}" for key, value in scene.settings.items()), "standaloneEnabled=false", "snapCount=20", guest.line()]
    for _ in range(2):
        guest.spawn()
        until("it leads", lambda: guest.mode() == "leader")
        write(guest, f"/theirs-{time.monotonic_ns()}", 40)
        guest.stop()
    scene.start([one, two])
    write(one, "/kept", 10)
    shutil.copytree(guest.data, three.data)
    three.spawn()
    line = stays_apart(three, r"epoch \d+ is older than one that was accepted")
    line += f"\n             {only(three, 'were served by other members')}"
    write(two, "/more", 10)
    three.stop()
    shutil.rmtree(three.data)
    three.spawn()
    scene.wait()
    for member in (one, two, three):
        holds(member, "/kept", 10)
        holds(member, "/more", 10)
    return f"\n             {line}"


def _an_old_dynamic_file(scene):
    """Who was replaced while it was down comes back with its old dynamic file, and has no vote."""
    one, two, three, guest = scene.members
    scene.start([one, two, three])
    scene.change(members=",".join(member.line() for member in (one, two, three)))
    scene.agree()
    write(one, "/kept", 10)
    three.stop()
    scene.invite(guest)
    scene.change(joining=guest.line(), leaving="3")
    write(two, "/more", 10)
    three.spawn()
    until("it follows, without a vote", lambda: three.mode() == "follower")
    scene.agree()
    # One of three is a minority, whoever else is there.
    two.stop()
    guest.stop()
    until("nobody serves", lambda: one.mode() is None)
    time.sleep(APART)
    assert one.mode() is None and three.mode() is None, "one that is no member counted for the quorum"
    two.spawn()
    guest.spawn()
    until("they serve", lambda: [member.mode() for member in (one, two, guest)].count("leader") == 1)
    for member in (one, two, guest):
        holds(member, "/kept", 10)
        holds(member, "/more", 10)


def _an_old_file_put_back(scene):
    """The dynamic file of a server is put back to an older one: it says so, and learns the membership of now."""
    one, two, three, guest = scene.members
    scene.start([one, two, three])
    scene.change(members=",".join(member.line() for member in (one, two, three)))
    scene.agree()
    old = (three.folder / "zoo.cfg").read_text()
    scene.invite(guest)
    scene.change(joining=guest.line())
    scene.agree()
    write(one, "/kept", 10)
    three.stop()
    (three.folder / "zoo.cfg").write_text(old)
    three.spawn()
    scene.wait()
    scene.agree()
    holds(three, "/kept", 10)
    return f"\n             {only(three, 'the dynamic file is older')}"


def stand_alone(member):
    """Starts it as a server that knows of no others."""
    settings, member.settings = member.settings, [line for line in member.settings if not line.startswith("server.")]
    member.spawn()
    member.settings = settings
    until("it serves alone", lambda: member.mode() == "standalone")


def write(member, path, count):
    """Children of a node, each acknowledged."""
    client = connect(member, WAIT)
    assert client.create(path, "") in (0, -110)
    for number in range(count):
        assert client.create(f"{path}/{number}", f"{number}") == 0
    client.call(CLOSE_SESSION, b"")


def holds(member, path, count):
    client = connect(member, WAIT)
    client.call(SYNC, text("/"))
    found = [client.get(f"{path}/{number}") for number in range(count)]
    assert found == [str(number).encode() for number in range(count)], f"{member} holds {found} below {path}"
    client.call(CLOSE_SESSION, b"")


def gone(member, path):
    client = connect(member, WAIT)
    error, _ = client.call(GET_DATA, text(path) + b"\0")
    assert error == NO_NODE, f"{member} answers {error} for {path}"
    client.call(CLOSE_SESSION, b"")


def stays_apart(member, words):
    """It runs and serves nobody, and one line of its log has these words."""
    said(member, words)
    time.sleep(APART)
    assert member.lives and member.mode() is None, f"{member} is {member.mode()}"
    return only(member, words)


def ends(member, words):
    until(f"{member} ends", lambda: not member.lives)
    assert member.process.returncode != 0
    return only(member, words)


def said(member, words):
    until(f"{member} says {words}", lambda: lines(member, words))
    return lines(member, words)[0]


def lines(member, words):
    return [line for line in member.log.read_text(errors="replace").splitlines() if re.search(words, line)]


def only(member, words):
    found = lines(member, words)
    assert len(found) == 1, f"{len(found)} lines of {member} say {words}: {found[:3]}"
    return found[0]


def until(what, holds_now):
    end = time.monotonic() + WAIT
    while not holds_now():
        assert time.monotonic() < end, f"after {WAIT} s not yet: {what}"
        time.sleep(0.05)


# With which kinds, and whether it is of the short set.
DANGERS = [
    (_the_new_ones_began_without_it, "RRR", True),
    (_the_new_ones_began_without_it, "RAA", False),
    (_the_data_is_given_up, "RRR", False),
    (_the_reference_wrote_it, "RRR", False),
    (_a_wrong_id, "RRR", True),
    (_an_id_twice, "RRR", True),
    (_another_ensemble_s_data, "RRR", True),
    (_an_old_dynamic_file, "RRR", False),
    (_an_old_file_put_back, "RRR", True),
]
