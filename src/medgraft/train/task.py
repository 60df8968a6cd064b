"""What a run learns: the one seam between the run itself and labels or masks.

`medgraft.train.train` opens folders, makes phases, loops, keeps weights and records; a task says
what data, network, batches, objective, answers and verdict are. Adding one touches `find_task`
and the recipe.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from medgraft.index import Index
from medgraft.nets import Backbone, Created
from medgraft.prepare.store import Store
from medgraft.runs import RunFolder
from medgraft.train.hardware import Compute
from medgraft.train.loop import Loop
from medgraft.train.processes import Processes
from medgraft.train.recipe import Recipe
from medgraft.train.slices import Slicing
from medgraft.train.strategies import Phase, Solver

Batching = Any  # `Batches` or `Patches`: what the loop asks of both is the same
Predictor = Any  # of one kind within a task: a network, its normalisation, where it computes
Answering = Any  # what answers when training is over


class Material(Protocol):
    """Data of a run, whatever is learnt from them."""

    @property
    def index(self) -> Index:
        """The rows that are used, each with its split."""

    @property
    def store(self) -> Store:
        """Their prepared images."""

    @property
    def rejects(self) -> pl.DataFrame:
        """What could not be used: path, reason, remedy."""

    @property
    def steps(self) -> tuple[str, ...]:
        """Preparation steps."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that a reader of the report must know."""

    @property
    def slicing(self) -> Slicing | None:
        """How volumes are looked at slice by slice; None for whole images."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what the network sees, (C, *S)."""

    def summary(self) -> dict[str, Any]:
        """Counts, as `data` of run.json has them."""


class Task(Protocol):
    """What a run does with its data. The methods are called in the order in which they stand."""

    @property
    def data(self) -> Material:
        """What is learnt from."""

    def network(self, recipe: Recipe) -> Created[Any]:
        """The network, loaded, and frozen for its first phase."""

    def predictor(
        self, recipe: Recipe, made: Created[Any], compute: Compute, processes: Processes
    ) -> Predictor:
        """The network on its device, with normalisation."""

    def batches(self, recipe: Recipe, compute: Compute, processes: Processes) -> Batching:
        """The training images."""

    def check(self, recipe: Recipe, predictor: Predictor, batches: Batching, folder: Path) -> None:
        """Refuse what could not be done later, while nothing has been written to `folder`."""

    def solve(self, solver: Solver, predictor: Predictor, batches: Batching, recipe: Recipe) -> Any:
        """Fit the head of the network at once."""

    def objective(
        self, recipe: Recipe, predictor: Predictor, batches: Batching, phase: Phase
    ) -> Any:
        """What one phase learns: an `Objective` of such batches."""

    def keeping(
        self, loop: Loop, recipe: Recipe, folder: Path, kept: list[dict[str, Any]]
    ) -> AbstractContextManager[None]:
        """While a loop runs: let it train on what still stages made of the images, if it can.

        What was kept is added to `kept`.
        """

    def answering(self, predictors: Sequence[Predictor], recipe: Recipe) -> Answering:
        """What answers, from the best networks, best first."""

    def answers(self, answering: Answering) -> Any:
        """What it says of the images that are judged, in every process."""

    def judge(self, run: RunFolder, answers: Any, recipe: Recipe) -> dict[str, Any]:
        """Write the answers and evaluation.json, in the first process; gives the latter."""

    def show(
        self, run: RunFolder, answering: Answering, answers: Any, found: dict[str, Any]
    ) -> None:
        """Write pictures for the report, in the first process."""

    def record(self, recipe: Recipe, found: dict[str, Any]) -> dict[str, Any]:
        """What weights.json says of the answers beside what it says of the network."""


class Kind(Protocol):
    """A task before there are data."""

    def body(self, recipe: Recipe) -> Backbone:
        """The stages of the network that a recipe asks for, without weights."""

    def check(self, recipe: Recipe) -> None:
        """Refuse settings that make no sense for this task."""

    def load(
        self, index_path: Path, recipe: Recipe, cache: Path, *, memory_bytes: int | None
    ) -> Task:
        """Read an index and prepare its images."""


def find_task(recipe: Recipe) -> Kind:
    """The kind of task that a recipe asks for."""
    if recipe.task == "segmentation":
        from medgraft.train.segmentation.task import Segmenting

        return Segmenting()
    from medgraft.train.classification import Classifying

    return Classifying()
