"""The two servers that are measured, alone and as three, each on empty directories."""

import os
from contextlib import contextmanager

# What zkServer.sh gives; set before the module of ensembles sets what suits its tests.
os.environ["APACHE_HEAP"] = "1000m"
os.environ["APACHE_LOG"] = "warn"

from ensemble import Ensemble, Kinds  # noqa: E402
from harness import Server, remove, scratch  # noqa: E402

from judge import OURS, REFERENCE  # noqa: E402

# All compilers and the collector that Java chooses: tests ask for others.
FLAGS = "-XX:TieredStopAtLevel=4 -XX:-UseSerialGC"
# All sessions come from one address.
SETTINGS = ["maxClientCnxns=0"]


class Side:
    """One of the two."""

    def __init__(self, kinds, name):
        self.kinds, self.name, self.kind = kinds, name, {REFERENCE: "A", OURS: "R"}[name]
        self.command = kinds.command(self.kind)
        self.flags = FLAGS if self.kind == "A" else ""

    @contextmanager
    def one(self, settings=()):
        """A standalone server that serves."""
        folder = scratch("bench")
        server = Server(self.command, folder, [*SETTINGS, *settings], self.flags)
        try:
            yield server.start()
        finally:
            server.stop()
            remove(folder)

    @contextmanager
    def three(self):
        """An ensemble that serves."""
        with Ensemble(self.kinds, self.kind * 3, flags=self.flags) as ensemble:
            ensemble.start()
            yield ensemble


def both(command):
    """Reference first. The error is that of whoever cannot be had."""
    kinds = Kinds(command)
    return [Side(kinds, REFERENCE), Side(kinds, OURS)]


def address(server):
    return f"127.0.0.1:{server.port}"
