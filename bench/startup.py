"""How long `medgraft --help` and the help of every command take."""

from __future__ import annotations

import subprocess
import sys

from bench.timing import Table, in_turn
from medgraft.cli.__main__ import commands

GOAL = 0.3


def measure() -> Table:
    """Time a fresh process per call."""
    calls = {"medgraft": [], **{f"medgraft {name}": name.split() for name in commands()}}
    rivals = {
        title: lambda words=tuple(words): subprocess.run(
            [sys.executable, "-m", "medgraft.cli", *words, "--help"],
            check=True,
            capture_output=True,
        )
        for title, words in calls.items()
    }
    rivals["python -c pass"] = lambda: subprocess.run([sys.executable, "-c", "pass"], check=True)
    timing = in_turn(rivals, repeats=9)
    slowest = sorted(rivals, key=timing.median, reverse=True)
    return Table(
        title="Start-up",
        text=f"`--help` in a fresh process, slowest first; the goal is under {GOAL} s.",
        header=("command", "seconds", "repeats"),
        rows=tuple(
            (
                name if name.startswith("python") else f"{name} --help",
                f"{timing.median(name):.2f}",
                str(timing.repeats),
            )
            for name in slowest
        ),
        packages=("tyro",),
    )
