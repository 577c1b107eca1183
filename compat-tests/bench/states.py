"""Servers in special states: empty, full, restarted, writing snapshots, with idle sessions, with many watches, without a leader."""

import statistics
import time

import harness
from generator import metrics_of
from load import Load
from machine import resident
from sides import address
from wire import CLOSE_SESSION, Client, Gone

FILL, RESTART_LOG, SNAPSHOTS, RESTART_SNAPSHOT = MILLION = (
    "1 M znodes: fill", "1 M znodes: restart from the log", "1 M znodes: sets while snapshots run", "1 M znodes: restart from a snapshot")
# Until what a start has left behind is done.
QUIET = 3.0
START_WITHIN = 180
ROOT = "/filled"


def settle(lab, addresses):
    """Lets a virtual machine compile what it runs."""
    lab.generator.run("mixed", addresses, (), lab.amounts.settle, writes=50, root="/settle", keep=True)


def empty(lab, side):
    with side.one() as server:
        time.sleep(QUIET)
        yield "empty server", {"rss": resident(server.process.pid) / 1e6}, {}


def million(lab, side):
    """One server is filled, started again from its log alone, writes snapshots under sets, and is started again from the last of them."""
    with side.one() as server:
        time.sleep(QUIET)
        yield FILL, *fill(lab, server)
        server.stop()
        removed = remove_snapshots(server.data / "version-2")
        server.settings.append(f"snapCount={lab.amounts.snapshot_every}")
        yield RESTART_LOG, {"seconds": first_read(server)}, {"removed": removed}
        time.sleep(QUIET)
        yield SNAPSHOTS, *sets_meanwhile(lab, server)
        server.stop()
        yield RESTART_SNAPSHOT, {"seconds": first_read(server)}, {"snapshots": list(snapshots(server.data / "version-2").values())}


def fill(lab, server):
    before, count = resident(server.process.pid), lab.amounts.fill
    told = lab.generator.run("fill", [address(server)], [server.process.pid], patience=1200, count=count, root=ROOT, keep=True)
    metrics = metrics_of(told)
    # The last second is hardly ever whole, and the whole of it is not for the latency of one.
    metrics = {name: metrics[name] for name in ("rate", "cpu", "failed")}
    metrics["bytes"] = (resident(server.process.pid) - before) / count
    return metrics, {"empty_bytes": before, **told}


def snapshots(folder):
    """Names of the snapshots by zxid."""
    return {int(path.name.split(".")[1], 16): path.name for path in folder.glob("snapshot.*")}


def remove_snapshots(folder):
    """All but the one of an empty tree: what is left is in the log. The names of those that were removed."""
    removed = [name for zxid, name in sorted(snapshots(folder).items()) if zxid > 0]
    for name in removed:
        (folder / name).unlink()
    return removed


def first_read(server):
    """Seconds from the start of the process to the reply to a read of a node that was filled in."""
    began = time.monotonic()
    server.spawn()
    while True:
        try:
            # A server that accepts too early may never answer that connection.
            client = Client(server.port, timeout=0.5)
            data = client.get(f"{ROOT}/c00000/{0:09}")
            took = time.monotonic() - began
            if data is None:
                raise AssertionError("what was filled in is not there after the restart")
            client.call(CLOSE_SESSION, b"")
            return took
        except (Gone, OSError):
            if server.process.poll() is not None:
                raise AssertionError(f"the server ended with {server.process.returncode}: {server.last_words(5)}") from None
            if time.monotonic() - began > START_WITHIN:
                raise AssertionError(f"no read is answered {START_WITHIN} s after the restart") from None
            time.sleep(0.005)


def sets_meanwhile(lab, server):
    """Sets at their times, while one snapshot follows the other."""
    folder, amounts = server.data / "version-2", lab.amounts
    before, rss = set(snapshots(folder)), resident(server.process.pid)
    told = lab.generator.run("set", [address(server)], [server.process.pid], amounts.snapshot_seconds, amounts.warm_up,
                             rate=amounts.snapshot_rate, root="/meanwhile", keep=True)
    made = sorted(set(snapshots(folder)) - before)
    if not made:
        raise AssertionError("no snapshot was made meanwhile")
    lab.say(f"{len(made)} snapshots meanwhile")
    grown = max(0.0, told["server_rss_most_mb"] * 1e6 / rss - 1)
    sizes = [(folder / snapshots(folder)[zxid]).stat().st_size for zxid in made]
    return {**metrics_of(told), "growth": grown * 100}, {"snapshots": len(made), "snapshot_bytes": sizes, **told}


def idle(lab, side):
    amounts = lab.amounts
    with side.one() as server:
        time.sleep(QUIET)
        # For a third of the timeout nobody pings.
        told = lab.generator.run("idle", [address(server)], [server.process.pid], amounts.idle_seconds, amounts.idle_timeout / 3e3,
                                 connections=amounts.idle_sessions, timeout=amounts.idle_timeout)
        metrics = {"kb": told["server_rss_kb_per_session"], "microcores": told["server_microcores_per_session"]}
        yield "5,000 idle sessions", metrics, told


def storm(lab, side):
    amounts = lab.amounts
    with side.one() as server:
        settle(lab, [address(server)])
        told = lab.generator.run("watch-storm", [address(server)], [server.process.pid], connections=amounts.watchers, count=amounts.storms,
                                 timeout=40_000, keep=True)
        metrics = {"last": told["last_event_us"], "reply": told["set_reply_us"], "cpu": told["server_cpu_us_per_op"], "failed": told["missing_events"]}
        yield "10,000 watches on one node, one set", metrics, told


def leader_killed(lab, side):
    """Each leader in turn, by kill -9, under writes that are followed one by one; then the proof that none of them is lost."""
    tool, gaps = harness.differential(), []
    with side.three() as ensemble, Load(tool, ensemble, writers=6, rate=lab.amounts.kill_rate) as load:
        load.flowing(2 * lab.amounts.kill_rate)
        for _ in range(lab.amounts.kills):
            leader = ensemble.leader()
            load.flowing(lab.amounts.kill_rate // 2)
            load.mark()
            leader.kill()
            gaps.append(load.flowing(300))
            leader.spawn()
            ensemble.wait()
            load.spread()
        load.stop()
        told = load.verdict()
    lab.say(f"{side.name}: gaps {', '.join(f'{gap:.0f}' for gap in gaps)} ms, {told['acknowledged']} acknowledged writes present")
    # Whatever the proof misses is a failure of this row.
    yield "3 servers: leader killed", {"gap": statistics.median(gaps), "lost": 0}, {"gaps_ms": gaps, **told}
