"""The command `medgraft list`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

import tyro

FAMILIES = {  # family: (module, name of its registry)
    "readers": ("medgraft.read.formats", "readers"),
    "layouts": ("medgraft.index.layouts", "layouts"),
    "steps": ("medgraft.prepare.steps", "steps"),
    "augmentations": ("medgraft.augment.transforms", "augmentations"),
    "backbones": ("medgraft.nets.backbones", "backbones"),
    "metrics": ("medgraft.evaluate.metrics", "metrics"),
}


@dataclass(frozen=True)
class List:
    """Show what can be chosen: the parts of a family, by name.

    Families: readers, layouts, steps, augmentations, backbones, metrics.

    Example:
        medgraft list backbones --json
    """

    family: Annotated[str, tyro.conf.Positional]
    """Which family to list."""
    json: bool = False
    """Print a JSON list of names instead of one name per line."""

    def run(self) -> None:
        """Print the names."""
        import importlib

        from medgraft.registry import unknown_name

        if self.family not in FAMILIES:
            raise unknown_name("family", self.family, FAMILIES)
        module, registry = FAMILIES[self.family]
        names = getattr(importlib.import_module(module), registry).names()
        print(json.dumps(names) if self.json else "\n".join(names))
