"""The files of a data directory: where records end, and how to damage them."""

import struct
from pathlib import Path

HEADER = 16
RECORD_HEAD = struct.Struct(">qi")


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


def damage_snapshot(data):
    """Some bytes in the middle of the newest snapshot are other ones."""
    snapshot = newest(data, "snapshot")[0]
    size = snapshot.stat().st_size
    with open(snapshot, "r+b") as file:
        file.seek(size // 2)
        old = file.read(16)
        file.seek(size // 2)
        file.write(bytes(byte ^ 0x5A for byte in old))
