"""What every scenario is given, and how it tells what it does."""

import random
import statistics
import time


class Steps:
    """One line a step, with the seconds since the scenario began."""

    def __init__(self, tool, commands, seed, rounds):
        self.tool, self.commands, self.seed, self.rounds = tool, commands, seed, rounds
        self.random = random.Random(seed)
        self.began = time.monotonic()

    def begin(self, name):
        self.began = time.monotonic()
        print(f"{name} (seed {self.seed})", flush=True)

    def say(self, text):
        print(f"  {time.monotonic() - self.began:7.1f} s  {text}", flush=True)


def spread_of(gaps):
    return f"median {statistics.median(gaps):.0f} ms, worst {max(gaps):.0f} ms of {len(gaps)}"


def proof(told):
    return f"{told['acknowledged']} acknowledged writes present and in order, {told['nodes']} nodes equal on {told['servers']} servers"
