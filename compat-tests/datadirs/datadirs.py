"""Data directories both ways: one server writes, is stopped, killed or has its files damaged, and the other goes on.

    datadirs.py [--quick] SERVER_CMD

The writer itself, started on a copy, says what must be there: the whole trees are compared, every field of every node.
Then the other server writes, and the first must read that."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import files  # noqa: E402
from harness import Report, Server, Skip, apache, differential, four_letters, java_classpath, remove, scratch  # noqa: E402

SETTINGS = ["forceSync=no", "snapCount=400", "preAllocSize=64", "extendedTypesEnabled=true", "enforceQuota=true",
            "maxSessionTimeout=600000", "autopurge.purgeInterval=0"]
FLAGS = "-Dznode.container.checkIntervalMs=1000000000"
LOAD_SECONDS = 2.5

# name, compression of snapshots, killed under load, what happens to the files
SCENARIOS = [
    ("stopped", "", False, None),
    ("kill -9 under load, gzip", "gz", True, None),
    ("kill -9 under load, snappy", "snappy", True, None),
    ("kill -9, log tail cut", "", True, files.cut_tail),
    ("kill -9, log tail garbled", "", True, files.garble_tail),
    ("kill -9, empty log after the last", "", True, files.empty_tail),
]
QUICK = {"stopped", "kill -9 under load, gzip"}


def main():
    words = sys.argv[1:]
    quick = words[:1] == ["--quick"]
    command = " ".join(words[1:] if quick else words)
    if not command:
        sys.exit(__doc__)
    report = Report()
    run(report, command, quick)
    sys.exit(report.end())


def run(report, command, quick=False):
    tool = differential()
    for release in ["3.9.5"] if quick else ["3.9.5", "3.8.0"]:
        reference = apache(release)
        for scenario in SCENARIOS:
            if quick and scenario[0] not in QUICK:
                continue
            if release == "3.8.0" and scenario[3] is files.empty_tail:
                report.line("skipped", f"data directory, {release}: {scenario[0]}", "3.8.0 itself does not start on it")
                continue
            for writer, reader, way in ((reference, command, f"{release} to ours"), (command, reference, f"ours to {release}")):
                report.check(f"data directory, {way}: {scenario[0]}", one, tool, release, writer, reader, scenario)
        for writer, reader, way in ((reference, command, f"{release} to ours"), (command, reference, f"ours to {release}")):
            report.check(f"data directory, {way}: newest snapshot damaged", damaged_data, tool, release, writer, reader)
        for writer, by in ((reference, release), (command, "ours")):
            name = f"data directory, written by {by}: an owner in the newest snapshot damaged, {release} loses the node, ours keeps it"
            report.check(name, damaged_owner, tool, release, writer, command, reference)


def one(tool, release, writer, reader, scenario):
    _, compression, killed, damage = scenario
    must_be_had(release, writer, reader)
    if compression == "snappy" and "snappy" not in str([*Path(java_classpath(release)[:-1]).iterdir()]):
        raise Skip(f"no snappy library for {release}")
    folder = scratch("datadirs")
    settings = [*SETTINGS, *([f"snapshot.compression.method={compression}"] if compression else [])]
    try:
        data, acknowledged = write(tool, writer, folder / "writer", settings, killed, damage)
        if reader == apache(release) and not damage:
            read_by_tools(data)
        if damage:
            damage(data)
        before = tree(tool, writer, data, folder / "again", settings)
        after = tree(tool, reader, data, folder / "reader", settings, keep=True)
        compare(before, after, None if damage else acknowledged)
        go_on(tool, release, writer, reader, folder, settings)
    finally:
        leave(folder)


def damaged_data(tool, release, writer, reader):
    """The checksum of the newest snapshot does not hold: both servers have the whole tree from the one before and the logs.

    Only the data of a node are damaged. The reference reads the older snapshot into what it kept of the newer one (its
    ephemerals, containers, TTL nodes and sessions); as these are the true ones there, the replay makes them what they must be."""
    must_be_had(release, writer, reader)
    folder = scratch("datadirs")
    try:
        data, acknowledged = write(tool, writer, folder / "writer", SETTINGS, killed=False, damage=True)
        whole = tree(tool, writer, data, folder / "whole", SETTINGS)
        files.damage_data(data, whole["nodes"])
        again = tree(tool, writer, data, folder / "again", SETTINGS)
        if writer == apache(release):
            # The replay begins further back and may meet a digest that the reference itself finds wrong.
            whole["mismatches"] = again["mismatches"]
        compare(whole, again, acknowledged)
        compare(whole, tree(tool, reader, data, folder / "reader", SETTINGS, keep=True), acknowledged)
        go_on(tool, release, writer, reader, folder, SETTINGS)
    finally:
        leave(folder)


def damaged_owner(tool, release, writer, command, reference):
    """A difference of the reference, pinned on both sides (`snapshot-into-fresh-state` in COMPAT.md).

    A node of the newest snapshot has an owner that never was. The reference gives that snapshot up, but not the entry in its
    table of ephemerals, and deletes the node at its start as one of a dead session."""
    must_be_had(release, writer, reference)
    folder = scratch("datadirs")
    try:
        data, acknowledged = write(tool, writer, folder / "writer", SETTINGS, killed=False, damage=True)
        whole = tree(tool, writer, data, folder / "whole", SETTINGS)
        path = files.damage_owner(data, whole["nodes"])
        compare(whole, tree(tool, command, data, folder / "ours", SETTINGS), acknowledged)
        theirs = tree(tool, reference, data, folder / "theirs", SETTINGS)
        if path in theirs["nodes"]:
            raise AssertionError(f"the reference keeps {path}: the row in COMPAT.md is out of date")
        parent = path.rpartition("/")[0] or "/"
        touched = {path, parent, *(f"/zookeeper/quota{above}/zookeeper_stats" for above in ancestors(path))}
        others = {node for node in {*whole["nodes"], *theirs["nodes"]} if whole["nodes"].get(node) != theirs["nodes"].get(node)} - touched
        if others:
            raise AssertionError(f"more than {path} is another: {sorted(others)[:5]}")
    finally:
        leave(folder)


def ancestors(path):
    """The path and all above it but the root."""
    parts = path.split("/")[1:]
    return ["/" + "/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def must_be_had(release, *commands):
    if None in commands:
        raise Skip(f"Apache ZooKeeper {release} cannot be had")


def leave(folder):
    if os.environ.get("KEEP") is None:
        remove(folder)


def go_on(tool, release, writer, reader, folder, settings):
    """The reader goes on, and what it wrote goes back."""
    with Server(reader, folder / "reader", settings, FLAGS) as server:
        fill(tool, server.port, 5, 1000)
    data = folder / "reader" / "data"
    compare(tree(tool, reader, data, folder / "forth", settings), tree(tool, writer, data, folder / "back", settings))
    if writer == apache(release):
        read_by_tools(data)


def write(tool, command, folder, settings, killed, damage):
    """Fills a directory; what the clients were told at last."""
    server = Server(command, folder, settings, FLAGS).start()
    try:
        acknowledged = fill(tool, server.port, 1, 3000)
        if killed:
            load = subprocess.Popen([tool, "fill", "--address", f"127.0.0.1:{server.port}", "--seed", "100", "--requests", "1000000"],
                                    stdout=subprocess.PIPE, text=True)
            time.sleep(LOAD_SECONDS)
            server.kill()
            acknowledged = told(load.communicate(timeout=60)[0])
        server.stop()
        # A log that was just rolled holds nothing that could be damaged.
        tries = 0
        while damage and len(files.records(files.newest(server.data, "log")[0])) < 3 and tries < 5:
            tries += 1
            server.start()
            fill(tool, server.port, 200 + tries, 300)
            server.kill()
    finally:
        server.kill()
    snapshots, logs = len(files.newest(server.data, "snapshot")), len(files.newest(server.data, "log"))
    if snapshots < 2 or logs < 2:
        raise AssertionError(f"only {snapshots} snapshots and {logs} logs were written")
    return server.data, acknowledged


def fill(tool, port, seed, requests):
    done = subprocess.run([tool, "fill", "--address", f"127.0.0.1:{port}", "--seed", str(seed), "--requests", str(requests)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
    if done.returncode != 0 or "ends:" in done.stdout:
        raise AssertionError(f"the fill ended early: {done.stdout[-300:]} {done.stderr[-300:]}")
    return told(done.stdout)


def told(text):
    match = re.search(r"acknowledged (0x[0-9a-f]+)", text)
    return int(match.group(1), 16) if match else 0


def tree(tool, command, data, folder, settings, keep=False):
    """What a server says of a copy of the directory: nodes by path, zxid, digests by zxid, digest mismatches."""
    remove(folder)
    shutil.copytree(data, folder / "data")
    with Server(command, folder, settings, FLAGS) as server:
        address = f"127.0.0.1:{server.port}"
        zxid = int(re.search(r"Zxid: (0x[0-9a-f]+)", four_letters(server.port, "srvr")).group(1), 16)
        digests = dict(line.split(": ") for line in four_letters(server.port, "hash").splitlines() if ": " in line)
        mismatches = re.search(r"zk_digest_mismatches_count\s+(\d+)", four_letters(server.port, "mntr"))
        dump = subprocess.run([tool, "dump", "--address", address], stdout=subprocess.PIPE, text=True, timeout=120, check=True).stdout
    nodes = dict(line.split(" ", 1) for line in dump.splitlines())
    if not keep:
        remove(folder)
    return {"nodes": nodes, "zxid": zxid, "digests": digests, "mismatches": int(mismatches.group(1)) if mismatches else None}


def compare(before, after, acknowledged=None):
    ephemerals = sum(" owner=0x0 " not in line for line in before["nodes"].values())
    if len(before["nodes"]) < 100 or ephemerals < 5:
        raise AssertionError(f"only {len(before['nodes'])} nodes, {ephemerals} of them ephemeral: nothing to compare")
    differing = [path for path in sorted({*before["nodes"], *after["nodes"]}) if before["nodes"].get(path) != after["nodes"].get(path)]
    if differing:
        lines = [f"{path}\n    {before['nodes'].get(path)}\n    {after['nodes'].get(path)}" for path in differing[:5]]
        raise AssertionError(f"{len(differing)} of {len(before['nodes'])} nodes differ:\n  " + "\n  ".join(lines))
    if before["zxid"] != after["zxid"]:
        raise AssertionError(f"zxid {before['zxid']:#x} and {after['zxid']:#x}")
    if acknowledged is not None and after["zxid"] < acknowledged:
        raise AssertionError(f"{acknowledged:#x} was acknowledged, the directory holds {after['zxid']:#x}")
    common = {*before["digests"]} & {*after["digests"]}
    unequal = [zxid for zxid in common if before["digests"][zxid] != after["digests"][zxid]]
    if unequal:
        raise AssertionError(f"the digests at {unequal[:5]} differ")
    if (after["mismatches"] or 0) > (before["mismatches"] or 0):
        raise AssertionError(f"{after['mismatches']} digest mismatches, the writer itself finds {before['mismatches']}")


def read_by_tools(data):
    """The reference's own tools read every file of ours that can be whole."""
    path = java_classpath("3.9.5")
    main = "org.apache.zookeeper.server"
    jobs = [(f"{main}.persistence.TxnLogToolkit", "-d", log) for log in files.newest(data, "log")[:3] if files.records(log)]
    jobs += [(f"{main}.SnapshotFormatter", None, snapshot) for snapshot in files.newest(data, "snapshot")[:1]]
    for program, option, file in jobs:
        words = ["java", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", path, program, *([option] if option else []), str(file)]
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        if done.returncode != 0 or "CRC" in done.stdout or "Exception" in done.stdout:
            raise AssertionError(f"{program} on {file.name}: {done.stdout[-400:]}")


if __name__ == "__main__":
    main()
