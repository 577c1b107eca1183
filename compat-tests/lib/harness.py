"""Starts a server from its command line, ends it by its process id, and counts what was checked."""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMPAT = ROOT / "compat-tests"
SUPER_DIGEST = "super:D/InIHSb7yEEbrWz8b9l71RjZJU="


def apache(release="3.9.5"):
    """The reference server's command, or None with the reason printed when it cannot be had."""
    oracle = COMPAT / "scripts" / "oracle"
    done = subprocess.run([str(oracle), release], stdout=subprocess.PIPE, text=True)
    return f"{COMPAT}/scripts/apache-server --release {release}" if done.returncode == 0 else None


def java_classpath(release="3.9.5"):
    done = subprocess.run([str(COMPAT / "scripts" / "oracle"), release], stdout=subprocess.PIPE, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def four_letters(port, word, patience=2):
    try:
        with socket.create_connection(("127.0.0.1", port), patience) as link:
            link.settimeout(patience)
            link.sendall(word.encode())
            answer = b""
            while chunk := link.recv(65536):
                answer += chunk
            return answer.decode(errors="replace")
    except OSError:
        return ""


def mntr(port, patience=2):
    """What `mntr` says, by name; nothing while the server does not serve."""
    return dict(line.split("\t", 1) for line in four_letters(port, "mntr", patience).splitlines() if "\t" in line)


class Server:
    """One server process on a folder of its own; `data` may hold a directory that another server wrote."""

    def __init__(self, command, folder, settings=(), flags="", port=None):
        self.command = shlex.split(command)
        self.folder = Path(folder)
        self.data = self.folder / "data"
        self.port = port or free_port()
        self.settings = list(settings)
        self.flags = flags
        # A member whose membership may change writes its zoo.cfg itself, once it has one.
        self.writes_config = True
        self.process = None

    def start(self, wait=60):
        self.spawn()
        end = time.monotonic() + wait
        while "Mode: " not in four_letters(self.port, "srvr"):
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}:\n{self.last_words()}")
            if time.monotonic() > end:
                self.kill()
                raise RuntimeError(f"the server does not serve:\n{self.last_words()}")
            time.sleep(0.02)
        return self

    def spawn(self):
        """Starts the process without waiting for it."""
        self.data.mkdir(parents=True, exist_ok=True)
        config = self.folder / "zoo.cfg"
        lines = [f"dataDir={self.data}", f"clientPort={self.port}", "clientPortAddress=127.0.0.1", "admin.enableServer=false",
                 "4lw.commands.whitelist=*", f"DigestAuthenticationProvider.superDigest={SUPER_DIGEST}", *self.settings]
        if not any(line.startswith("tickTime=") for line in lines):
            lines.append("tickTime=2000")
        if self.writes_config or not config.exists():
            config.write_text("\n".join(lines) + "\n")
        words = [str(config) if word == "{cfg}" else word for word in self.command]
        if str(config) not in words:
            words.append(str(config))
        self.log = self.folder / "server.log"
        with open(self.log, "ab") as log:
            environment = dict(os.environ, SERVER_JVMFLAGS=self.flags)
            self.process = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def kill(self):
        """kill -9"""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def last_words(self, lines=15):
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


class Report:
    """One line a check, and the counts at the end."""

    def __init__(self):
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}

    def line(self, outcome, name, why=""):
        self.counts[outcome] += 1
        print(f"{outcome:<8} {name}" + (f": {why}" if why else ""), flush=True)

    def check(self, name, function, *arguments):
        """Passed unless it raises. `Skip` carries the reason why it could not be run."""
        began = time.monotonic()
        try:
            function(*arguments)
        except Skip as skip:
            self.line("skipped", name, str(skip))
        except Exception as error:  # every failure of a check is a line of the report
            self.line("failed", name, f"{type(error).__name__}: {error}")
        else:
            self.line("passed", f"{name} ({time.monotonic() - began:.1f} s)")

    def end(self):
        print("{passed} passed, {failed} failed, {skipped} skipped".format(**self.counts))
        return 0 if self.counts["failed"] == 0 and self.counts["passed"] > 0 else 1


class Skip(Exception):
    """A check that could not be run, and why."""


def scratch(name):
    """A folder under the system's temporary one, made anew for this run."""
    return Path(tempfile.mkdtemp(prefix=f"rookeeper-{name}-"))


def remove(folder):
    shutil.rmtree(folder, ignore_errors=True)


def freeze(process, seconds):
    """Stops a process we started in a session of its own, with what it started, for a while: so its session expires."""
    os.killpg(process.pid, signal.SIGSTOP)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGCONT)


def end_group(process):
    """Kills what is left of a process that was started in a session of its own."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def differential():
    """The comparison tool, built when it is not there; DIFFERENTIAL names one that is built already."""
    if "DIFFERENTIAL" in os.environ:
        return os.environ["DIFFERENTIAL"]
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    subprocess.run(["cargo", "build", "-q", "--release", "-p", "rookeeper-differential"], cwd=ROOT, check=True)
    return str(target / "release" / "rookeeper-differential")
