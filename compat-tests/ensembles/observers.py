"""Observers of each kind under leaders of each kind, and behind followers that serve them; what the digests of transactions prove."""

import re
import struct
import time
import zlib

from ensemble import QUICK_TICKS, Ensemble, connect, steady_port
from harness import mntr
from load import Load
from mixes import BEYOND_COMMITTED_LOG, FEW
from steps import proof
from wire import CLOSE_SESSION, text

# SNAP: see mixes.
# Sessions end soon: see _until_only_the_load_is_there.
SETTINGS = {**QUICK_TICKS, "preAllocSize": 256, "snapshotSizeFactor": -1, "commitLogCount": 500, "maxSessionTimeout": 15000}
SLOWLY, BRISKLY = 50, 1500
PROVED = 10_000
TAIL = 5
JOINED_BY = {"DIFF": r"the history comes by DIFF|Getting a diff from the leader",
             "SNAP": r"the history comes by SNAP|Getting a snapshot from leader",
             "TRUNC": r"the history comes by TRUNC|Truncating log to get in sync"}
VALUE, OTHER_VALUE = b"as it was told", b"as it was tolD"
EXISTS = 3


class Observed(Ensemble):
    """`voters`, then `observers`, each at an address of its own, for all serve observers at the same port."""

    def __init__(self, commands, voters, observers, masters=False, settings=None):
        self.voters_count, self.master_port = len(voters), steady_port() if masters else None
        super().__init__(commands, voters + observers, {**SETTINGS, **(settings or {})})

    def connect(self, route=None):
        lines = [f"server.{one.number}=127.0.0.{one.number}:{one.quorum_port}:{one.election_port}:{self.role(one)}" for one in self.members]
        for member in self.members:
            member.settings = [*(f"{key}={value}" for key, value in self.settings.items()), f"peerType={self.role(member)}", *lines]
            if self.master_port:
                member.settings.append(f"observerMasterPort={self.master_port}")

    def role(self, member):
        return "participant" if member.number <= self.voters_count else "observer"

    @property
    def voters(self):
        return self.members[:self.voters_count]

    @property
    def observers(self):
        return self.members[self.voters_count:]

    def wait(self, seconds=90):
        """Until one leads, the other voters that run follow and all observers that run observe."""
        began = time.monotonic()
        while True:
            modes = {member: member.mode() for member in self.alive}
            voters = [mode for member, mode in modes.items() if member in self.voters]
            observers = [mode for member, mode in modes.items() if member in self.observers]
            if voters.count("leader") == 1 and voters.count("follower") == len(voters) - 1 and set(observers) <= {"observer"}:
                return time.monotonic() - began
            if time.monotonic() - began > seconds:
                words = "\n".join(f"{member}: {member.last_words(8)}" for member in self.members if hasattr(member, "log"))
                raise AssertionError(f"after {seconds} s they are { {str(member): mode for member, mode in modes.items()} }\n{words}")
            time.sleep(0.05)

    def master_of(self, observer):
        """From whom it learns."""
        number = int(mntr(observer.port)["zk_observer_master_id"])
        return self.member(number)


def observers(steps, voters="AAA", observers="RA", masters=False, joins=("DIFF", "SNAP", "TRUNC"), proved=PROVED):
    """Observers serve a load, are away and come back in each way; ours prove that they have the leader's tree."""
    with Observed(steps.commands, voters, observers, masters) as ensemble:
        ensemble.start()
        _tell_masters(steps, ensemble)
        with Load(steps.tool, ensemble, writers=2 * len(ensemble.members), quiet=2 * len(ensemble.members), rate=BRISKLY, seed=steps.seed) as load:
            load.flowing(200)
            load.sessions = _sessions(ensemble)
            load.poke()
            _prove(steps, ensemble, load, proved)
            for observer in ensemble.observers:
                for how in joins:
                    _join(steps, ensemble, load, observer, how)
            load.spread()
            load.flowing(100)
            load.poke()
            _lose(steps, ensemble, load)
            told = load.stop()
            steps.say(f"writes acknowledged through each server: {told['by_server']}, of unknown outcome {told['unknown']}")
            if "0" in told["by_server"].split(","):
                raise AssertionError("a server took no write")
            steps.say(proof(load.verdict()))
            load.close()
            load.fail_on_problems()
        for observer in ensemble.observers:
            if observer.kind == "R":
                _differ(steps, ensemble, observer)


