"""A list of named runs: what is finished is kept, what was stopped goes on, what broke is tried again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medgraft.errors import ArgumentError, OutputError, TrainingError
from medgraft.files import read_json, write_json
from medgraft.runs import RunFolder
from medgraft.study.board import Board
from medgraft.study.launchers import Ended, Launcher, Places, Task
from medgraft.study.making import Finish, Make, finish_run, finished, make_run
from medgraft.study.work import told
from medgraft.train.recipe import BaseRecipe
from medgraft.train.train import train

PLAN, LOCK, LOGS = "plan.json", ".lock", "logs"
FREE = ("device", "checkpoint_seconds")  # what a run may change when it goes on


Mirror = Callable[[RunFolder], object]
"""What copies the records of a run elsewhere."""


@dataclass(frozen=True)
class Job:
    """A run to be made.

    Attributes:
        name: Of its folder.
        recipe: Its settings.
        kind: Jobs of one kind take about as long as each other.
        make: What makes it; `train` if not given.
    """

    name: str
    recipe: BaseRecipe
    kind: str = ""
    make: Make | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        job: The job.
        folder: Its run folder.
        failure: Why there is no finished run, in a sentence; None if there is one.
        attempts: How often it was begun by this call; 0 for a run that was finished before.
        waits: Whether it was not begun, because the time was up.
    """

    job: Job
    folder: Path
    failure: str | None = None
    attempts: int = 0
    waits: bool = False


def check_made(outcomes: Sequence[Outcome]) -> None:
    """End a command whose answer is that of some of its runs only.

    Raises:
        TrainingError: If a run broke, with all that did.
    """
    broken = [outcome.job.name for outcome in outcomes if outcome.failure is not None]
    if broken:
        raise TrainingError(
            f"{len(broken)} of {len(outcomes)} runs broke: {', '.join(broken)}. The answer is"
            " that of the others; the same command tries the broken ones again."
        )


@dataclass(frozen=True)
class Spread:
    """Processes that make the runs.

    Attributes:
        launcher: How they are used.
        places: How many there are, and with how many threads.
    """

    launcher: Launcher
    places: Places


def launch(
    jobs: Sequence[Job],
    index: Path,
    folder: Path,
    *,
    command: list[str],
    finish: Finish = str,
    spread: Spread | None = None,
    mirror: Mirror | None = None,
    seconds: float | None = None,
) -> list[Outcome]:
    """Make every run that is not there yet, begun in order; a run that breaks costs itself only.

    Can be stopped at any moment and called again: finished runs are not repeated, one that was
    stopped half-way goes on, and one that broke is tried again. New jobs may be added.

    Args:
        jobs: What to run; their names differ. Where one needs the files of another it comes
            after it, and `spread` is None.
        index: Table that all of them read.
        folder: Each run becomes a folder in it; `plan.json` beside them says what was asked.
        command: How this was called, for the records.
        finish: Called with every run folder that is finished but has no report yet.
        spread: Processes that make the runs; None makes one after another in this process.
        mirror: Called in this process with every run that has ended, now or in an earlier call.
        seconds: Begin no run after so many; None begins all.

    Returns:
        One outcome per job, in order.

    Raises:
        ArgumentError: If two jobs have one name, or a run that has begun had another recipe.
        OutputError: If another process makes the runs of this folder.
    """
    with _alone(folder):
        _keep_plan(jobs, folder)
        return _Calls(jobs, index, folder, command, finish, spread, mirror, seconds).go()


