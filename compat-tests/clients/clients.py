"""The stock clients against a server command: create, read, watch, multi, reconnect, expire.

    clients.py SERVER_CMD

Each client is a program of its own that says what it found; this one starts the server, restarts it when the client asks,
and stops the client for longer than its session lives."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harness import COMPAT, Report, Server, Skip, end_group, freeze, java_classpath, remove, scratch  # noqa: E402

HERE = Path(__file__).resolve().parent
CACHE = COMPAT / ".cache"
KAZOO = "2.11.0"
PAUSE_SECONDS = 10
SETTINGS = ("tickTime=500", "extendedTypesEnabled=true")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    report = Report()
    run(report, " ".join(sys.argv[1:]))
    sys.exit(report.end())


def run(report, command):
    checks = [
        ("kazoo", kazoo), ("C library", c_library), ("Java client 3.9.5", lambda: java("3.9.5")), ("Java client 3.8.0", lambda: java("3.8.0")),
    ]
    for name, program in checks:
        report.check(f"{name}: create, read, watch, multi, reconnect, expire", lambda program=program: talk(command, program()))
    report.check("zkCli.sh of 3.9.5", zkcli, command, "3.9.5")
    report.check("zkCli.sh of Debian's 3.8.0", zkcli, command, "3.8.0")


def talk(command, words):
    folder = scratch("clients")
    server = Server(command, folder, SETTINGS).start()
    client = subprocess.Popen([*words, f"127.0.0.1:{server.port}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=open(folder / "client.log", "wb"), text=True, start_new_session=True)
    heard = []
    try:
        for line in client.stdout:
            heard.append(line.strip())
            if line == "restart\n":
                server.stop()
                server.start()
                client.stdin.write("\n")
                client.stdin.flush()
            elif line == "pause\n":
                freeze(client, PAUSE_SECONDS)
        client.wait(30)
        if heard[-1:] != ["done"]:
            log = (folder / "client.log").read_text(errors="replace")[-1500:]
            raise AssertionError(f"after {heard[-3:]}\n{log}\nserver: {server.last_words(5)}")
    finally:
        end_group(client)
        server.stop()
        remove(folder)


def kazoo():
    venv = CACHE / f"kazoo-{KAZOO}"
    if not (venv / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        done = subprocess.run([str(venv / "bin" / "pip"), "-q", "install", f"kazoo=={KAZOO}"], stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise Skip(f"kazoo {KAZOO} cannot be installed: {done.stderr.strip()[-200:]}")
        (venv / "installed").touch()
    return [str(venv / "bin" / "python"), str(HERE / "check_kazoo.py")]


def c_library():
    if not Path("/usr/include/zookeeper/zookeeper.h").exists():
        if os.geteuid() != 0 or subprocess.run(
                ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "libzookeeper-mt-dev"],
                stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL).returncode != 0:
            raise Skip("libzookeeper-mt-dev is missing and cannot be installed")
    if not shutil.which("cc"):
        raise Skip("no C compiler")
    CACHE.mkdir(exist_ok=True)
    binary = CACHE / "check-c"
    subprocess.run(["cc", "-O1", "-Wall", "-DTHREADED", "-o", str(binary), str(HERE / "check.c"), "-lzookeeper_mt", "-lpthread"], check=True)
    return [str(binary)]


def java(release):
    path = java_classpath(release)
    if path is None:
        raise Skip(f"Apache ZooKeeper {release} cannot be had")
    classes = CACHE / f"check-java-{release}"
    classes.mkdir(parents=True, exist_ok=True)
    if shutil.which("javac"):
        subprocess.run(["javac", "-nowarn", "-cp", path, "-d", str(classes), str(HERE / "Check.java")], check=True)
        return ["java", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{classes}:{path}", "Check"]
    raise Skip("no javac")


def zkcli(command, release):
    path = java_classpath(release)
    if path is None:
        raise Skip(f"Apache ZooKeeper {release} cannot be had")
    debian = "/usr/share/zookeeper/bin/zkCli.sh"
    folder = scratch("zkcli")
    server = Server(command, folder, SETTINGS).start()
    words = ["java", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-Dzookeeper.disableAutoWatchReset=false", "-cp", path,
             "org.apache.zookeeper.ZooKeeperMain"] if release == "3.9.5" else [debian]
    words += ["-timeout", "6000", "-server", f"127.0.0.1:{server.port}"]
    log = open(folder / "client.log", "w+")
    client = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=log, stderr=log, text=True, start_new_session=True)

    def ask(line, answer, after=None):
        seen = len(Path(log.name).read_text(errors="replace"))
        client.stdin.write(line + "\n")
        client.stdin.flush()
        end = time.monotonic() + 40
        while time.monotonic() < end:
            text = Path(log.name).read_text(errors="replace")[seen:]
            if answer in text:
                return
            if "ConnectionLoss" in text:
                break
            time.sleep(0.05)
        raise AssertionError(f"`{line}` was not answered with `{answer}`:\n{Path(log.name).read_text(errors='replace')[seen:][-600:]}")

    def connected(line, answer):
        for _ in range(5):
            try:
                return ask(line, answer)
            except AssertionError as error:
                if "ConnectionLoss" not in str(error):
                    raise
        raise AssertionError(f"`{line}`: no connection after five tries")

    try:
        ask("create /cli one", "Created /cli")
        ask("get /cli", "one")
        ask("create -s /cli/s- x", "Created /cli/s-0000000000")
        ask("create -e /cli/e x", "Created /cli/e")
        ask("create -c /cli/c", "Created /cli/c")
        ask("create -t 100000 /cli/t", "Created /cli/t")
        ask("ls /cli", "[c, e, s-0000000000, t]")
        ask("stat /cli", "numChildren = 4")
        ask("get -w /cli", "one")
        ask("set /cli two", "NodeDataChanged")
        ask("ls -w /cli", "t]")
        ask("delete /cli/t", "NodeChildrenChanged")
        ask("addWatch -m PERSISTENT_RECURSIVE /cli", "")
        ask("create /cli/c/d", "NodeCreated")
        ask("getAcl /cli", "'world,'anyone")
        ask("addauth digest u:p", "")
        ask("setAcl /cli/c auth::cdrwa", "")
        ask("getAcl /cli/c", "'digest,'u:")
        ask("create /cli x", "already exists")
        ask("setquota -n 5 /cli/c", "")
        ask("listquota /cli/c", "count=5")
        ask("get /none", "does not exist")
        server.stop()
        server.start()
        # The shell notices the restart by itself; a request before that is told so.
        connected("get /cli", "two")
        ask("get /cli/e", "x")
        freeze(client, PAUSE_SECONDS)
        # The shell ends, or says so, when its session has expired; its ephemeral is gone either way.
        other = subprocess.run([*words, "ls", "/cli"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        if "[c, s-0000000000]" not in other.stdout:
            raise AssertionError(f"after the expiry: {other.stdout[-300:]}")
    finally:
        end_group(client)
        server.stop()
        log.close()
        remove(folder)


if __name__ == "__main__":
    main()
