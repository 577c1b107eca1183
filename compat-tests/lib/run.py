"""All compatibility checks; see compat-tests/run."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "clients"), str(HERE.parent / "datadirs"), str(HERE.parent / "ensembles")]
import clients  # noqa: E402
import datadirs  # noqa: E402
import ensembles  # noqa: E402
from harness import COMPAT, Report, Skip, apache, differential, remove, scratch  # noqa: E402

USAGE = "compat-tests/run [--quick|--full] -- SERVER_CMD"
SEED = os.environ.get("SEED", "1")


def main():
    words = sys.argv[1:]
    full = "--full" in words[:1]
    if "--" not in words or not words[words.index("--") + 1:]:
        sys.exit(USAGE)
    command = " ".join(words[words.index("--") + 1:])
    report = Report()
    clients.run(report, command)
    tool = differential()
    amounts = {
        "compare": ["--seed", SEED, "--requests", "1000000" if full else "20000"],
        "load": [] if full else ["--sessions", "1000", "--watches", "2000", "--seconds", "10"],
        "million": ["--nodes", "1000000" if full else "100000"],
    }
    reference = apache()
    report.check("the same requests to the reference, every reply compared", measured, tool, "compare", command, reference, amounts)
    report.check("idle sessions, watches on one node, outstanding requests", measured, tool, "load", command, command, amounts)
    report.check("many znodes: fill, restart, read back", measured, tool, "million", command, reference, amounts)
    datadirs.run(report, command, quick=not full)
    if os.environ.get("ENSEMBLES") == "1":
        ensembles.run(report, command, full=full, seed=int(SEED))
    if full:
        report.check("kazoo's own tests", suite, "kazoo-suite", command)
        report.check("Apache's own tests", suite, "java-suite", command)
        if os.environ.get("ENSEMBLES") == "1":
            report.check("Apache's own tests of ensembles", suite, "java-suite", "--quorum", command)
    sys.exit(report.end())


def measured(tool, kind, command, reference, amounts):
    if reference is None:
        raise Skip("Apache ZooKeeper 3.9.5 cannot be had")
    folder = scratch(kind)
    servers = ["--server", command] if kind == "load" else ["--reference", reference, "--candidate", command]
    try:
        done = subprocess.run([tool, kind, *servers, *amounts[kind], "--folder", str(folder)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        print("".join(f"  {line}\n" for line in done.stdout.splitlines()), end="")
        if done.returncode != 0:
            raise AssertionError(f"rookeeper-differential {kind} ended with {done.returncode}")
    finally:
        remove(folder)


def suite(script, *arguments):
    done = subprocess.run([str(COMPAT / "scripts" / script), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print("".join(f"  {line}\n" for line in done.stdout.splitlines()), end="")
    if "1 skipped" in done.stdout and "0 passed, 0 failed" in done.stdout:
        raise Skip(done.stdout.strip().splitlines()[0])
    if done.returncode != 0:
        raise AssertionError(f"{script} ended with {done.returncode}")


if __name__ == "__main__":
    main()
