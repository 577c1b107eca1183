"""Local sessions that become known to all as soon as they create an ephemeral, while they are closed, lost and moved, and leaders go."""

import asyncio
import re
import threading
import time

from ensemble import Ensemble
from harness import four_letters
from roamers import SESSION_MS, Crowd

SETTINGS = {"tickTime": 500, "initLimit": 20, "syncLimit": 5, "maxSessionTimeout": 40000, "preAllocSize": 4096,
            "localSessionsEnabled": "true", "localSessionsUpgradingEnabled": "true"}
CLIENTS = 1000
BETWEEN_FAULTS = 8


def local_sessions(steps, kinds="RRR", count=None):
    """`count` faults, each on the leader: killed, ended, asleep."""
    with Ensemble(steps.commands, kinds, SETTINGS) as ensemble:
        steps.say(f"{kinds}: all serve after {ensemble.start():.1f} s, {ensemble.leader()} leads")
        crowd = Crowd([member.port for member in ensemble.members], CLIENTS, steps.seed)
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, daemon=True).start()
        running = asyncio.run_coroutine_threadsafe(crowd.run(), loop)
        for number in range(1, (count or steps.rounds) + 1):
            time.sleep(BETWEEN_FAULTS)
            _no_orphans(ensemble, crowd)
            steps.say(f"{number}: {_fault(ensemble, number)}; {crowd}; {ensemble.leader()} leads")
            _fail_on(crowd)
        time.sleep(BETWEEN_FAULTS)
        crowd.is_over = True
        running.result(60)
        resting = asyncio.run_coroutine_threadsafe(crowd.rest(), loop)
        # What is not alive by now has expired by then.
        time.sleep(2.5 * SESSION_MS / 1000)
        ensemble.settle()
        told = _verdict(ensemble, crowd)
        crowd.is_checked = True
        resting.result(60)
        loop.call_soon_threadsafe(loop.stop)
        steps.say(f"{told}; {crowd}")
        _fail_on(crowd)


def _fault(ensemble, number):
    leader = ensemble.leader()
    what = ("killed", "ended", "asleep")[number % 3]
    if what == "killed":
        leader.kill()
    elif what == "ended":
        leader.stop()
    else:
        leader.pause()
        time.sleep(2 * SETTINGS["syncLimit"] * SETTINGS["tickTime"] / 1000)
        leader.resume()
    if what != "asleep":
        ensemble.wait()
        leader.spawn()
    ensemble.wait()
    return f"{leader} {what}"


def _fail_on(crowd):
    if crowd.problems:
        raise AssertionError(f"{len(crowd.problems)} problems:\n    " + "\n    ".join(crowd.problems[:12]))


def dump(member):
    """Ephemerals by session, and the sessions that all servers know: as this server says."""
    said = four_letters(member.port, "dump", 10)
    before, _, after = said.partition("ephemeral nodes dump:")
    known = before.rpartition("Global Session")[2]
    sessions = {int(session, 16) for session in re.findall(r"0x([0-9a-f]+)", known)}
    owners, owner = {}, None
    for line in after.partition("Connections dump:")[0].splitlines():
        if found := re.match(r"0x([0-9a-f]+):$", line):
            owner = owners.setdefault(int(found.group(1), 16), set())
        elif line.startswith("\t") and owner is not None:
            owner.add(line.strip())
    return owners, sessions


def _no_orphans(ensemble, crowd):
    """While all goes on: an owner that is not known in a dump, whose parts are of different moments, must be known or gone soon."""
    for member in ensemble.alive:
        owners, sessions = dump(member)
        suspects = set(owners) - sessions
        end = time.monotonic() + 5
        while suspects and time.monotonic() < end:
            time.sleep(0.2)
            owners, sessions = dump(member)
            suspects &= set(owners) - sessions
        for session in suspects:
            crowd.problem(f"{member}: ephemerals of 0x{session:x}, which is no session: {sorted(owners[session])[:3]}")


def _verdict(ensemble, crowd):
    alive, nodes = crowd.alive(), 0
    for member in ensemble.alive:
        owners, sessions = dump(member)
        for session in set(owners) - sessions:
            crowd.problem(f"{member}: ephemerals without a session, 0x{session:x}: {sorted(owners[session])[:3]}")
        for session in set(owners) - set(alive):
            crowd.problem(f"{member}: ephemerals of a session whose client is gone, 0x{session:x}: {sorted(owners[session])[:3]}")
        for session, wanted in alive.items():
            there = owners.get(session, set())
            lost = {path for path, is_acknowledged in wanted.items() if is_acknowledged} - there
            if lost:
                crowd.problem(f"{member}: 0x{session:x} lives and has lost {sorted(lost)[:3]}")
            if there - set(wanted):
                crowd.problem(f"{member}: 0x{session:x} has what it never asked for: {sorted(there - set(wanted))[:3]}")
        present = set().union(*owners.values()) if owners else set()
        if present & crowd.over:
            crowd.problem(f"{member}: outlived their session: {sorted(present & crowd.over)[:3]}")
        nodes = len(present)
    return f"{len(alive)} sessions live, {nodes} ephemerals, all with their session, on each of {len(ensemble.alive)} servers"