def _tell_masters(steps, ensemble):
    for observer in ensemble.observers:
        master = ensemble.master_of(observer)
        if (master is ensemble.leader()) == bool(ensemble.master_port):
            raise AssertionError(f"{observer} learns from {master}, {ensemble.leader()} leads")
        steps.say(f"{observer} learns from {master}, {ensemble.leader()} leads")


def _proof_of(ensemble, observer):
    """The numbers of the proof, after a look at whether they can be right."""
    told = {name: int(value) for name, value in mntr(observer.port).items() if name.startswith("zk_digest_")}
    compared, equal, differ = (told[f"zk_digest_{name}"] for name in ("txns_compared", "txns_equal", "mismatches_count"))
    if compared != equal or differ:
        raise AssertionError(f"{observer}: {told}\n{observer.last_words()}")
    return told


def _prove(steps, ensemble, load, wanted):
    """So many transactions whose digest is that of our tree, the last one included."""
    load.ask("rate 0")
    provers = [observer for observer in ensemble.observers if observer.kind == "R"]
    end = time.monotonic() + 300
    while provers and min(_proof_of(ensemble, prover)["zk_digest_txns_equal"] for prover in provers) < wanted:
        load.flowing(100)
        if time.monotonic() > end:
            raise AssertionError(f"{[_proof_of(ensemble, prover) for prover in provers]}")
    load.ask("pause")
    zxid = ensemble.settle()
    for prover in provers:
        told = _proof_of(ensemble, prover)
        if told["zk_digest_last_equal_zxid"] != zxid:
            raise AssertionError(f"{prover} is at {zxid:#x}: {told}")
        if not re.search(r"digests equal up to zxid 0x", prover.log.read_text()):
            raise AssertionError(f"{prover} does not say so")
        steps.say(f"{prover} has compared {told['zk_digest_txns_compared']} digests up to {zxid:#x}, all equal; {told['zk_digest_txns_without']} transactions had none")
    load.ask("resume")
    load.ask(f"rate {BRISKLY}")


def _join(steps, ensemble, load, observer, how):
    load.ask(f"rate {SLOWLY}")
    if how == "TRUNC":
        load.ask("pause")
        base = connect(ensemble.leader())
        base.create("/tail", "")
        base.set("/tail", "of the log")
        base.call(CLOSE_SESSION, b"")
        _until_only_the_load_is_there(ensemble, load)
        ensemble.settle()
        observer.stop()
        _leave_a_tail(observer)
    else:
        observer.kill()
        load.flowing(FEW)
        if how == "SNAP":
            load.ask(f"rate {BRISKLY}")
            load.flowing(BEYOND_COMMITTED_LOG)
            load.ask(f"rate {SLOWLY}")
        load.ask("pause")
    mark = observer.log_length()
    observer.spawn()
    took = ensemble.wait()
    load.ask("resume")
    nodes = load.equal()
    seen = sorted(way for way, words in JOINED_BY.items() if re.search(words, observer.log_since(mark)))
    if seen != [how]:
        raise AssertionError(f"{observer} joined by {seen}, not by {how}")
    steps.say(f"{observer} joins {ensemble.master_of(observer)} by {how} in {took:.1f} s, {nodes} nodes equal")
    if observer.kind == "R" and how != "TRUNC":
        _proved_anew(ensemble, observer)
    load.ask(f"rate {BRISKLY}")


def _proved_anew(ensemble, observer, seconds=20):
    """Something was compared since its start: nothing at all would be equal, too."""
    end = time.monotonic() + seconds
    while not _proof_of(ensemble, observer)["zk_digest_txns_equal"]:
        if time.monotonic() > end:
            raise AssertionError(f"{observer} proved nothing since it came back: {mntr(observer.port)}")
        time.sleep(0.1)


def _sessions(ensemble):
    return int(mntr(ensemble.leader().port)["zk_global_sessions"])


def _until_only_the_load_is_there(ensemble, load, seconds=60):
    """Whoever compared the trees has left sessions, whose ends would take the numbers of the tail."""
    end = time.monotonic() + seconds
    while _sessions(ensemble) > load.sessions:
        if time.monotonic() > end:
            raise AssertionError(f"{_sessions(ensemble)} sessions, {load.sessions} are those of the load")
        time.sleep(0.2)


