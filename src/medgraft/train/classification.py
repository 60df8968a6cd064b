"""The task of labels: what a run of classification does with its data."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from medgraft.errors import ArgumentError
from medgraft.files import replacing, write_json
from medgraft.nets import Backbone, Created, outline
from medgraft.runs import RunFolder
from medgraft.train.batches import Batches
from medgraft.train.data import Data, load_data
from medgraft.train.ensemble import Ensemble
from medgraft.train.examples import write_examples
from medgraft.train.hardware import Compute
from medgraft.train.judging import by_name, judge, predictions
from medgraft.train.loop import Loop
from medgraft.train.prefix import check_room, keep_prefix
from medgraft.train.processes import Processes
from medgraft.train.recipe import Recipe
from medgraft.train.semi_supervised import SemiSupervised, check_kinds
from medgraft.train.setup import (
    head_of,
    make_batches,
    make_network,
    make_objective,
    make_predictor,
    plan,
    tells_real,
)
from medgraft.train.slices import looking, slices_record
from medgraft.train.solve import Solved, check_solvable, solve
from medgraft.train.strategies import Phase, Solver
from medgraft.train.supervised import Predictor, Supervised
from medgraft.train.tta import find_views

OF_MASKS = ("loss", "patch", "patches_per_image", "foreground", "upsampling")  # recipe keys


@dataclass(frozen=True)
class Classifying:
    """Classification, before there are data."""

    def body(self, recipe: Recipe) -> Backbone:
        """All stages."""
        return outline(recipe.backbone, after=recipe.after)

    def check(self, recipe: Recipe) -> None:
        """Refuse what masks alone have.

        Raises:
            ArgumentError: If a loss, patches or a decoder are asked for.
        """
        for key in OF_MASKS:
            given = getattr(recipe, key)
            if given != Recipe.model_fields[key].default:
                raise ArgumentError(
                    f"{key} belongs to segmentation, got {given!r} for labels. Leave it out, or pass"
                    " --task segmentation."
                )

    def load(
        self, index_path: Path, recipe: Recipe, cache: Path, *, memory_bytes: int | None
    ) -> Classification:
        """See `load_data`."""
        return Classification(load_data(index_path, recipe, cache, memory_bytes=memory_bytes))


@dataclass(frozen=True)
class Classification:
    """Labels of images; what each method is for stands in `medgraft.train.task.Task`.

    Attributes:
        data: What is learnt from.
    """

    data: Data

    def network(self, recipe: Recipe) -> Created:
        """A backbone and a head."""
        return make_network(recipe, self.data)

    def predictor(
        self,
        recipe: Recipe,  # noqa: ARG002 (it stands in the network)
        made: Created,
        compute: Compute,
        processes: Processes,
    ) -> Predictor:
        """The network on its device."""
        return make_predictor(made, self.data, compute, processes)

    def batches(self, recipe: Recipe, compute: Compute, processes: Processes) -> Batches:
        """Training images with their labels."""
        return make_batches(recipe, self.data, compute, processes)

    def check(self, recipe: Recipe, predictor: Predictor, batches: Batches, folder: Path) -> None:
        """Refuse a head that cannot be fitted, and more kept views than the disk holds."""
        network = predictor.network
        phases = plan(recipe, network.backbone)
        if tells_real(recipe):
            check_kinds(self.data.target, self.data.uncertain)
        if (solver := phases[0].solver) is not None:
            if self.data.uncertain is not None and self.data.uncertain.soft:
                raise ArgumentError(
                    f"{recipe.strategy} fits its head to labels of 1 and 0, and cannot learn from"
                    f" uncertain {', '.join(recipe.uncertain)}. Take ignore, zeros or ones, or a"
                    " strategy that trains step by step."
                )
            check_solvable(solver, self.data, batches, recipe.seed)
        for phase in phases if recipe.kept_views else ():
            network.freeze_through(phase.freeze_through, norms=phase.norms)
            check_room(
                predictor,
                batches,
                self.data.rows("val"),
                views=recipe.kept_views,
                epochs=phase.epochs,
                folder=folder,
            )

    def solve(
        self, solver: Solver, predictor: Predictor, batches: Batches, recipe: Recipe
    ) -> Solved:
        """See `medgraft.train.solve`."""
        return solve(solver, predictor, self.data, batches, recipe)

    def objective(
        self, recipe: Recipe, predictor: Predictor, batches: Batches, phase: Phase
    ) -> Supervised | SemiSupervised:
        """The cross-entropy of the labels; with samples to tell apart, that as well."""
        labels = make_objective(recipe, predictor, self.data, batches, phase)
        if not tells_real(recipe):
            return labels
        assert self.data.samples is not None, "load_samples was not asked"
        return SemiSupervised.of(labels, batches, self.data.samples, weight=recipe.samples_weight)

    @contextmanager
    def keeping(
        self, loop: Loop, recipe: Recipe, folder: Path, kept: list[dict[str, Any]]
    ) -> Iterator[None]:
        """Have a loop train on what still stages made of the images, where that saves time."""
        objective = loop.objective
        if not isinstance(objective, Supervised):  # which needs images that are not kept
            yield
            return
        begun = loop.progress.step
        prefix = None
        if not loop.ended:
            prefix = keep_prefix(
                objective.predictor,
                loop.batches,
                objective.held_out,
                views=recipe.kept_views,
                epochs=loop.recipe.epochs,
                folder=folder,
            )
        if prefix is not None:
            objective.kept = prefix
            loop.batches = replace(loop.batches, views=prefix.training)
        yield
        if prefix is not None:
            epochs = (loop.progress.step - begun) // loop.batches.per_epoch
            kept.append(prefix.report(epochs))
        shutil.rmtree(folder, ignore_errors=True)

    def answering(self, predictors: Sequence[Predictor], recipe: Recipe) -> Ensemble:
        """Networks and the views that they look at."""
        return Ensemble(tuple(predictors), find_views(recipe.tta), self.data.slicing)

    def answers(self, answering: Ensemble) -> pl.DataFrame:
        """Probabilities of all images."""
        return predictions(answering, self.data)

    def judge(self, run: RunFolder, answers: pl.DataFrame, recipe: Recipe) -> dict[str, Any]:
        """Write predictions.parquet and evaluation.json."""
        with replacing(run.predictions) as temporary:
            answers.write_parquet(temporary)
        found = judge(answers, self.data, recipe)
        write_json(run.evaluation, found)
        return found

    def show(
        self,
        run: RunFolder,
        answering: Ensemble,  # noqa: ARG002 (the answers say all that is shown)
        answers: pl.DataFrame,
        found: dict[str, Any],
    ) -> None:
        """Write pictures of right and wrong answers."""
        data = self.data
        write_examples(
            run.examples,
            answers.filter(pl.col("split") == "test"),
            data.stored[data.places("test")],
            data.store,
            data.target,
            by_name(found["threshold"], data.target),
            looking=looking(data.steps, data.slicing),
        )

    def record(self, recipe: Recipe, found: dict[str, Any]) -> dict[str, Any]:
        """Labels, threshold and views."""
        target = self.data.target
        return {
            "head": head_of(recipe, self.data),
            "kind": target.kind,
            "labels": list(target.names),
            "positive": target.positive,
            "threshold": found["threshold"],
            "tta": recipe.tta,
            "slices": slices_record(self.data.store, self.data.slicing),
        }
