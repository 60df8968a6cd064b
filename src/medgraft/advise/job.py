"""The whole advice: evidence from the training part, a judgement, and what it would cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medgraft.advise.cost import LARGEST, Cost, features_seconds, tuning_seconds
from medgraft.advise.domain import Apart, tell_apart
from medgraft.advise.judgement import Judgement, judge, typical_distance
from medgraft.advise.norms import watching
from medgraft.advise.probe import Question
from medgraft.advise.scenario import Answer
from medgraft.advise.size import Size, measure
from medgraft.advise.source import patients_of, source_index
from medgraft.advise.stages import Stages, judge_stages
from medgraft.errors import ArgumentError
from medgraft.index import Index
from medgraft.nets.backbones import find
from medgraft.prepare.store import Store, default_cache
from medgraft.seeds import generator
from medgraft.train.beginning import agree
from medgraft.train.data import Data, load_data
from medgraft.train.features import pooled_features
from medgraft.train.hardware import Compute, describe, find_device
from medgraft.train.processes import Processes
from medgraft.train.recipe import Recipe
from medgraft.train.setup import check_choices, make_batches, make_network, make_predictor, resolve
from medgraft.train.supervised import Predictor

MOST = 2000  # images to look at: with more, intervals hardly narrow and the wait is long
GENTLE = 0.3  # of the rate for random weights: what was learnt before is not to be washed out


@dataclass(frozen=True)
class Advice:
    """What was found, and what to do about it.

    Attributes:
        judgement: The advice.
        size: How much there is to learn from.
        stages: What the features after each stage are worth.
        cost: What training would cost here.
        recipe: Of the training that is advised.
        other: Of the training that would be right if the least certain judgement were wrong.
        data: The training part.
        looked_at: How many images features were computed of.
        source: Where images of the source came from; None without any.
    """

    judgement: Judgement
    size: Size
    stages: Stages
    cost: Cost
    recipe: Recipe
    other: Recipe
    data: Data
    looked_at: int
    source: str | None

    def record(self) -> dict[str, Any]:
        """What advice.json holds."""
        found, cost = self.judgement, self.cost
        return {
            "scenario": found.answer.scenario,
            "large": found.large,
            "similar": found.similar,
            "advice": found.answer.sentence,
            "strategy": found.answer.strategy,
            "cut": found.cut,
            "rate": self.recipe.rate,
            "flags": flags(self.recipe),
            "confidence": found.confidence,
            "reasons": list(found.reasons),
            "doubts": list(found.doubts),
            "seconds": cost.seconds(found.cut),
            "otherwise": {
                "scenario": found.other.scenario,
                "advice": found.other.sentence,
                "strategy": found.other.strategy,
                "cut": found.other_cut,
                "flags": flags(self.other),
                "seconds": cost.seconds(found.other_cut),
            },
            "size": asdict(self.size),
            "distance": typical_distance(self.stages),
            "stages": [asdict(stage) for stage in self.stages.found],
            "gain": self.stages.gain,
            "cost": asdict(cost),
            "looked_at": self.looked_at,
            "source": self.source,
            "backbone": self.recipe.backbone,
            "weights": self.recipe.weights,
            "labels_per_class": self.recipe.labels_per_class,
            "seed": self.recipe.seed,
            "unit": "patient" if self.size.patients_known else "image",
            "synthetic": self.data.summary()["synthetic"],
            "hardware": describe(),
            "notes": list(self.data.notes),
        }


def advise(
    index_path: Path, recipe: Recipe, *, source: Path | None = None, most: int = MOST
) -> Advice:
    """Say how to start from weights: what to tune, where to cut, and why.

    Only the training part of the index is opened. Nothing is written but the cache of prepared
    images.

    Args:
        index_path: Written by `medgraft index`.
        recipe: Settings; `weights` must be pretrained, `strategy` plays no part.
        source: An index of images that the weights were trained on, or a run on them.
        most: Features are computed of at most so many training images, drawn by the seed.

    Raises:
        ArgumentError: If the weights are random, or `most` is below 2.
        UnknownNameError: If a name in the recipe is wrong.
        TableError, LeakageError: If the index is not usable.
    """
    recipe = recipe.model_copy(update={"strategy": "full"})
    _check(recipe, most)
    if recipe.threads is not None:
        torch.set_num_threads(recipe.threads)
    device, cache = find_device(recipe.device, 0), default_cache()
    compute = agree(device, recipe, Processes(), dims=find(recipe.backbone).dims)
    theirs = None if source is None else _source_rows(source, index_path, recipe, most)
    data = load_data(index_path, recipe, cache, only="train")
    filled = resolve(recipe, data, compute)
    torch.manual_seed(recipe.seed)
    predictor = make_predictor(make_network(filled, data), data, compute, Processes())
    subject = _Subject.draw(filled, data, replace(predictor, autocast=False), most)
    stages = subject.look(theirs)
    size = _size(data)
    found = judge(size, stages)
    return Advice(
        found,
        size,
        stages,
        subject.cost(predictor, compute, size, {found.cut, found.other_cut}),
        _training(recipe, found.answer, found.cut),
        _training(recipe, found.other, found.other_cut),
        data,
        len(subject.places),
        None if source is None else str(source),
    )


def flags(recipe: Recipe) -> list[str]:
    """What to pass to `medgraft train` to train by a recipe: all that differs from its defaults."""
    words = []
    for key, field in Recipe.model_fields.items():
        value = getattr(recipe, key)
        if value != field.get_default(call_default_factory=True):
            values = value if isinstance(value, tuple) else (value,)
            words += [f"--{key.replace('_', '-')}", *map(str, values)]
    return words


def _check(recipe: Recipe, most: int) -> None:
    if most < 2:
        raise ArgumentError(f"--most must be at least 2, got {most}.")
    if recipe.weights == "none":
        raise ArgumentError(
            "--weights must name weights to start from, got 'none'. Pass imagenet, a .safetensors"
            " file or a run folder."
        )
    if recipe.samples is not None:
        raise ArgumentError(
            f"advice is about the images of an index alone, got samples {recipe.samples!r}. Leave --samples out."
        )
    if recipe.slices is not None:
        raise ArgumentError(
            f"advice is about whole images, got --slices {recipe.slices}. Leave it out, and take a"
            " backbone for volumes."
        )
    check_choices(recipe)


def _training(recipe: Recipe, answer: Answer, cut: str | None) -> Recipe:
    changes: dict[str, Any] = {"strategy": answer.strategy}
    if cut is not None:
        changes = {"strategy": f"{answer.strategy}:{cut}", "after": None}
    if answer.gentle:
        changes["rate"] = float(f"{recipe.rate * GENTLE:.2g}")
    return recipe.model_copy(update=changes)


def _size(data: Data) -> Size:
    return measure(
        data.rows("train").targets,
        patients_of(data.index),
        names=data.target.names,
        kind=data.target.kind,
        patients_known=data.index.patients_known,
    )


def _source_rows(source: Path, index_path: Path, recipe: Recipe, most: int) -> Index:
    return source_index(source, Index.load(index_path), most=most, seed=recipe.seed)


@dataclass(frozen=True)
class _Subject:
    """A network and the training images that it is tried on."""

    recipe: Recipe
    data: Data
    predictor: Predictor
    places: np.ndarray  # rows of the index

    @classmethod
    def draw(cls, recipe: Recipe, data: Data, predictor: Predictor, most: int) -> _Subject:
        """Take at most so many training images, drawn by the seed."""
        count = min(most, len(data.stored))
        places = generator(recipe.seed, "look").choice(len(data.stored), count, replace=False)
        return cls(recipe, data, predictor, np.sort(places))

    def look(self, source: Index | None) -> Stages:
        """One pass over the images, then what the features after each stage are worth."""
        data, recipe = self.data, self.recipe
        patients = patients_of(data.index)[self.places]
        targets = data.rows("train").targets[self.places]
        with watching(self.predictor.network) as watch:
            features = pooled_features(self.predictor, data.store, data.stored[self.places])
        question = Question(
            targets,
            patients if data.index.patients_known else None,
            data.target.names,
            data.target.kind,
            recipe.replicates,
            recipe.seed,
        )
        return judge_stages(
            self.predictor.network.backbone,
            features,
            targets,
            patients,
            question,
            watch.distances(),
            {} if source is None else self._apart(features, patients, source),
        )

    def _apart(
        self, features: Mapping[str, np.ndarray], patients: np.ndarray, source: Index
    ) -> dict[str, Apart]:
        """Compared with images of the source that are prepared as these are."""
        store = Store.open(source, self.data.steps, cache=default_cache())
        usable = np.flatnonzero(store.rows >= 0)
        theirs = pooled_features(self.predictor, store, store.rows[usable])
        whose = patients_of(source)[usable]
        count = min(len(usable), len(self.places))
        ours, other = (
            np.sort(generator(self.recipe.seed, "equal", n).choice(n, count, replace=False))
            for n in (len(self.places), len(usable))
        )
        return {
            name: tell_apart(rows[ours], theirs[name][other], patients[ours], whose[other])
            for name, rows in features.items()
        }

    def cost(
        self, predictor: Predictor, compute: Compute, size: Size, cuts: set[str | None]
    ) -> Cost:
        """Timed on a few of these images; of frozen networks those that end at one of `cuts`."""
        batches = make_batches(self.recipe, self.data, compute, Processes())
        rows = self.data.stored[self.places[:LARGEST]]
        return Cost(
            {cut: features_seconds(predictor, self.data, rows, cut) for cut in cuts if cut},
            tuning_seconds(self.recipe, predictor, self.data, batches, autocast=compute.autocast),
            self.recipe.epochs,
            size.labelled,
        )
