"""The file that describes a study: what all runs share, and the axes along which they differ."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from medgraft.errors import ArgumentError, UnknownNameError
from medgraft.registry import unknown_name
from medgraft.spec import first_problem
from medgraft.study.protocols import find_protocol
from medgraft.train.recipe import Recipe

Value = bool | int | float | str | None | list[Any]
Several = dict[str, Value]
NOTHING = "none"  # what TOML has no word for


class Strict(BaseModel):
    """Base of what a study file holds: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Budget(Strict):
    """What a study may cost.

    Attributes:
        minutes: No run is begun by a call that has lasted so long; the next call goes on.
        runs: A file that describes more runs is refused.
    """

    minutes: float | None = Field(None, gt=0)
    runs: int = Field(1000, ge=1)


class StudyFile(Strict):
    """A study.

    Attributes:
        title: What the page is called.
        index: Table written by `medgraft index`, relative to the file.
        protocol: Name of published settings that `recipe` goes on from.
        recipe: Keys of the recipe that all runs share.
        axes: Name to values. A plain value is that of the recipe key of the name; a table gives
            several keys at once, which so go together, and the name is then free.
        exclude: Runs to leave out: those that have all these values of recipe keys; a list of
            values stands for any of them.
        imagenet: ImageNet weights by backbone, relative to the file, for runs with the weights
            "imagenet"; without one they come from timm's hub.
        score: Labels whose mean AUROC is the score; all if not given.
        replicates: Bootstrap replicates of the answers.
        budget: What the study may cost.
    """

    title: str = ""
    index: str | None = None
    protocol: str | None = None
    recipe: Several = {}
    axes: dict[str, Annotated[list[Several | Value], Field(min_length=1)]] = Field(min_length=1)
    exclude: list[Several] = []
    imagenet: dict[str, str] = {}
    score: list[str] | None = Field(None, min_length=1)
    replicates: int = Field(1000, ge=0)
    budget: Budget = Budget()

    @field_validator("protocol")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        if name is not None:
            find_protocol(name)
        return name


def load_study(path: Path) -> StudyFile:
    """Read a study file, TOML or JSON by its suffix.

    Raises:
        ArgumentError: If it cannot be read, is neither, or a key or value is wrong.
        UnknownNameError: If it names a recipe key that does not exist.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise ArgumentError(f"FILE must name a study: {error.strerror}, '{path}'.") from error
    except ValueError as error:  # of TOML, of JSON, of UTF-8
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise ArgumentError(f"a study must be {kind}, but '{path}' is not: {error}.") from error
    if not isinstance(data, dict):
        raise ArgumentError(f"a study must be keys and values, but '{path}' is not.")
    try:
        study = StudyFile(**data)
    except ValidationError as error:
        raise ArgumentError(f"{first_problem(error, StudyFile)}, in '{path}'.") from error
    for where, keys in _keys(study):
        for key in keys:
            check_key(key, f"{where} of '{path}'")
    return study


def _keys(study: StudyFile) -> list[tuple[str, Mapping[str, Any]]]:
    """Every table of recipe keys, and where it stands."""
    tables: list[tuple[str, Mapping[str, Any]]] = [("recipe", study.recipe)]
    for name, values in study.axes.items():
        tables += [
            (f"axes.{name}", value if isinstance(value, dict) else {name: value})
            for value in values
        ]
    return [*tables, *(("exclude", one) for one in study.exclude)]


def check_key(key: str, where: str) -> None:
    """Refuse what is no key of a recipe, or not one of a study.

    Raises:
        UnknownNameError: With the nearest one.
        ArgumentError: If it says how a machine is used.
    """
    if key not in Recipe.model_fields:
        error = unknown_name("recipe key", key, Recipe.model_fields)
        raise UnknownNameError(f"{error} In {where}.")
    if key == "threads":
        raise ArgumentError(
            f"threads belong to the machine, and are given with --threads, but stand in {where}."
        )


def plain(key: str, value: Value) -> Value:
    """A value as the recipe has it: "none" is nothing where a key may be absent.

    Examples:
        >>> plain("after", "none"), plain("after", "layer3"), plain("weights", "none")
        (None, 'layer3', 'none')
    """
    default = Recipe.model_fields[key].default
    return None if value == NOTHING and default is None else value