def _lose(steps, ensemble, load):
    """The server that an observer learns from goes, and comes back."""
    observer = ensemble.observers[0]
    master = ensemble.master_of(observer)
    load.mark()
    master.kill()
    gap = load.flowing(50)
    ensemble.wait()
    other = ensemble.master_of(observer)
    if other is master:
        raise AssertionError(f"{observer} still learns from {master}")
    master.spawn()
    ensemble.wait()
    load.flowing(50)
    load.spread()
    told = load.poke()
    steps.say(f"{master} killed, from which {observer} learned: now it learns from {other}, gap {gap:.0f} ms, all {told['told']} watches fired, {load.equal()} nodes equal")


def _differ(steps, ensemble, observer):
    """One bit of a node is changed in the observer's log: the next transaction tells."""
    client = connect(ensemble.leader())
    assert client.create("/planted", VALUE) == 0
    ensemble.settle()
    observer.stop()
    _change_a_bit(observer)
    mark = observer.log_length()
    observer.spawn()
    ensemble.wait()
    before = mntr(observer.port)
    assert connect(observer).get("/planted") == OTHER_VALUE
    ensemble.settle()
    assert client.create("/after-planted", "") == 0
    error, stat = client.call(EXISTS, text("/after-planted") + b"\0")
    assert error == 0
    zxid = struct.unpack(">q", stat[:8])[0]
    end = time.monotonic() + 10
    while int(mntr(observer.port).get("zk_digest_last_mismatch_zxid", 0)) != zxid:
        if time.monotonic() > end:
            raise AssertionError(f"{observer} does not see the difference at {zxid:#x}: {mntr(observer.port)}")
        time.sleep(0.05)
    told = re.search(r".*the digest of the tree is not that of the transaction: zxid (0x[0-9a-f]+) says (-?\d+), the tree has (-?\d+)", observer.log_since(mark))
    if not told:
        raise AssertionError(f"{observer} does not tell of the difference:\n{observer.last_words()}")
    first = int(told.group(1), 16)
    # The session that looked at the node was the first transaction.
    if not int(before.get("zk_digest_last_equal_zxid", 0)) < first <= zxid:
        raise AssertionError(f"the first difference is told of {first:#x}")
    differing = int(mntr(observer.port)["zk_digest_mismatches_count"])
    compared = int(mntr(observer.port)["zk_digest_txns_compared"])
    if int(mntr(observer.port)["zk_digest_txns_equal"]):
        raise AssertionError(f"{observer} was shown a difference, and finds a transaction equal: {mntr(observer.port)}")
    steps.say(f"one bit of {observer}'s log changed: told with the first transaction behind it, {first:#x}; {differing} differ, {compared} of them since the start")


def _logs(member):
    return sorted((member.data / "version-2").glob("log.*"), key=lambda path: int(path.suffix[1:], 16))


def _records(raw):
    """Offset and bytes of each record; behind them, where the next one goes."""
    at, found = 16, []
    while at + 12 <= len(raw):
        length = struct.unpack_from(">i", raw, at + 8)[0]
        if length <= 0:
            break
        found.append((at, raw[at + 12:at + 12 + length]))
        at += 12 + length + 1
    return found, at


def _record(body):
    return struct.pack(">qi", zlib.adler32(body), len(body)) + body + b"B"


def _leave_a_tail(member):
    """Transactions that nobody else has stand behind the last one."""
    log = next(log for log in reversed(_logs(member)) if _records(log.read_bytes())[0])
    raw = log.read_bytes()
    records, end = _records(raw)
    last = struct.unpack_from(">q", records[-1][1], 12)[0]
    # Session, xid, zxid, time, type: of a setData.
    model = next(body for _, body in reversed(records) if struct.unpack_from(">i", body, 28)[0] == 5)
    tail = b"".join(_record(model[:12] + struct.pack(">q", last + number) + model[20:]) for number in range(1, TAIL + 1))
    log.write_bytes(raw[:end] + tail + raw[end + len(tail):])


def _change_a_bit(member):
    for log in _logs(member):
        raw = bytearray(log.read_bytes())
        for at, body in _records(bytes(raw))[0]:
            if VALUE in body:
                changed = _record(body.replace(VALUE, OTHER_VALUE))
                raw[at:at + len(changed)] = changed
                log.write_bytes(bytes(raw))
                return
    raise AssertionError(f"the log of {member} does not have the transaction")
