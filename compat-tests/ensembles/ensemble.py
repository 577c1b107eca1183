"""Several servers as one ensemble, each from its own zoo.cfg and of its own kind, started and ended by process id.

Kinds: A is Apache 3.9.5, D is Debian's 3.8.0, R is the server command that the run was given."""

import atexit
import os
import random
import re
import shlex
import signal
import socket
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / folder) for folder in ("lib", "faults")]
from harness import Server, Skip, apache, four_letters, remove, scratch  # noqa: E402
from wire import CLOSE_SESSION, Client, Gone  # noqa: E402

# The reference tells how it synchronised a learner only at this level.
os.environ.setdefault("APACHE_LOG", "info")
os.environ.setdefault("APACHE_HEAP", "400m")
APACHE_FLAGS = "-XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.showDateTime=true -Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS"

# As the documentation's example has them.
DOCUMENTED = {"tickTime": 2000, "initLimit": 10, "syncLimit": 5}
# The same limits at a quarter of the time, for what has to wait for them.
QUICK_TICKS = {"tickTime": 500, "initLimit": 20, "syncLimit": 5, "maxSessionTimeout": 40000}

# What a server of the reference says of a synchronisation, as a learner or as the leader.
SYNCED_BY = {"DIFF": r"Getting a diff from the leader|Sending DIFF zxid",
             "SNAP": r"Getting a snapshot from leader|Sending snapshot last zxid",
             "TRUNC": r"Truncating log to get in sync|Sending TRUNC "}
COMPARED = r"Synchronizing with Learner.* maxCommittedLog=0x([0-9a-f]+).* peerLastZxid=0x([0-9a-f]+)"

# Ports below the range that the system takes for outgoing connections, so that nobody takes one while its server is down.
FIRST_PORT, LAST_PORT = 12000, 31000
_next_port = random.SystemRandom().randrange(FIRST_PORT, LAST_PORT)
_started = []


def steady_port():
    global _next_port
    for _ in range(LAST_PORT - FIRST_PORT):
        _next_port = _next_port + 1 if _next_port < LAST_PORT else FIRST_PORT
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", _next_port))
                return _next_port
            except OSError:
                continue
    raise RuntimeError("no free port")


@atexit.register
def _end_all():
    for process in _started:
        if process.poll() is None:
            process.kill()
            process.wait()


class Kinds:
    """The command of each kind, and what every zoo.cfg is to have beside the scenario's own settings."""

    def __init__(self, ours, settings=()):
        self.commands, self.settings = {"R": ours}, dict(setting.split("=", 1) for setting in settings)

    def command(self, kind):
        if kind not in self.commands:
            self.commands[kind] = apache({"A": "3.9.5", "D": "3.8.0"}[kind])
        if self.commands[kind] is None:
            raise Skip(f"kind {kind} cannot be had")
        return self.commands[kind]


