"""faults.py N SEED SERVER...: N times, ends or starves the server at one system call, restarts it, checks the data.

A point is (system call, n-th call of a thread, SIGKILL or EIO or ENOSPC). The load writes one request at a time, so that
what must be there afterwards is known exactly: every acknowledged write, and at most the one that was in doubt.
"""
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from wire import Client, Gone  # noqa: E402

WRITES = 400
START_SECONDS = 20
POINTS = [("fdatasync", ("signal=SIGKILL", "error=EIO"), 400), ("pwrite64", ("signal=SIGKILL", "error=EIO", "error=ENOSPC"), 400),
          ("fsync", ("signal=SIGKILL", "error=EIO"), 40), ("rename", ("signal=SIGKILL", "error=EIO"), 8),
          ("unlink", ("signal=SIGKILL",), 6), ("ftruncate", ("signal=SIGKILL",), 4)]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def configure(home, port):
    path = os.path.join(home, "zoo.cfg")
    with open(path, "w", encoding="ascii") as file:
        file.write(f"dataDir={home}/data\ndataLogDir={home}/log\nclientPort={port}\nclientPortAddress=127.0.0.1\ntickTime=2000\n"
                   "snapCount=60\npreAllocSize=64\ntxnLogSizeLimitInKb=24\nautopurge.purgeInterval=1\nadmin.enableServer=false\n")
    return path


def start(command, config, log):
    return subprocess.Popen([*command, config], stdout=log, stderr=log, start_new_session=True)


def connect(port, process):
    """A session, or Gone when the process ended first."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            return Client(port)
        except Gone:
            if process.poll() is not None:
                raise
            time.sleep(0.02)
    raise Gone("not serving in time")


def end(process):
    """Ends the process and all that it started: under the tracer the server goes last, and until then it has the port."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.005)
    raise AssertionError(f"process group {process.pid} does not end")


def ended_by_itself(process):
    try:
        process.wait(START_SECONDS)
        return True
    except subprocess.TimeoutExpired:
        return False


def load(client, first):
    """Writes until the server is gone. Gives the acknowledged state and the write in doubt, if any."""
    acked, doubt = {}, None
    try:
        for number in range(first, first + WRITES):
            path, value = f"/n{number % 150}-{first}", f"{number}".encode().ljust(100, b".")
            doubt = (path, value)
            error = client.set(path, value) if path in acked else client.create(path, value)
            assert error == 0, f"{path}: error {error}"
            acked[path], doubt = value, None
    except Gone:
        pass
    return acked, doubt


def verify(client, acked, doubt):
    """Says what is wrong, or None."""
    for path, value in acked.items():
        found = client.get(path)
        if found != value and not (doubt and doubt == (path, found)):
            return f"{path}: acknowledged {value[:12]!r}, found {found and found[:12]!r}"
    known = {path[1:] for path in acked} | ({doubt[0][1:]} if doubt else set())
    extra = {name for name in client.children("/") if name.startswith("n")} - known
    return f"nodes nobody made: {sorted(extra)[:3]}" if extra else None


def one_point(command, call, what, when):
    """Runs one point. Gives (problem or None, whether the fault was reached, how the server ended)."""
    home = tempfile.mkdtemp(prefix="rookeeper-fault-")
    port = free_port()
    config = configure(home, port)
    with open(os.path.join(home, "out"), "w", encoding="ascii") as log:
        tracer = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:{what}:when={when}"]
        process = start([*tracer, *command], config, log)
        acked, doubt = {}, None
        try:
            acked, doubt = load(connect(port, process), 0)
        except Gone:
            pass
        reached = doubt is not None or not acked
        hung = reached and not ended_by_itself(process)
        ended = "running" if process.poll() is None else process.returncode
        end(process)
        process = start(command, config, log)
        try:
            problem = "hung instead of ending" if hung else verify(connect(port, process), acked, doubt)
        except Gone as error:
            problem = f"does not start again: {error}"
        finally:
            end(process)
    if problem is None:
        shutil.rmtree(home)
    else:
        problem += f" (kept in {home})"
    return problem, reached, ended


def main():
    count, seed, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    rng = random.Random(seed)
    passed = failed = reached_count = 0
    for index in range(count):
        call, faults, spread = POINTS[index % len(POINTS)]
        what, when = rng.choice(faults), rng.randint(1, spread)
        problem, reached, ended = one_point(command, call, what, when)
        reached_count += reached
        passed, failed = passed + (problem is None), failed + (problem is not None)
        print(f"{index + 1}/{count} {call} {what} when={when}: {problem or 'recovered'}"
              f"{'' if reached else ' (served on)'} [{ended}]", flush=True)
    print(f"seed {seed}: the fault stopped the server at {reached_count} of {count} points")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed or not reached_count else 0)


if __name__ == "__main__":
    main()
