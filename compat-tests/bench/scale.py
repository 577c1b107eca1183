"""What very many sessions, znodes, watches and children cost, how that grows, and whether an hour of writes makes anything grow.

    scripts/scale [--quick] [--rows REGEX] [--minutes N] [--sides REGEX] [--out FOLDER] [--data FOLDER] [--binary FILE] [--list]

Each number of things is measured on a server of its own. Writes scale.json and scale.md to the folder (target/bench). Ends with 1 when a row could not
be measured."""

import os
import re
import shutil
import struct
import time
from contextlib import ExitStack
from dataclasses import dataclass

import machine
import trial
from growth import endurance, exponent, exponent_text
from judge import OURS, REFERENCE, SIDES
from sides import address
from states import QUIET, ROOT, first_read
from tables import markdown_table, number, plain_table
from trial import Trial, mntr_number
from wire import GET_CHILDREN, Client, text

HEADER = ["row", "number", "RSS B each", "server CPU µs each", "made per s", "beside", "command"]
ENDURING = ["row", "RSS MB begin, most, end", "descriptors", "files", "writes/s", "p99.9 ms", "verdict"]


@dataclass(frozen=True)
class Amounts:
    sessions: tuple
    nodes: tuple
    watches: tuple
    children: tuple
    idle_seconds: float
    timeout: int
    minutes: float
    every: float


WHOLE = Amounts(sessions=(25_000, 50_000, 100_000), nodes=(2_500_000, 5_000_000, 10_000_000), watches=(2_500_000, 5_000_000, 10_000_000),
                children=(250_000, 500_000, 1_000_000), idle_seconds=20, timeout=30_000, minutes=60, every=15)
QUICK = Amounts(sessions=(250, 1_000), nodes=(2_500, 10_000), watches=(2_500, 10_000), children=(2_500, 10_000), idle_seconds=1.5, timeout=4_000,
                minutes=0.2, every=0.5)

# Sessions of one process of the load; as many processes share an address of this machine as its ports bear.
HELD, PER_ADDRESS = 2_000, 12
# Descriptors of a server beside those of its sessions.
OTHERS = 300
WATCHERS = 100
# No snapshot comes between: what they cost is told by scripts/bench and scripts/steadiness.
NO_SNAPSHOTS = "snapCount=2000000000"
# A znode in the log, and once more in the snapshot that a start makes, with some room.
DISK_PER_NODE = 700
SMALL_HEAP = "1000m"


def idle(lab, side, count):
    """Sessions that only ping."""
    with side.one(["maxSessionTimeout=600000"]) as server, ExitStack() as held:
        before = Spent.by(server)
        command = hold(lab, server, held, count, lab.amounts.timeout)
        told = {"number": count, **before.since(server), "command": command}
        # For a third of the timeout nobody pings.
        time.sleep(lab.amounts.timeout / 3e3)
        yield resting(lab, server, told)


def loose(lab, side, count):
    """Sessions whose clients are gone and whose timeout is not over: they need no descriptor, so their number has no limit but memory."""
    with side.one(["maxSessionTimeout=3600000"]) as server:
        before, at_once, command = Spent.by(server), min(count, lab.limit - OTHERS), ""
        for first in range(0, count, at_once):
            with ExitStack() as held:
                command = hold(lab, server, held, min(at_once, count - first), 3_600_000)
        told = {"number": count, **before.since(server), "command": f"{command}, then killed, until there are {count:,} sessions"}
        # The server has to notice that the last ones are gone.
        time.sleep(QUIET)
        yield resting(lab, server, {**told, "rss": before.since(server)["rss"]})


