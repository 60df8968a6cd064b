"""From a study file to its runs: the product of the axes, less what is excluded, each with a name."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medgraft.errors import ArgumentError, WeightsError
from medgraft.files import sha256
from medgraft.runs import RunFolder
from medgraft.study.file import StudyFile, Value, plain
from medgraft.study.protocols import find_protocol
from medgraft.train.recipe import Recipe, check_recipe

IMAGENET, RANDOM = "imagenet", "none"
OWN = ("backbone", "after", "size", "weights", "seed")  # what the answers ask about
MACHINE = ("device", "threads", "checkpoint_seconds")  # where a run is made, not what it is


@dataclass(frozen=True)
class Planned:
    """One run of a study.

    Attributes:
        name: Of its folder: its architecture, and a hash of its recipe and its data.
        recipe: Its settings.
        weights: What its weights are called beside others: "none", "imagenet", or a file's name.
        others: Values of those keys that differ between runs, but are neither network, weights nor seed.
    """

    name: str
    recipe: Recipe
    weights: str
    others: dict[str, Value] = field(default_factory=dict)


def plan_runs(study: StudyFile, folder: Path, data: str) -> list[Planned]:
    """Every run of a study, seed after seed, so that one that is stopped has whole seeds.

    Args:
        study: What was asked.
        folder: That of the study file, which its paths are relative to.
        data: Hash of the rows that all runs read.

    Raises:
        ArgumentError: If two axes set one key, a recipe is wrong, two runs are the same, nothing
            is left, or there are more runs than the budget allows.
        WeightsError: If a weight file is missing.
    """
    shared = {
        **(find_protocol(study.protocol).recipe if study.protocol else {}),
        **study.recipe,
    }
    shared = {key: plain(key, value) for key, value in shared.items()}
    found: dict[str, Planned] = {}
    settings: dict[str, Mapping[str, Value]] = {}
    hashes: dict[str, str] = {}
    keys = _keys(study)
    for own in _product(study):
        values = {**shared, **own}
        if any(_matches(values, one) for one in study.exclude):
            continue
        run = _planned(values, study, folder, data, hashes, keys)
        if run.name in found:
            raise ArgumentError(
                "the runs of a study must differ, but two are the same:"
                f" {json.dumps(settings[run.name])} and {json.dumps(own)}. Take a value out of an"
                " axis, or exclude one of them."
            )
        found[run.name] = run
        settings[run.name] = own
        if len(found) > study.budget.runs:
            raise ArgumentError(
                f"a study must have at most budget.runs = {study.budget.runs} runs, but its axes"
                " make more. Give fewer values, exclude some, or raise the budget."
            )
    if not found:
        raise ArgumentError("a study must have runs, but all of them are excluded.")
    return sorted(found.values(), key=lambda run: run.recipe.seed)


def _product(study: StudyFile) -> Iterator[dict[str, Value]]:
    tables = [[_table(name, value) for value in values] for name, values in study.axes.items()]
    for chosen in itertools.product(*tables):
        own: dict[str, Value] = {}
        for name, table in zip(study.axes, chosen, strict=True):
            if twice := sorted(own.keys() & table.keys()):
                raise ArgumentError(
                    f"every recipe key must be set by one axis, but {twice[0]!r} is set by"
                    f" {name!r} and by one before it."
                )
            own |= table
        yield own


def _table(name: str, value: Any) -> dict[str, Value]:
    table = value if isinstance(value, dict) else {name: value}
    return {key: plain(key, one) for key, one in table.items()}


def _matches(values: Mapping[str, Value], pattern: Mapping[str, Value]) -> bool:
    """Whether a run has every value that is excluded together.

    Examples:
        >>> _matches({"backbone": "resnet18", "seed": 1}, {"backbone": ["resnet18", "resnet34"]})
        True
        >>> _matches({"backbone": "resnet18", "after": None}, {"after": "none"})
        True
    """
    for key, wanted in pattern.items():
        value = values.get(key, Recipe.model_fields[key].default)
        options = wanted if isinstance(wanted, list) else [wanted]
        if value not in [plain(key, option) for option in options]:
            return False
    return True


def _planned(
    values: dict[str, Value],
    study: StudyFile,
    folder: Path,
    data: str,
    hashes: dict[str, str],
    keys: list[str],
) -> Planned:
    called = weights = str(values.get("weights", RANDOM))
    if weights == IMAGENET and (file := study.imagenet.get(str(values.get("backbone")))):
        weights = file
    if weights not in (RANDOM, IMAGENET):
        path = (folder / weights).resolve()
        weights = str(path)
        if weights not in hashes:
            hashes[weights] = _content(path)
    values = {**values, "weights": weights}
    recipe = check_recipe(values, where="the study")
    name = _name(recipe, hashes.get(weights, weights), data)
    others = {key: values[key] for key in keys if key in values and key not in OWN}
    return Planned(name, recipe, Path(called).name, others)


def _keys(study: StudyFile) -> list[str]:
    """Recipe keys that the axes set, in order."""
    tables = (_table(name, value) for name, values in study.axes.items() for value in values)
    return list(dict.fromkeys(key for table in tables for key in table))


def _content(path: Path) -> str:
    """Hash of a weight file, or of the weights of a run folder."""
    file = RunFolder(path).weights if path.is_dir() else path
    if not file.is_file():
        raise WeightsError(f"weights of a study must be there, but '{path}' is not.")
    return sha256(file)


def _name(recipe: Recipe, weights: str, data: str) -> str:
    """A folder's name: the same whenever settings, content of the weights, and rows are the same.

    Keys that have their default are no part of the hash, so that a key which a later version adds
    repeats no run.
    """
    own = {
        key: value
        for key, value in recipe.model_dump(mode="json", exclude_defaults=True).items()
        if key not in MACHINE
    }
    told = json.dumps([{**own, "weights": weights}, data], sort_keys=True)
    digest = hashlib.sha256(told.encode()).hexdigest()[:12]
    words = [recipe.backbone, *([recipe.after] if recipe.after else [])]
    return "-".join([*(re.sub(r"[^\w.]+", "_", word) for word in words), digest])
