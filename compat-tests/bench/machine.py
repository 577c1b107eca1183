"""The machine: what it is, and how fast a disk and a socket alone are on it."""

import os
import platform
import re
import statistics
import subprocess
import time
from datetime import datetime, timezone
from pathlib import Path

# What is synced lies in blocks that the file has already, so that nothing is faster.
SYNCED, FILE = 512, 8 << 20


def facts(folder):
    cpu = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text()).group(1))
    return {"cpu": cpu.group(1).strip() if cpu else platform.machine(), "cores": len(os.sched_getaffinity(0)), "memory_gb": round(memory / 1e6),
            "kernel": platform.release().split("-")[0], "disk": file_system(Path("/proc/mounts").read_text(), folder), "java": java()}


def file_system(mounts, folder):
    """The kind and the device below a folder, the deepest mount."""
    found = max((line.split() for line in mounts.splitlines() if is_below(folder, line.split()[1])), key=lambda words: len(words[1]))
    return f"{found[2]} on {found[0]}"


def is_below(folder, mount):
    return Path(folder) == Path(mount) or Path(mount) in Path(folder).parents


def java():
    try:
        said = subprocess.run(["java", "-version"], capture_output=True, text=True, timeout=60).stderr
    except (OSError, subprocess.TimeoutExpired):
        return "?"
    return (said.splitlines() or ["?"])[0]


def today():
    return datetime.now(timezone.utc).strftime("%Y-%m-%d")


def commit(root):
    done = subprocess.run(["git", "-C", str(root), "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip() or "?"


def resident(pid):
    """Bytes in memory."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1)) * 1024


def processor_seconds(pid):
    """User and system time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def syncs(folder, seconds):
    """fdatasync of 512 B, one after another."""
    path, times = Path(folder) / "syncs", []
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, bytes(FILE))
        os.fsync(descriptor)
        block, at, end = b"x" * SYNCED, 0, time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.monotonic_ns()
            os.pwrite(descriptor, block, at)
            os.fdatasync(descriptor)
            times.append((time.monotonic_ns() - began) / 1e3)
            at = (at + SYNCED) % FILE
    finally:
        os.close(descriptor)
        path.unlink()
    cuts = statistics.quantiles(times, n=100) if len(times) > 1 else times * 99
    return {"rate": len(times) / (sum(times) / 1e6), "p50": cuts[49], "p99": cuts[98]}