def hold(lab, server, held, count, timeout):
    """Opens so many sessions, which stay as long as `held`; the last command of those that opened them."""
    shares = [{"connections": min(HELD, count - first), "sources": f"127.0.0.{2 + place // PER_ADDRESS}"} for place, first in enumerate(range(0, count, HELD))]
    runs = held.enter_context(lab.generator.held("idle", [address(server)], "sessions", 600, shares, timeout=timeout))
    if (alive := mntr_number(server, "num_alive_connections")) is not None and alive < count:
        raise AssertionError(f"{alive:.0f} sessions stand, not {count}")
    return f"{command_of(runs[-1].words)}, {len(runs)} times"


def resting(lab, server, told):
    """What they cost that do nothing."""
    before = Spent.by(server, quiet=0)
    time.sleep(lab.amounts.idle_seconds)
    cores = before.since(server)["cpu"] / lab.amounts.idle_seconds
    return {**told, "beside": f"{number(cores * 1e6 / told['number'])} µcores each"}


@dataclass(frozen=True)
class Spent:
    """What a server had used at a moment."""
    rss: int
    cpu: float
    at: float

    @classmethod
    def by(cls, server, quiet=QUIET):
        # What a start has left behind is done by then.
        time.sleep(quiet)
        return cls(machine.resident(server.process.pid), machine.processor_seconds(server.process.pid), time.monotonic())

    def since(self, server):
        now = Spent.by(server, 0)
        return {"rss": now.rss - self.rss, "cpu": now.cpu - self.cpu, "seconds": now.at - self.at}


def nodes(lab, side, count):
    room(lab, count * DISK_PER_NODE)
    with side.one([NO_SNAPSHOTS]) as server:
        told = made(lab, server, "fill", count)
        server.stop()
        yield {**told, "beside": f"{first_read(server):.1f} s to start again from the log"}


def children(lab, side, count):
    room(lab, count * DISK_PER_NODE)
    with side.one([NO_SNAPSHOTS]) as server:
        told = made(lab, server, "children", count)
        times, length = zip(*(listing(server) for _ in range(3)))
        yield {**told, "beside": f"{min(times) * 1e3:.0f} ms to list them, {length[0] / 1e6:.1f} MB"}


def listing(server):
    """Seconds, and bytes of the reply."""
    client = Client(server.port, timeout=60)
    try:
        began = time.monotonic()
        client.send(struct.pack(">ii", 1, GET_CHILDREN) + text(ROOT) + b"\0")
        length = struct.unpack(">i", client.exactly(4))[0]
        room_for, at = memoryview(bytearray(length)), 0
        while at < length:
            got = client.socket.recv_into(room_for[at:])
            if not got:
                raise AssertionError("the connection ended within the list")
            at += got
        if struct.unpack(">i", room_for[12:16])[0] != 0:
            raise AssertionError("the children cannot be listed")
        return time.monotonic() - began, length
    finally:
        client.socket.close()


