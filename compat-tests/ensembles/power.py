"""Power loss: every server's directory is a file system of its own, from which all that was not synced is taken at once."""

import fcntl
import os
import struct
import subprocess
import time
from pathlib import Path

from ensemble import QUICK_TICKS, Ensemble
from harness import Skip, remove, scratch
from load import Load
from steps import proof

EXT4_IOC_SHUTDOWN = 0x8004587D
# The journal is not written out either.
NO_LOG_FLUSH = 2
IMAGE_MIB = 96
SETTINGS = {**QUICK_TICKS, "preAllocSize": 512, "snapCount": 2000, "autopurge.purgeInterval": 0}


class Disk:
    """An ext4 in a file, mounted by a loop device."""

    def __init__(self, folder, number):
        self.image, self.place = folder / f"disk-{number}", folder / f"mounted-{number}"
        self.place.mkdir()
        with open(self.image, "wb") as image:
            image.truncate(IMAGE_MIB << 20)
        try:
            subprocess.run(["mkfs.ext4", "-q", "-F", str(self.image)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            self.mount()
        except (OSError, subprocess.CalledProcessError) as error:
            raise Skip(f"no file system of our own can be mounted here, so power loss is left to the simulator: {error}") from None

    def mount(self):
        subprocess.run(["mount", "-o", "loop", str(self.image), str(self.place)], check=True, stderr=subprocess.PIPE)

    def unmount(self):
        subprocess.run(["umount", str(self.place)], stderr=subprocess.DEVNULL)

    def lose_power(self):
        place = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(place, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(place)


def power(steps, kinds="RRR", count=None):
    """All three at once, under load, again and again; every second time right after all were killed and had come back."""
    if os.geteuid() != 0:
        raise Skip("only root may mount, so power loss is left to the simulator")
    folder, disks = scratch("power"), []
    try:
        for number in range(len(kinds)):
            disks.append(Disk(folder, number))
        _lose_power(steps, kinds, count or steps.rounds, disks)
    finally:
        for disk in disks:
            disk.unmount()
        remove(folder)


def _lose_power(steps, kinds, count, disks):
    with Ensemble(steps.commands, kinds, SETTINGS, data_folders=[disk.place / "data" for disk in disks]) as ensemble:
        try:
            steps.say(f"{kinds}: all serve after {ensemble.start():.1f} s, {ensemble.leader()} leads")
            with Load(steps.tool, ensemble, writers=9, window=4, rate=0, quiet=9, seed=steps.seed) as load:
                for number in range(1, count + 1):
                    load.flowing(1000)
                    if number % 2 == 0:
                        # What recovery took from the page cache must not be believed to be on the disk.
                        ensemble.kill_all()
                        ensemble.start()
                        load.flowing(20)
                    # First nobody moves any more: who outlives the disk may be told by the kernel that a lost write was synced.
                    for member in ensemble.members:
                        member.pause()
                    for member in ensemble.members:
                        _wait_until_asleep(member.process.pid)
                    for disk in disks:
                        disk.lose_power()
                    ensemble.kill_all()
                    for disk in disks:
                        disk.unmount()
                        disk.mount()
                    back = ensemble.start()
                    load.flowing(50)
                    nodes = load.equal()
                    steps.say(f"power lost {number}{' after a kill of all' if number % 2 == 0 else ''}: all serve after {back:.1f} s, {nodes} nodes equal")
                told = load.stop()
                steps.say(f"{told['acknowledged']} acknowledged, {told['unknown']} of unknown outcome")
                steps.say(proof(load.verdict()))
        finally:
            ensemble.kill_all()


def _wait_until_asleep(process, seconds=10):
    """Until no thread runs: each is stopped, or in the kernel and stopped when it comes back."""
    end = time.monotonic() + seconds
    while any(_state(thread) not in "TD" for thread in Path(f"/proc/{process}/task").iterdir()):
        if time.monotonic() > end:
            raise AssertionError(f"process {process} does not stop")
        time.sleep(0.001)


def _state(thread):
    return (thread / "stat").read_text().rsplit(") ", 1)[1][0]
