"""Ensembles of several servers, ours and the reference's, under load and faults.

    run [--quick|--full] [--only NAME[,NAME...]] [--seed N] [--rounds N] [--writes N] [--setting KEY=VALUE]... [--list] -- SERVER_CMD

SERVER_CMD runs a server in the foreground on a zoo.cfg, whose path comes last or in place of {cfg}."""

import argparse
import signal
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lib")]
import scenarios  # noqa: E402
from ensemble import Kinds  # noqa: E402
from harness import Report, differential  # noqa: E402
from steps import Steps  # noqa: E402


def main():
    words, command = sys.argv[1:], []
    if "--" in words:
        words, command = words[:words.index("--")], words[words.index("--") + 1:]
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--writes", type=int, default=0)
    parser.add_argument("--setting", action="append", default=[])
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args(words)
    if options.list:
        print("\n".join(f"{name:<24} {what}" for name, what, *_ in scenarios.ALL))
        return
    if not command:
        sys.exit(__doc__)
    report = Report()
    # Ended from outside, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    run(report, " ".join(command), full=options.full, only=options.only, seed=options.seed, rounds=options.rounds, writes=options.writes, settings=options.setting)
    sys.exit(report.end())


def run(report, command, full=False, only="", seed=1, rounds=0, writes=0, settings=()):
    """All of the quick or the full set, or those whose names begin with one of `only`."""
    tool, kinds = differential(), Kinds(command, settings)
    wanted = tuple(filter(None, only.split(",")))
    for name, what, function, quick, whole in scenarios.ALL:
        amounts = whole if full else quick
        if wanted and not name.startswith(wanted) or not wanted and amounts is None:
            continue
        amounts = dict(amounts if amounts is not None else whole)
        steps = Steps(tool, kinds, seed, rounds or amounts.get("count", 1))
        amounts.pop("count", None)
        if writes and "writes" in amounts:
            amounts["writes"] = writes

        def scenario(steps=steps, amounts=amounts, name=name, function=function):
            steps.begin(name)
            function(steps, **amounts)

        report.check(f"ensembles: {name}: {what}", scenario)


if __name__ == "__main__":
    main()