def watches(lab, side, count):
    with side.one() as server:
        connections = min(WATCHERS, count)
        yield {**made(lab, server, "watches", count, connections=connections, nodes=-(-count // connections)), "beside": f"{connections} connections"}


def made(lab, server, what, count, **options):
    """As fast as it goes."""
    before = Spent.by(server)
    options = {"count": count, "root": ROOT, "keep": True, **options}
    told = lab.generator.run(what, [address(server)], [server.process.pid], patience=2_400, **options)
    if told["errors"]:
        raise AssertionError(f"refused: {told['errors']}")
    words = lab.generator.words(what, [address(server)], [server.process.pid], 1, 0, options)
    return {"number": count, "rss": told["server_rss_mb"] * 1e6 - before.rss, "cpu": told["server_cpu_s"], "seconds": told["measured_s"],
            "command": command_of(words)}


def hour(lab, side, _):
    """Writes at their times for long."""
    amounts, minutes = lab.amounts, lab.minutes
    with side.one(["autopurge.purgeInterval=1", "autopurge.snapRetainCount=3"]) as server:
        time.sleep(QUIET)
        running = lab.generator.start("set", [address(server)], [server.process.pid], minutes * 60, 2, rate=1_000, connections=10, root="/long", keep=True)
        try:
            running.await_line("the window begins", 60)
            samples, end = [sample(server)], time.monotonic() + minutes * 60
            while time.monotonic() < end:
                time.sleep(max(0, min(amounts.every, end - time.monotonic())))
                samples.append(sample(server))
            told = running.finish(60)
        finally:
            running.end()
        # The purge of the hour is over by then.
        time.sleep(QUIET)
        samples.append(sample(server))
        whole = int(minutes * 60)
        series = (told["per_second"] + [0] * whole)[:whole]
        failed = sum(told["errors"].values())
        yield {"minutes": minutes, "samples": samples, "per_second": series, "rate": told["operations_per_s"], "p999_ms": told["p99.9_us"] / 1e3,
               "failed": failed, "command": command_of(running.words)}


def sample(server):
    pid, files = server.process.pid, [path for path in server.data.rglob("*") if path.is_file()]
    return {"rss": machine.resident(pid), "open_files": machine.open_files(pid), "threads": machine.threads(pid), "files": len(files),
            "bytes": sum(size_of(path) for path in files)}


def size_of(path):
    # It may be purged meanwhile.
    return path.stat().st_size if path.exists() else 0


def room(lab, wanted):
    free = shutil.disk_usage(lab.data).free
    if free < wanted:
        raise AssertionError(f"{wanted / 1e9:.0f} GB of disk are needed below {lab.data}, {free / 1e9:.0f} are free")


def command_of(words):
    """As it would be typed."""
    told, words = ["rookeeper"], list(words[1:])
    while words:
        word = words.pop(0)
        if word == "--json":
            continue
        told.append(word)
        if word in ("--servers", "--pid"):
            words.pop(0)
            told.append({"--servers": "HOST:PORT", "--pid": "PID"}[word])
    return " ".join(told)


@dataclass(frozen=True)
class Row:
    """`amounts` names the numbers of things, each of which `is_connected` needs an open file for; `needs_heap` a reference that has to be given more
    memory than by default."""
    name: str
    amounts: str | None
    measure: object
    needs_heap: bool = False
    is_connected: bool = False


ENDURANCE = "1,000 writes/s for an hour"
ROWS = [Row("idle sessions", "sessions", idle, is_connected=True), Row("sessions without a connection", "sessions", loose),
        Row("znodes of 128 B", "nodes", nodes, True),
        Row("watches", "watches", watches, True), Row("children of one node", "children", children, True), Row(ENDURANCE, None, hour)]


def main():
    options = trial.options_of(__doc__, "--rows", [("--minutes", {"type": float, "help": f"of '{ENDURANCE}'"})])
    rows = [row for row in ROWS if re.search(options.wanted, row.name)]
    if options.list:
        print("\n".join(row.name for row in rows))
        return
    lab = Trial(options, "scale", QUICK if options.quick else WHOLE)
    lab.minutes = options.minutes or lab.amounts.minutes
    lab.limit = lab.descriptors(max(lab.amounts.sessions) + OTHERS)
    large = f"{max(1_000, min(12_000, lab.results['machine']['memory_gb'] * 500))}m"
    if any(row.needs_heap for row in rows):
        lab.results["notes"].append(f"Apache has a heap of {SMALL_HEAP}, and of {large} for znodes, watches and children.")
    for row in rows:
        os.environ["APACHE_HEAP"] = large if row.needs_heap else SMALL_HEAP
        for side in lab.sides:
            measure(lab, side, row)
    lab.end(markdown(lab.results), plain(lab.results))


def measure(lab, side, row):
    """A server that cannot bear a number is not asked for a larger one."""
    for count in counts(row, lab.amounts, lab.limit - OTHERS):
        try:
            for told in row.measure(lab, side, count):
                lab.put(row.name, side, told)
                lab.say(f"{row.name:<32} {side.name:<10} {said(told)}")
        except Exception as error:  # the other rows are measured nevertheless
            lab.put(row.name, side, {"error": f"{count or ''} {type(error).__name__}: {error}".strip()})
            lab.say(f"{row.name:<32} {side.name:<10} {count or ''} not measured: {error}")
            return


def counts(row, amounts, most):
    """The numbers of things of a row, or parts of what open files allow where that is less."""
    if row.amounts is None:
        return (None,)
    asked = getattr(amounts, row.amounts)
    return (most // 4, most // 2, most) if row.is_connected and max(asked) > most else asked


def said(told):
    if "samples" in told:
        wrong = endurance(told["samples"], told["per_second"], told["failed"], told["minutes"])
        return f"{told['rate']:.0f}/s, {', '.join(wrong) or 'nothing grows'}"
    return f"{told['number']:,}: {told['rss'] / told['number']:,.0f} B and {told['cpu'] * 1e6 / told['number']:.1f} µs each, {told['beside']}"


def steps_of(told):
    return {one["number"]: one for one in told if "number" in one}


def lines(results):
    """One for each number of things."""
    found = []
    for row, sides in results["rows"].items():
        pair = [steps_of(sides.get(side, [])) for side in SIDES]
        for count in sorted(set(pair[0]) | set(pair[1])):
            ones = [steps.get(count) for steps in pair]
            each = [[one and one["rss"] / count for one in ones], [one and one["cpu"] * 1e6 / count for one in ones],
                    [one and count / one["seconds"] for one in ones]]
            beside = " / ".join(one["beside"] if one else "–" for one in ones)
            found.append([row, f"{count:,}", *(" / ".join(map(number, pair_of)) for pair_of in each), beside, f"scripts/scale --rows '{row}'"])
    return found


def growths(results):
    """How the costs of each row grow."""
    found = []
    for row, sides in results["rows"].items():
        for side in SIDES:
            steps = steps_of(sides.get(side, []))
            if len(steps) > 1:
                of = {name: exponent_text(exponent([(count, one[name]) for count, one in sorted(steps.items())])) for name in ("rss", "cpu", "seconds")}
                found.append(f"{row}, {side}: memory grows {of['rss']}, CPU {of['cpu']}, time {of['seconds']}")
    return found


def enduring(results):
    found = []
    for row, sides in results["rows"].items():
        for side in SIDES:
            for one in sides.get(side, []):
                if "samples" not in one:
                    continue
                samples = one["samples"]
                spread = {name: (samples[0][name], max(sample_[name] for sample_ in samples), samples[-1][name]) for name in ("rss", "open_files", "files")}
                wrong = endurance(samples, one["per_second"], one["failed"], one["minutes"])
                found.append([f"{row} ({one['minutes']:g} minutes), {side}", ", ".join(number(value / 1e6) for value in spread["rss"]),
                              *(", ".join(map(str, spread[name])) for name in ("open_files", "files")), number(one["rate"]), number(one["p999_ms"]),
                              "; ".join(wrong) or "nothing grows"])
    return found


def plain(results):
    steps, long = lines(results), enduring(results)
    return paragraphs(trial.about(results), steps and plain_table(HEADER, steps, range(1, 6)), growths(results),
                      long and plain_table(ENDURING, long, range(1, 6)))


def markdown(results):
    steps, long = [[*line[:-1], f"`{line[-1]}`"] for line in lines(results)], enduring(results)
    commands = {one["command"] for sides in results["rows"].values() for told in sides.values() for one in told if "command" in one}
    return paragraphs(trial.about(results), steps and [f"{REFERENCE} / {OURS}:", "", *markdown_table(HEADER, steps, range(1, 5))],
                      [f"* {line}" for line in growths(results)], long and markdown_table(ENDURING, long),
                      ["What `scripts/scale` runs against each server:"], [f"* `{command}`" for command in sorted(commands)]) + "\n"


def paragraphs(*blocks):
    """Those that have lines: there is no table of rows that were not chosen."""
    return "\n\n".join("\n".join(block) for block in blocks if block)


if __name__ == "__main__":
    main()
