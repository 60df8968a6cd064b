"""What tunings begin with, in one line: ``none,inpainting,inpainting+semantic@epochs=30``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from medgraft.errors import ArgumentError
from medgraft.pretext.recipe import Pretraining
from medgraft.pretext.tasks import find_task
from medgraft.registry import unknown_name
from medgraft.spec import parse, split
from medgraft.train.recipe import check_recipe

RANDOM = "none"
ADDED = "+semantic"

# The network and its images: a pretraining has them from the tuning that it is for.
SHARED = (
    "backbone",
    "after",
    "size",
    "channels",
    "window",
    "preset",
    "steps",
    "slices",
    "slice_plane",
    "test",
    "val",
    "seed",
    "precision",
    "memory_format",
    "threads",
    "device",
    "checkpoint_seconds",
)
OWN = tuple(key for key in Pretraining.model_fields if key not in (*SHARED, "task", "semantic"))


@dataclass(frozen=True)
class Start:
    """Weights that a tuning begins with.

    Attributes:
        name: As it was written.
        task: What was learnt before, as a recipe has it; None for random weights.
        semantic: Whether the patterns of a discovery were named as well.
        settings: Recipe keys of its own.
    """

    name: str
    task: str | None
    semantic: bool = False
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """A name for its folders.

        Examples:
            >>> Start("jigsaw:tiles=2@epochs=4", "jigsaw").folder
            'jigsaw-tiles=2@epochs=4'
        """
        return re.sub(r"[^\w.,=+@-]+", "-", self.name)

    @property
    def plain(self) -> str | None:
        """The task whose restoring it does and adds the patterns to; None without patterns.

        Examples:
            >>> Start("inpainting+semantic", "inpainting", semantic=True).plain
            'inpainting'
            >>> Start("semantic_genesis", "semantic_genesis", semantic=True).plain
            'models_genesis'
        """
        if not self.semantic or self.task is None:
            return None
        return self.task if ADDED in self.name else "models_genesis"

    def recipe(self, shared: Pretraining, seed: int, patterns: str) -> Pretraining:
        """The recipe of one of its pretrainings.

        Args:
            shared: What all pretrainings have in common.
            seed: Of this one.
            patterns: Folder of the discovery, for a start that needs one.

        Raises:
            ArgumentError: If a setting of its own is out of range.
        """
        own = {"task": self.task, "seed": seed, "semantic": patterns if self.semantic else None}
        return check_recipe(
            {**shared.model_dump(), **own, **self.settings},
            Pretraining,
            where=f"start {self.name!r}",
        )


def read_starts(text: str) -> list[Start]:
    """The starts that a line names, random weights first, which are always among them.

    A start is ``TASK[+semantic][@KEY=VALUE,KEY=VALUE]``, or ``none``. A part between commas
    that begins with ``key=`` belongs to the start before it.

    Raises:
        ArgumentError: If a start stands twice, or an own setting is unknown.
        UnknownNameError: If there is no such task.

    Examples:
        >>> for start in read_starts("models_genesis@epochs=9,rate=1e-4,inpainting+semantic"):
        ...     print(start.name, start.task, start.semantic, start.settings)
        none None False {}
        models_genesis@epochs=9,rate=1e-4 models_genesis False {'epochs': 9, 'rate': 0.0001}
        inpainting+semantic inpainting True {}
    """
    written = [part for part in split(text) if part != RANDOM]
    starts = [Start(RANDOM, None), *map(_start, written)]
    names = [start.folder for start in starts]
    for start in starts:
        if names.count(start.folder) > 1:
            raise ArgumentError(f"every start must stand once, but {start.name!r} stands twice.")
    return starts


def _start(text: str) -> Start:
    named, _, own = text.partition("@")
    spec, added, rest = named.partition(ADDED)
    if not spec or rest:
        raise ArgumentError(
            f"a start must be TASK[+semantic][@KEY=VALUE,...] or none, got {text!r} in --tasks."
        )
    needs = find_task(spec).needs_patterns
    return Start(text, spec, bool(added) or needs, own_settings(own, f"start {text!r}"))


def own_settings(text: str, where: str) -> dict[str, Any]:
    """Settings of pretrainings, from ``key=value,key=value``.

    Raises:
        ArgumentError: If a key is none of a pretraining, or one that the tuning decides.

    Examples:
        >>> own_settings("epochs=6,batch_size=32", "--pretraining")
        {'epochs': 6, 'batch_size': 32}
    """
    _, settings = parse(f"settings:{text}")
    for key in settings:
        if key in SHARED:
            raise ArgumentError(
                f"{key} is that of the tuning, for which a pretraining is made, and cannot be set in"
                f" {where}. Give it as a flag."
            )
        if key not in OWN:
            raise ArgumentError(f"{unknown_name('setting of a pretraining', key, OWN)} In {where}.")
    return settings
