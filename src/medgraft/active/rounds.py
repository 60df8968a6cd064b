"""One arm of a simulation with one seed: choose, buy, learn, answer, and the same again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medgraft.active.acquisition import Acquisition, Score, acquisitions
from medgraft.active.acquisition.random import Random
from medgraft.active.arms import Arm
from medgraft.active.candidates import Candidates, progress
from medgraft.active.evidence import Evidence, Integers
from medgraft.active.learner import Learner, State
from medgraft.active.oracle import Hidden, Oracle
from medgraft.active.settings import Settings
from medgraft.active.stopping import kappa
from medgraft.files import replacing, write_json
from medgraft.seeds import derive, generator
from medgraft.spec import build
from medgraft.train import checkpoint
from medgraft.train.checkpoint import Checkpoint
from medgraft.train.forgetting import all_right
from medgraft.train.scores import macro_auroc

ROUNDS, ANSWERS, CHECKPOINT = "rounds.json", "answers.parquet", "checkpoint"
Row = dict[str, Any]
SAVE_SECONDS = 1.0  # the most that a process that is killed loses, beside the round at hand


@dataclass
class Standing:
    """Where an arm stands after its last round: all that the next one needs.

    Attributes:
        rows: What is said of each round, see `Play`.
        state: Weights of the last model.
        right: Which images of the index the last model had right, among those bought, shape (N,).
        held_out: What it said of the validation images, shape (n, K).
        test: What the model of each round said of the test images, shape (n, K) each.
    """

    rows: list[Row] = field(default_factory=list)
    state: State = field(default_factory=dict)
    right: np.ndarray = field(default_factory=lambda: np.zeros(0, np.bool_))
    held_out: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    test: list[np.ndarray] = field(default_factory=list)

    @property
    def bought(self) -> Integers:
        """Candidates that were bought, in their order."""
        numbers = [row["bought"] for row in self.rows]
        return np.array([one for part in numbers for one in part], dtype=np.int64)


@dataclass
class Play:
    """An arm with a seed.

    Its folder has a checkpoint, of every round that takes a second or more and of all when it is
    stopped. At the end it has `answers.parquet`, what the
    model of each round said of the test images, which nobody judges before all is over, and
    `rounds.json`, a row per round: `round`,
    `labels` (candidates bought so far), `images`, `bought` (numbers of candidates), `places` (their
    rows in the index), `classes` (positives among them by name), `trained_on` (images), `wrong`
    (candidates that the model before had wrong), `score`, `agreement`, `knew` and `kept` of bought
    images and of validation images (see `medgraft.train.forgetting`), `seconds`.

    Attributes:
        arm: How it buys and goes on.
        seed: Of everything random.
        learner: The model.
        first: Its weights before any label was bought, M_0.
        hidden: The pool.
        oracle: Who tells the labels.
        candidates: What can be bought.
        settings: Of the simulation.
        folder: Of this arm with this seed.
    """

    arm: Arm
    seed: int
    learner: Learner
    first: State
    hidden: Hidden
    oracle: Oracle
    candidates: Candidates
    settings: Settings
    folder: Path

    def __post_init__(self) -> None:
        data = self.hidden.data
        self.truth = np.full((len(data.stored), len(data.target.names)), np.nan)
        self.validation, self.test = data.places("val"), data.places("test")
        self.validation_truth = data.rows("val").targets
        self.standing = Standing(right=np.zeros(len(data.stored), np.bool_))
        self._seconds: dict[str, float] = {}
        self._kept, self._saved = 0, time.monotonic()  # rounds in the last checkpoint, and when
        self._writing = 0.0  # seconds of it, which the next round counts

    @property
    def done(self) -> bool:
        """Whether all rounds were played before."""
        return (self.folder / ROUNDS).is_file()

    def go(self, moved: Callable[[], object]) -> None:
        """Play all rounds that are left.

        Args:
            moved: Called after each round, and for each that was played before.

        Raises:
            KeyboardInterrupt: If stopped; all rounds but the one that was stopped are kept.
        """
        whole = self.settings.rounds + bool(self.settings.start)
        if self.done:
            for _ in range(whole):
                moved()
            return
        self._resume()
        for _ in self.standing.rows:
            moved()
        try:
            for number in range(len(self.standing.rows), whole):
                self._round(number)
                moved()
        except BaseException:
            self._save()  # whatever stopped it, the rounds that are whole are kept
            raise
        write_answers(self.folder / ANSWERS, self.hidden, self.standing.test)
        write_json(self.folder / ROUNDS, self.standing.rows)
        checkpoint.remove(self.folder / CHECKPOINT)

    # --- a round -----------------------------------------------------------------------

    def _round(self, number: int) -> None:
        began, self._seconds = time.perf_counter(), {}
        before = self.standing
        self.learner.load(before.state or self.first)
        chosen = self._choose(number)
        old = before.bought
        places = self.candidates.of_these(chosen)
        self.truth[places] = self.oracle.buy(places)
        wrong = self._wrong(old)
        training = self.arm.strategy.training_set(
            old, chosen, wrong, generator(self.seed, "rehearse", number)
        )
        images = self.candidates.of_these(training)
        with self._timed("train"):
            state = self.learner.train(
                self.first if self._starts_anew else before.state,
                images,
                self.truth[images],
                seed=derive(self.seed, "train", number),
                divide=1.0 if self._starts_anew else self.arm.strategy.divide,
            )
        row = {
            "round": number,
            "labels": len(old) + len(chosen),
            "images": int(len(self.candidates.of_these(old)) + len(places)),
            "bought": chosen.tolist(),
            "places": places.tolist(),
            "classes": self._classes(places),
            "trained_on": len(images),
            "wrong": int(wrong.sum()),
        }
        after = self._look_around(state, np.concatenate([old, chosen]), row)
        self._seconds["save"], self._writing = self._writing, 0.0
        whole = time.perf_counter() - began + self._seconds["save"]
        row["seconds"] = {**self._seconds, "whole": whole}
        self.standing = after  # in one stroke: a stop leaves this round done, or undone
        if time.monotonic() - self._saved >= SAVE_SECONDS:
            self._save()

    @property
    def _starts_anew(self) -> bool:
        return self.arm.strategy.start == "first" or not self.standing.state

    def _choose(self, number: int) -> Integers:
        settings, taken = self.settings, np.zeros(len(self.candidates), np.bool_)
        if number == 0 and settings.start:  # the same in all arms
            rng = generator(self.seed, "start")
            return rng.choice(len(self.candidates), settings.start, replace=False)
        taken[self.standing.bought] = True
        open_ = np.flatnonzero(~taken)
        rng = generator(self.seed, "choose", number)
        if settings.among is not None and settings.among < len(open_):
            fewer = max(settings.among, settings.batch)
            open_ = np.sort(rng.choice(open_, fewer, replace=False))
        acquisition = build(acquisitions, self.arm.acquisition)
        if isinstance(acquisition, Random):
            evidence = Evidence(np.full((len(open_), 1, 2), 0.5))
        else:
            with self._timed("look"):
                evidence = self.learner.evidence(
                    self.candidates,
                    open_,
                    many=acquisition.compares,
                    features=_reads_features(acquisition),
                    known=self.standing.bought,
                    progress=self._progress,
                )
        with self._timed("choose"):
            return open_[acquisition.select(evidence, settings.batch, rng)]

    @property
    def _progress(self) -> float:
        """How much of all that the arm will buy is bought."""
        settings = self.settings
        budget = settings.start + settings.rounds * settings.batch
        return progress(len(self.standing.bought), budget, settings.batch)

    def _wrong(self, old: Integers) -> np.ndarray:
        """Which old candidates the model before had wrong: any image of theirs."""
        if not len(old):
            return np.zeros(0, np.bool_)
        right = self.standing.right[self.candidates.of_these(old)]
        starts = np.cumsum(self.candidates.sizes[old]) - self.candidates.sizes[old]
        return ~np.logical_and.reduceat(right, starts)

    def _look_around(self, state: State, known: Integers, row: Row) -> Standing:
        """Ask the new model about what was bought, the validation and the test images.

        Fills in the row of the round, and gives where the arm stands with it.
        """
        before, places = self.standing, self.candidates.of_these(known)
        with self._timed("answer"):
            bought = self.learner.answers(places)
            held_out = self.learner.answers(self.validation)
            test = self.learner.answers(self.test)
        right = np.zeros_like(before.right)
        right[places] = self._right(self.truth[places], bought)
        row |= {
            "score": macro_auroc(self.validation_truth, held_out) if len(held_out) else None,
            "agreement": None,
            "knew": int(before.right.sum()),
            "kept": int((before.right & right).sum()),
        }
        if len(before.held_out):
            was = self._right(self.validation_truth, before.held_out)
            now = self._right(self.validation_truth, held_out)
            row |= {"knew_validation": int(was.sum()), "kept_validation": int((was & now).sum())}
            row["agreement"] = kappa(self._called(before.held_out), self._called(held_out))
        return Standing([*before.rows, row], state, right, held_out, [*before.test, test])

    def _right(self, truth: np.ndarray, probability: np.ndarray) -> np.ndarray:
        return all_right(truth, probability, self.hidden.data.target.kind)

    def _called(self, probability: np.ndarray) -> np.ndarray:
        """What each image is called; of independent labels one answer after the other."""
        if self.hidden.data.target.kind == "exclusive":
            called: np.ndarray = probability.argmax(axis=1)
            return called
        return (probability >= 0.5).astype(np.int64).ravel()

    def _classes(self, places: Integers) -> dict[str, int]:
        positives = np.nansum(self.truth[places] == 1, axis=0)
        return dict(zip(self.hidden.data.target.names, positives.tolist(), strict=True))

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self._seconds[what] = time.perf_counter() - began

    # --- files -------------------------------------------------------------------------

    def _save(self) -> None:
        now, began = self.standing, time.perf_counter()
        if len(now.rows) == self._kept:
            return
        tensors = {f"state/{name}": tensor for name, tensor in now.state.items()}
        tensors |= {"right": _tensor(now.right), "held_out": _tensor(now.held_out)}
        tensors["test"] = _tensor(np.stack(now.test))
        kept = Checkpoint(tensors, {"rounds": now.rows})
        checkpoint.save(self.folder / CHECKPOINT, kept, step=len(now.rows))
        self._kept, self._saved = len(now.rows), time.monotonic()
        self._writing = time.perf_counter() - began

    def _resume(self) -> None:
        """Go back to the last round that is whole; what it bought is known again."""
        found = checkpoint.load(self.folder / CHECKPOINT)
        if found is None:
            return
        tensors = found.tensors
        state = {k.removeprefix("state/"): t for k, t in tensors.items() if k.startswith("state/")}
        self.standing = Standing(
            found.state["rounds"],
            state,
            tensors["right"].numpy(),
            tensors["held_out"].numpy(),
            list(tensors["test"].numpy()),
        )
        self._kept = len(self.standing.rows)
        for row in self.standing.rows:
            places = np.array(row["places"], dtype=np.int64)
            self.truth[places] = self.oracle.buy(places)


def _reads_features(acquisition: Acquisition) -> bool:
    return acquisition.reads_features or (isinstance(acquisition, Score) and acquisition.spread)


def write_answers(path: Path, hidden: Hidden, said: Sequence[np.ndarray]) -> None:
    """Write what models said of the test images, in their order: round, image_id and p_<name>."""
    data = hidden.data
    images = data.index.frame["image_id"][data.places("test")]
    table = pl.DataFrame(
        {
            "round": np.repeat(np.arange(len(said)), len(images)),
            "image_id": pl.concat([images] * len(said)),
            **{f"p_{n}": np.concatenate(said)[:, k] for k, n in enumerate(data.target.names)},
        }
    )
    with replacing(path) as temporary:
        table.write_parquet(temporary)


def _tensor(array: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(array))