@dataclass
class _Calls:
    jobs: Sequence[Job]
    index: Path
    folder: Path
    command: list[str]
    finish: Finish
    spread: Spread | None
    mirror: Mirror | None
    seconds: float | None

    def go(self) -> list[Outcome]:
        self.named = {job.name: job for job in self.jobs}
        before = {name for name, job in self.named.items() if finished(self._run(job))}
        self.waiting = {name: job for name, job in self.named.items() if name not in before}
        self.left = Counter(job.kind for job in self.waiting.values())
        self.took: dict[str, tuple[int, float]] = {}
        for name in before:
            self._took(name)
        epochs = {job.name: job.recipe.epochs for job in self.jobs}
        self.board = Board(self.folder, len(self.jobs), len(before), epochs)
        self._estimate()
        found = {}
        for name, failure in self._reports(before):
            found[name] = Outcome(self.named[name], self.folder / name, failure)
            self._mirror(name)
        try:
            for ended in self._launched():
                self.left[self.waiting.pop(ended.name).kind] -= 1
                failure = ended.failure
                if failure is None:
                    self._took(ended.name)
                    self._estimate()
                    failure = finish_run(RunFolder(self.folder / ended.name), self.finish)
                self.board.ended(ended.name, failure)
                self._mirror(ended.name)
                found[ended.name] = Outcome(
                    self.named[ended.name], self.folder / ended.name, failure, ended.attempts
                )
        finally:
            self.board.clear()
        return [
            found.get(job.name, Outcome(job, self.folder / job.name, waits=True))
            for job in self.jobs
        ]

    def _launched(self) -> Iterator[Ended]:
        if self.spread is None:
            return self._here()
        return self.spread.launcher(self._tasks(), self.spread.places, self.board)

    def _tasks(self) -> Iterator[Task]:
        for job in self._begun():
            yield Task(
                job.name,
                told(
                    job.make or train,
                    self.finish,
                    job.recipe,
                    index=self.index,
                    out=self.folder / job.name,
                    command=self.command,
                ),
            )

    def _here(self) -> Iterator[Ended]:
        for job in self._begun():
            self.board.began(job.name)
            yield Ended(job.name, _make(job, self.index, self._run(job), self.command))

    def _begun(self) -> Iterator[Job]:
        """The jobs that are not finished, until the time is up."""
        until = None if self.seconds is None else time.monotonic() + self.seconds
        for job in list(self.waiting.values()):
            if until is not None and time.monotonic() >= until:
                return
            yield job

    def _reports(self, names: set[str]) -> Iterator[tuple[str, str | None]]:
        """Reports that runs of an earlier call lack."""
        for job in self.jobs:
            if job.name in names:
                failure = finish_run(self._run(job), self.finish)
                if failure is not None:
                    self.board.done -= 1
                    self.board.ended(job.name, failure)
                yield job.name, failure

    def _estimate(self) -> None:
        left = time_left(self.left, self.took)
        beside = 1 if self.spread is None else self.spread.places.workers
        self.board.seconds_left = None if left is None else left / beside

    def _took(self, name: str) -> None:
        """Remember how long a finished run took."""
        run = self._run(self.named[name])
        if finished(run):
            seconds = sum(read_json(run.record)["seconds"].values())
            runs, before = self.took.get(self.named[name].kind, (0, 0.0))
            self.took[self.named[name].kind] = runs + 1, before + seconds

    def _mirror(self, name: str) -> None:
        run = RunFolder(self.folder / name)
        if self.mirror is not None and run.record.is_file():
            self.mirror(run)

    def _run(self, job: Job) -> RunFolder:
        return RunFolder(self.folder / job.name)


def time_left(waiting: Mapping[str, int], took: Mapping[str, tuple[int, float]]) -> float | None:
    """Seconds that jobs will take, by what finished jobs of their kind took.

    Args:
        waiting: How many jobs of each kind are not finished.
        took: Of each kind how many are, and their seconds together.

    Returns:
        None while nothing is known; a kind without a finished job is taken for an average one.

    Examples:
        >>> time_left({"slow": 1, "new": 1}, {"slow": (2, 24.0), "fast": (1, 3.0)})
        21.0
        >>> time_left({"new": 1}, {})
    """
    if not took:
        return None
    runs = sum(number for number, _ in took.values())
    seconds = sum(whole for _, whole in took.values())
    means = {kind: whole / number for kind, (number, whole) in took.items()}
    return sum(number * means.get(kind, seconds / runs) for kind, number in waiting.items())


def _keep_plan(jobs: Sequence[Job], folder: Path) -> None:
    """Write down what is asked; refuse it if a run has begun with something else."""
    asked = {job.name: job.recipe.model_dump(mode="json") for job in jobs}
    if len(asked) < len(jobs):
        names = [job.name for job in jobs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ArgumentError(f"runs must have different folders, but two are called {twice[0]!r}.")
    owned = {job.name: job.recipe.model_dump(exclude_defaults=True) for job in jobs}
    path = folder / PLAN
    before = read_json(path) if path.is_file() else {}
    for name, recipe in asked.items():
        began = RunFolder(folder / name).recipe.is_file()
        if not began:
            continue
        kept, own = before.get(name, {}), owned[name]
        # a key that an earlier version did not know had its default
        changed = [
            key
            for key in recipe
            if key not in FREE and (recipe[key] != kept[key] if key in kept else key in own)
        ]
        if changed:
            raise ArgumentError(
                f"a run that has begun must keep its settings, but {', '.join(changed)} of"
                f" '{folder / name}' differ from '{path}'. Give the settings it began with, or"
                " another --out."
            )
    write_json(path, {**before, **asked})


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of the folder; the system frees it even if this process is killed.

    Raises:
        OutputError: If another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # not a POSIX system
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(
                f"the runs of '{folder}' must be made by one call at a time, but another one is at"
                " work. Wait for it, or stop it first."
            ) from None
        yield


def _make(job: Job, index: Path, run: RunFolder, command: list[str]) -> str | None:
    make: Make = job.make or train  # type: ignore[assignment]  # a job brings the recipe it takes
    return make_run(make, index, run, job.recipe, command)
