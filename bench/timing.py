"""Time rivals in turn, and say on what."""

from __future__ import annotations

import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@dataclass(frozen=True)
class Timing:
    """Seconds of every repeat of every rival, in the order in which they were taken.

    Attributes:
        seconds: Name of the rival to its seconds, all of one length.
    """

    seconds: Mapping[str, list[float]]

    @property
    def repeats(self) -> int:
        """How often each rival ran, the warm-up apart."""
        return len(next(iter(self.seconds.values())))

    def median(self, name: str) -> float:
        """Median seconds of one rival."""
        return statistics.median(self.seconds[name])

    def times_faster(self, name: str, than: str) -> float:
        """How many times faster `name` is, by the medians."""
        return self.median(than) / self.median(name)


@dataclass(frozen=True)
class Clock:
    """How time is taken.

    Attributes:
        name: "wall", or "cpu": the seconds that processors spent on this process, its threads
            and the processes it started and has ended. Wall time is what a user waits;
            processor time is what can still be measured while other work runs on the machine.
    """

    name: str = "wall"

    def __call__(self) -> float:
        """Seconds, from an arbitrary start."""
        if self.name == "wall":
            return time.perf_counter()
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(one.ru_utime + one.ru_stime for one in used)


CLOCK = Clock()


def in_turn(
    rivals: Mapping[str, Callable[[], object]], *, repeats: int, warm: bool = True
) -> Timing:
    """Run the rivals A B C A B C ..., after one warm-up each unless they run for minutes.

    Whatever else the machine does then disturbs all of them alike.
    """
    for run in rivals.values() if warm else ():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(repeats):
        for name, run in rivals.items():
            began = CLOCK()
            run()
            seconds[name].append(CLOCK() - began)
    return Timing(seconds)


@dataclass(frozen=True)
class Table:
    """What a benchmark has to say.

    Attributes:
        title: The claim, as a heading.
        text: What was run, in sentences.
        header: Names of the columns.
        rows: Cells, as text.
        packages: Distributions whose versions matter.
    """

    title: str
    text: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    packages: tuple[str, ...]

    def markdown(self, name: str) -> str:
        """The table with the command, the date and the machine that made it."""
        alone = CLOCK.name == "wall"
        flag, clock = (
            ("", "wall time")
            if alone
            else (" --cpu", "processor time of all threads and processes")
        )
        lines = [
            f"## {self.title}",
            "",
            self.text,
            "",
            "| " + " | ".join(self.header) + " |",
            "|" + " --- |" * len(self.header),
            *("| " + " | ".join(row) + " |" for row in self.rows),
            "",
            f"`.venv-bench/bin/python -m bench {name}{flag}`, {datetime.now(UTC):%Y-%m-%d}, {machine()},"
            f" load {os.getloadavg()[0]:.1f}, {clock}, medians,"
            f" {', '.join(map(versioned, ('python', *self.packages)))}.",
            "",
        ]
        return "\n".join(lines)


def machine() -> str:
    """Processor and cores that this process may use."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    allowed = getattr(os, "sched_getaffinity", None)
    cores = len(allowed(0)) if allowed else os.cpu_count()
    return f"{next(names, platform.machine())}, {cores} cores"


def versioned(package: str) -> str:
    """A package with its version."""
    if package == "python":
        return f"python {platform.python_version()}"
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} (not installed)"


def milliseconds(seconds: float) -> str:
    """Seconds as milliseconds, with three digits that mean something."""
    value = seconds * 1e3
    return f"{value:.0f} ms" if value >= 100 else f"{value:.3g} ms"


def seconds(value: float) -> str:
    """Seconds, with three digits that mean something."""
    return f"{value:.0f} s" if value >= 100 else f"{value:.3g} s"


def ratio(value: float) -> str:
    """A ratio with two digits after the point, fewer where it is large."""
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"
