"""Drives `rookeeper bench`: one run, or one beside which something else happens; its JSON, and the metrics that rows have."""

import json
import os
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager

from harness import free_port

# For sessions to open, nodes to be made and removed, beside the time that is measured.
PATIENCE = 300
METRICS = {"rate": "operations_per_s", "p50": "p50_us", "p99": "p99_us", "max": "max_us", "cpu": "server_cpu_us_per_op"}


class Generator:
    """Every run has an end: after its time and some patience it is killed."""

    def __init__(self, binary):
        self.binary = str(binary)

    def run(self, what, addresses, pids=(), seconds=1.0, warm_up=0.0, patience=PATIENCE, **options):
        running = self.start(what, addresses, pids, seconds, warm_up, **options)
        try:
            return running.finish(seconds + warm_up + patience)
        finally:
            running.end()

    def start(self, what, addresses, pids=(), seconds=1.0, warm_up=0.0, **options):
        """Does not wait for it. Whoever starts it ends it."""
        return Running(self.words(what, addresses, pids, seconds, warm_up, options))

    @contextmanager
    def held(self, what, addresses, told, within, shares, seconds=7_200, **options):
        """Several at once, each with a share of the options; goes on from the moment when all of them say this."""
        runs = []
        try:
            for share in shares:
                runs.append(self.start(what, addresses, (), seconds, **options, **share))
            for running in runs:
                running.await_line(told, within)
            yield runs
        finally:
            for running in runs:
                running.end()

    def words(self, what, addresses, pids, seconds, warm_up, options):
        words = [self.binary, "bench", what, "--json", "--servers", ",".join(addresses), "--seconds", str(seconds), "--warm-up", str(warm_up)]
        if pids:
            words += ["--pid", ",".join(map(str, pids))]
        for name, value in options.items():
            words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
        return words

    def echo(self, seconds, warm_up, **options):
        """The same load as a row's on a server that does nothing."""
        address, longest = f"127.0.0.1:{free_port()}", seconds + warm_up + 60
        server = subprocess.Popen(self.words("echo", [address], [], longest, 0, {}), stdout=subprocess.DEVNULL)
        try:
            await_port(address)
            return self.run("get", [address], [server.pid], seconds, warm_up, patience=30, keep=True, **options)
        finally:
            server.kill()
            server.wait()


class Running:
    """A run that goes on."""

    def __init__(self, words):
        self.words = words
        self.out, self.err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=self.out, stderr=self.err)

    def await_line(self, text, seconds):
        """Until it says this."""
        end = time.monotonic() + seconds
        while text not in self.said(self.err):
            if self.process.poll() is not None:
                raise AssertionError(self.last_words())
            if time.monotonic() > end:
                raise AssertionError(f"bench {self.words[2]} has not said '{text}' after {seconds:.0f} s")
            time.sleep(0.01)

    def finish(self, seconds):
        """Its JSON. Its input ends, which ends those that heed it."""
        self.process.stdin.close()
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.end()
            raise AssertionError(f"bench {self.words[2]} has not ended after {seconds:.0f} s") from None
        out = self.said(self.out)
        if code not in (0, 1) or not out.strip():
            raise AssertionError(self.last_words())
        return json.loads(out)

    def end(self):
        """Kills it where it still runs. Nothing is asked of it any more."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdin, self.out, self.err):
            stream.close()

    def said(self, stream):
        """What it has written so far; its place in the file stays."""
        return os.pread(stream.fileno(), os.fstat(stream.fileno()).st_size, 0).decode(errors="replace")

    def last_words(self):
        return (self.said(self.err).strip().splitlines() or [f"bench {self.words[2]} ended with {self.process.returncode}"])[-1]


def await_port(address, seconds=20):
    host, port = address.split(":")
    end = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection((host, int(port)), 1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def metrics_of(told):
    """A load's own metrics; what failed, and how many whole seconds went by without a reply."""
    found = {name: told[key] for name, key in METRICS.items() if told.get(key) is not None}
    found["failed"] = sum(told.get("errors", {}).values())
    found["silent"] = silent_seconds(told)
    return found


def silent_seconds(told):
    whole = int(told.get("measured_s", 0) + 0.01)
    seen = told.get("per_second", [])[:whole]
    return whole - len(seen) + seen.count(0)
