"""The load on an ensemble and its proof: drives `rookeeper-differential ensemble` by lines."""

import queue
import subprocess
import threading
import time


class Load:
    """Leaving the block ends it. Problems that the tool finds are failures of whoever asks for `verdict`."""

    def __init__(self, tool, ensemble, writers=6, quiet=0, window=1, rate=300, writes=0, seed=1, timeout_ms=30000, patience_ms=4000, addresses=None):
        numbers = {"writers": writers, "quiet": quiet, "window": window, "rate": rate, "writes": writes, "seed": seed,
                   "timeout-ms": timeout_ms, "patience-ms": patience_ms}
        words = [tool, "ensemble", "--addresses", ",".join(addresses or ensemble.addresses)]
        for name, value in numbers.items():
            words += [f"--{name}", str(value)]
        self.ensemble, self.problems, self.lines = ensemble, [], queue.Queue()
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        threading.Thread(target=self._listen, daemon=True).start()
        self._answer("ready", 90)
        self.marked = self.total = 0

    def _listen(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def _answer(self, word, seconds):
        while True:
            try:
                line = self.lines.get(timeout=seconds)
            except queue.Empty:
                raise AssertionError(f"the load does not say `{word}` for {seconds} s; {self.problems[:3]}") from None
            if line is None:
                raise AssertionError(f"the load ended before `{word}`; {self.problems[-3:]}")
            if line.split(" ")[0] == word:
                return dict(pair.split("=", 1) for pair in line.split(" ")[1:] if "=" in pair)
            self.problems.append(line)

    def ask(self, command, seconds=120):
        words = {"stop": "stopped", "finish": "stopped", "check": "checked", "close": "closed"}
        first = command.split(" ")[0]
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self._answer(words.get(first, first), seconds)

    def mark(self):
        """What was acknowledged since the mark before: acknowledged, ms, gap_ms, moves, expired, problems. `total` adds it up."""
        self.marked += 1
        mark = self.ask(f"mark {self.marked}")
        self.total += int(mark["acknowledged"])
        return mark

    def gap(self):
        return float(self.mark()["gap_ms"])

    def flowing(self, count=20, seconds=60):
        """Waits until so many more writes are acknowledged; what the marks on the way said."""
        end, got, gap = time.monotonic() + seconds, 0, 0.0
        while got < count:
            mark = self.mark()
            got, gap = got + int(mark["acknowledged"]), max(gap, float(mark["gap_ms"]))
            if time.monotonic() > end:
                raise AssertionError(f"only {got} writes were acknowledged in {seconds} s")
            time.sleep(0.05)
        return gap

    def equal(self, skip=()):
        """Rests the load and compares the trees of all that run, every field of every node; how many nodes."""
        self.ask("pause")
        self.ensemble.settle()
        told = self.ask(" ".join(["equal", *(f"127.0.0.1:{member.port}" for member in self.ensemble.alive), *skip]), 300)
        self.ask("resume")
        # So that the rest is in no later gap.
        self.flowing(5)
        self.mark()
        self.fail_on_problems()
        return int(told["nodes"])

    def fail_on_problems(self):
        problems, self.problems = self.problems, []
        if problems:
            raise AssertionError(f"{len(problems)} problems:\n    " + "\n    ".join(problems[:12]))

    def poke(self):
        return self.ask("poke")

    def spread(self):
        self.ask("spread")

    def stop(self):
        return self.ask("stop", 180)

    def finish(self, seconds):
        """Waits until the writes it was told to make are made."""
        return self.ask("finish", seconds)

    def verdict(self, skip=(), logs=True, addresses=None, archive=None):
        """Compares all trees with each other and with what was acknowledged. Any problem is a failure.

        With an archive, which has all logs from the first record on, their replay must also give every reply and the whole tree."""
        self.ensemble.settle()
        members = self.ensemble.alive
        told = self.ask(" ".join(["check", *(addresses or [f"127.0.0.1:{member.port}" for member in members]), *skip]), 600)
        if archive:
            archive.sweep()
            told["logs"] = self.ask(" ".join(["replay", *map(str, archive.folders)]), 600)
        elif logs:
            told["logs"] = self.ask(" ".join(["logs", *(str(member.data) for member in self.ensemble.members)]), 300)
        self.fail_on_problems()
        return told

    def close(self):
        return self.ask("close")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            try:
                self.process.stdin.write("quit\n")
                self.process.stdin.flush()
                self.process.wait(10)
            except (OSError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait()
        if kind is not None and self.problems:
            print("  the load said: " + "\n    ".join(self.problems[:12]), flush=True)
        self.process.stdout.close()