class Member(Server):
    """One server of an ensemble. Its data directory stays when its kind changes."""

    def __init__(self, kinds, kind, number, folder, flags="", everywhere=""):
        super().__init__(kinds.command(kind), folder, port=steady_port())
        self.kinds, self.kind, self.number, self.own_flags, self.everywhere = kinds, kind, number, flags, everywhere
        self.quorum_port, self.election_port = steady_port(), steady_port()
        self.stopped = False

    def become(self, kind):
        self.kind, self.command = kind, shlex.split(self.kinds.command(kind))

    def spawn(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data.mkdir(parents=True, exist_ok=True)
        (self.data / "myid").write_text(f"{self.number}\n")
        self.flags = " ".join(filter(None, [APACHE_FLAGS if self.kind in "AD" else "", self.own_flags if self.kind in "AD" else "", self.everywhere]))
        super().spawn()
        _started.append(self.process)
        self.stopped = False

    @property
    def lives(self):
        return self.process is not None and self.process.poll() is None

    def terminate(self):
        """SIGTERM, without waiting for the end."""
        self.process.terminate()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        self.stopped = True

    def resume(self):
        self.process.send_signal(signal.SIGCONT)
        self.stopped = False

    def mode(self):
        found = re.search(r"Mode: (\w+)", four_letters(self.port, "srvr"))
        return found.group(1) if found else None

    def zxid(self):
        found = re.search(r"Zxid: (0x[0-9a-f]+)", four_letters(self.port, "srvr"))
        return int(found.group(1), 16) if found else None

    def log_length(self):
        return self.log.stat().st_size if self.log.exists() else 0

    def log_since(self, length):
        with open(self.log, "rb") as log:
            log.seek(length)
            return log.read().decode(errors="replace")

    def __str__(self):
        return f"{self.kind}{self.number}"


class Ensemble:
    """`kinds` as in "RAA". `settings` are further keys of every zoo.cfg, `everywhere` flags of every server, `flags` of the reference's alone;
    `route(one, other, port)` may put a proxy between two."""

    def __init__(self, commands, kinds, settings=None, flags="", folder=None, data_folders=None, everywhere=""):
        self.folder = Path(folder) if folder else scratch("ensemble")
        # All sessions of a load come from one address.
        self.settings = {"maxClientCnxns": 0, **DOCUMENTED, **(settings or {}), **commands.settings}
        self.members = [Member(commands, kind, number, self.folder / f"{number}", flags, everywhere) for number, kind in enumerate(kinds, 1)]
        for member, data in zip(self.members, data_folders or []):
            member.data = Path(data)
        self.connect()

    def connect(self, route=None):
        """Writes each server's list of members.

        The reference calls a peer with a lower id back at the address that this peer has sent, which is no proxy's: so behind
        proxies it gets the lowest id."""
        if route and any(member.kind in "AD" for member in self.members[1:]):
            raise ValueError(f"{self.kinds}: behind proxies only the first may be of the reference")
        for member in self.members:
            member.settings = [f"{key}={value}" for key, value in self.settings.items()]
            for other in self.members:
                ports = [other.quorum_port, other.election_port]
                if route and other is not member:
                    ports = [route(member.number, other.number, port) for port in ports]
                member.settings.append(f"server.{other.number}=127.0.0.1:{ports[0]}:{ports[1]}")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for member in self.members:
            if member.lives and member.stopped:
                member.kill()
            member.stop()
        if kind is None and os.environ.get("KEEP") is None:
            remove(self.folder)
        elif kind is not None:
            print(f"  the servers' logs and data are kept in {self.folder}", flush=True)

    def member(self, number):
        return self.members[number - 1]

    @property
    def addresses(self):
        return [f"127.0.0.1:{member.port}" for member in self.members]

    @property
    def alive(self):
        return [member for member in self.members if member.lives and not member.stopped]

    @property
    def kinds(self):
        return "".join(member.kind for member in self.members)

    def start(self, members=None, wait=90):
        for member in members or self.members:
            member.spawn()
        return self.wait(wait)

    def stop(self):
        for member in self.members:
            if member.lives:
                member.terminate()
        for member in self.members:
            member.stop()

    def kill_all(self):
        """All at once: none has the time to notice another's end."""
        for member in self.members:
            if member.lives:
                member.process.send_signal(signal.SIGKILL)
        for member in self.members:
            if member.process:
                member.process.wait()

    def leader(self):
        return next((member for member in self.alive if member.mode() == "leader"), None)

    def followers(self):
        return [member for member in self.alive if member.mode() == "follower"]

    def wait(self, seconds=90):
        """Until one of those that run leads and all others follow; how long it took."""
        began = time.monotonic()
        while True:
            alive = self.alive
            modes = [member.mode() for member in alive]
            if modes.count("leader") == 1 and modes.count("follower") == len(alive) - 1 and self.all_synced(alive[modes.index("leader")]):
                return time.monotonic() - began
            for member in self.members:
                if member.process and not member.stopped and member.process.poll() not in (None, -9, -15, 143, 0):
                    raise AssertionError(f"{member} ended with {member.process.returncode}:\n{member.last_words()}")
            if time.monotonic() - began > seconds:
                words = "\n".join(f"{member}: {member.last_words(6)}" for member in self.members)
                raise AssertionError(f"after {seconds} s {[str(member) for member in alive]} are {modes}\n{words}")
            time.sleep(0.05)

    def all_synced(self, leader):
        found = re.search(r"zk_synced_followers\s+(\d+)", four_letters(leader.port, "mntr"))
        return found is None or int(found.group(1)) == len(self.alive) - 1

    def settle(self, seconds=60):
        """Until all that run have applied the same zxid, and stay there."""
        end, before = time.monotonic() + seconds, None
        while True:
            zxids = [member.zxid() for member in self.alive]
            if any(zxid and zxid & 0xffffffff == 0 for zxid in zxids):
                # Nothing was written in this epoch yet: the leader counts from it, the others do not.
                touch(self.leader() or self.alive[0])
            if None not in zxids and len(set(zxids)) == 1 and zxids == before:
                return zxids[0]
            if time.monotonic() > end:
                raise AssertionError(f"after {seconds} s the last zxids are {[zxid and hex(zxid) for zxid in zxids]}")
            before = zxids
            time.sleep(0.3)

    def lead_by(self, number):
        """Makes this member the leader. All data directories must be equal or empty.

        Whoever is to lose misses one transaction; then a majority is started in which only this member has it."""
        chosen = self.member(number)
        others = [member for member in self.members if member is not chosen]
        minority = (len(self.members) - 1) // 2
        late, early = others[:minority], others[minority:]
        self.stop()
        self.start([chosen, *early])
        touch(chosen)
        self.settle()
        self.stop()
        self.start([chosen, *late])
        for member in early:
            member.spawn()
        self.wait()
        if self.leader() is not chosen:
            raise AssertionError(f"{self.leader()} leads, {chosen} has the highest zxid")


def touch(member):
    """One transaction and more."""
    client = connect(member)
    client.create(f"/touched-{time.monotonic_ns()}", "")
    client.call(CLOSE_SESSION, b"")


def connect(member, seconds=20):
    """A session, as soon as the server gives one."""
    end = time.monotonic() + seconds
    while True:
        try:
            return Client(member.port)
        except Gone:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def synced_by(member, leader, marks):
    """How the logs of the two say so since `marks`; None when neither is the reference's, which says so in known words."""
    tellers = [one for one in (member, leader) if one.kind in "AD"]
    if not tellers:
        return None
    told = "".join(one.log_since(marks.get(one, 0)) for one in tellers)
    seen = {how for how, words in SYNCED_BY.items() if re.search(words, told)}
    # A leader that cuts a tail off says only what it compared.
    if any(int(peer, 16) > int(highest, 16) for highest, peer in re.findall(COMPARED, told)):
        seen.add("TRUNC")
    return sorted(seen)


def marks_of(ensemble):
    return {member: member.log_length() if hasattr(member, "log") else 0 for member in ensemble.members}
