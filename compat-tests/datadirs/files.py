"""The files of a data directory: where records end, and how to damage them."""

import struct
from pathlib import Path

HEADER = 16
RECORD_HEAD = struct.Struct(">qi")
# czxid, mzxid, ctime, mtime, version, cversion, aversion, owner, pzxid
STAT = struct.Struct(">4q3i2q")
OWNER_AT = struct.calcsize(">4q3i")
DAMAGED = 16


def newest(data, kind):
    """Files of a kind (`log`, `snapshot`), newest first by the zxid in the name."""
    found = [path for path in Path(data, "version-2").glob(f"{kind}.*") if not path.name.endswith(".tmp")]
    return sorted(found, key=lambda path: int(path.name.split(".")[1], 16), reverse=True)


def records(log):
    """Offset and length of each whole record."""
    data = log.read_bytes()
    at, found = HEADER, []
    while at + RECORD_HEAD.size <= len(data):
        _, length = RECORD_HEAD.unpack_from(data, at)
        end = at + RECORD_HEAD.size + length + 1
        if length <= 0 or end > len(data) or data[end - 1] != 0x42:
            break
        found.append((at, end - at))
        at = end
    return found


def last_zxid(log):
    at, _ = records(log)[-1]
    return struct.unpack_from(">q", log.read_bytes(), at + RECORD_HEAD.size + 12)[0]


def cut_tail(data):
    """The last record loses its end, as when the machine stops in the middle of a write."""
    log = newest(data, "log")[0]
    at, length = records(log)[-1]
    with open(log, "r+b") as file:
        file.truncate(at + length - 5)


def garble_tail(data):
    """The end of the last record, its mark included, is something else; zeros follow."""
    log = newest(data, "log")[0]
    at, length = records(log)[-1]
    with open(log, "r+b") as file:
        file.seek(at + length - 8)
        file.write(b"\xde\xad\xbe\xef\xfe\xed\xfa\xce")


def empty_tail(data):
    """A log file that was created and never written."""
    log = newest(data, "log")[0]
    log.with_name(f"log.{last_zxid(log) + 1:x}").touch()


def damage_data(data, nodes):
    """Some bytes of the data of a node in the newest snapshot are other ones: a node that nothing changed since, so that it
    would show. All that a reader indexes on the way (owners, containers, sessions) is as it was written."""
    snapshot = newest(data, "snapshot")[0]
    for node in snapshot_nodes(snapshot):
        if node["length"] >= DAMAGED and not node["path"].startswith("/zookeeper") and f" mzxid={node['mzxid']:#x} " in nodes.get(node["path"], ""):
            overwrite(snapshot, node["data_at"] + node["length"] // 2 - DAMAGED // 2, DAMAGED)
            return node["path"]
    raise AssertionError(f"{snapshot.name} has no node whose data could be damaged")


def damage_owner(data, nodes):
    """In the newest snapshot a node without children, which is there to this day, is the ephemeral of a session that never was."""
    snapshot = newest(data, "snapshot")[0]
    for node in snapshot_nodes(snapshot):
        today = nodes.get(node["path"], "")
        is_same = f" czxid={node['czxid']:#x} " in today and " owner=0x0 " in today and today.endswith(" children=0")
        if is_same and node["owner"] == 0 and not node["path"].startswith("/zookeeper"):
            overwrite(snapshot, node["owner_at"], 8)
            return node["path"]
    raise AssertionError(f"{snapshot.name} has no node whose owner could be damaged")


def overwrite(file, at, length):
    with open(file, "r+b") as file:
        file.seek(at)
        old = file.read(length)
        file.seek(at)
        file.write(bytes(byte ^ 0x5A for byte in old))


def snapshot_nodes(snapshot):
    """Each node of a snapshot that is not compressed, and where in the file its data and its owner stand."""
    content = snapshot.read_bytes()
    at = HEADER

    def number(form=">i"):
        nonlocal at
        (value,) = struct.unpack_from(form, content, at)
        at += struct.calcsize(form)
        return value

    def buffer():
        nonlocal at
        length = max(number(), 0)
        at += length
        return at - length, length

    def text():
        start, length = buffer()
        return content[start:start + length].decode(errors="replace")

    for _ in range(number()):  # sessions: id and timeout
        number(">q"), number()
    for _ in range(number()):  # ACLs by their key
        number(">q")
        for _ in range(number()):
            number(), text(), text()
    while (path := text()) != "/":
        data_at, length = buffer()
        number(">q")  # key of the ACL
        czxid, mzxid, *_, owner, _ = STAT.unpack_from(content, at)
        yield {"path": path, "data_at": data_at, "length": length, "czxid": czxid, "mzxid": mzxid, "owner": owner, "owner_at": at + OWNER_AT}
        at += STAT.size
