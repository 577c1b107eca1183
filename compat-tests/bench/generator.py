"""Drives `rookeeper bench`: one run, its JSON, and the metrics that rows have."""

import json
import socket
import subprocess
import time

from harness import free_port

# For sessions to open, nodes to be made and removed, beside the time that is measured.
PATIENCE = 300
METRICS = {"rate": "operations_per_s", "p50": "p50_us", "p99": "p99_us", "max": "max_us", "cpu": "server_cpu_us_per_op"}


class Generator:
    """Every run has an end: after its time and some patience it is killed."""

    def __init__(self, binary):
        self.binary = str(binary)

    def run(self, what, addresses, pids=(), seconds=1.0, warm_up=0.0, patience=PATIENCE, **options):
        words = self.words(what, addresses, pids, seconds, warm_up, options)
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            out, err = process.communicate(timeout=seconds + warm_up + patience)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"bench {what} has not ended after {seconds + warm_up + patience:.0f} s") from None
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
        if process.returncode not in (0, 1) or not out.strip():
            raise AssertionError((err.strip().splitlines() or [f"bench {what} ended with {process.returncode}"])[-1])
        return json.loads(out)

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
