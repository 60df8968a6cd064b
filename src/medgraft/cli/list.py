"""The command `medgraft list`."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

FAMILIES = {  # family: (module, name of its registry)
    "readers": ("medgraft.read.formats", "readers"),
    "layouts": ("medgraft.index.layouts", "layouts"),
    "steps": ("medgraft.prepare.steps", "steps"),
    "presets": ("medgraft.prepare.presets", "presets"),
    "distortions": ("medgraft.pretext.distortions", "distortions"),
    "augmentations": ("medgraft.augment.transforms", "augmentations"),
    "backbones": ("medgraft.nets.backbones", "backbones"),
    "name-maps": ("medgraft.nets.name_maps", "name_maps"),
    "losses": ("medgraft.train.losses", "losses"),
    "schedules": ("medgraft.train.schedules", "schedules"),
    "strategies": ("medgraft.train.strategies", "strategies"),
    "pretexts": ("medgraft.pretext.tasks", "pretexts"),
    "generators": ("medgraft.generate.generators", "generators"),
    "tta": ("medgraft.train.tta", "views"),
    "acquisitions": ("medgraft.active.acquisition", "acquisitions"),
    "explainers": ("medgraft.explain.explainers", "explainers"),
    "formats": ("medgraft.export.formats", "formats"),
    "launchers": ("medgraft.study.launchers", "launchers"),
    "suggestions": ("medgraft.train.suggestions", "suggestions"),
    "stopping": ("medgraft.active.stopping", "stopping"),
    "metrics": ("medgraft.evaluate.metrics", "metrics"),
    "measures": ("medgraft.evaluate.segmentation.measures", "measures"),
}


@dataclass(frozen=True)
class List:
    """Show what can be chosen: the parts of a family, by name.

    Without a family it shows the families, a line each.

    Examples:
        medgraft list
        medgraft list backbones --json
    """

    family: Annotated[
        str | None,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="[FAMILY]", help_behavior_hint="(all families if not given)"),
    ] = None
    """Which family to list."""
    json: bool = False
    """Print a JSON list of names instead of one name per line."""

    def run(self) -> None:
        """Print the names."""
        import importlib

        from medgraft.registry import unknown_name

        if self.family is None:
            print(json.dumps(list(FAMILIES)) if self.json else _families())
            return
        if self.family not in FAMILIES:
            raise unknown_name("family", self.family, FAMILIES)
        module, registry = FAMILIES[self.family]
        names = getattr(importlib.import_module(module), registry).names()
        print(json.dumps(names) if self.json else "\n".join(names))


def _families() -> str:
    """Each family with the first sentence of its module, which nothing imports."""
    width = max(map(len, FAMILIES))
    return "\n".join(f"{name:<{width}}  {_about(module)}" for name, (module, _) in FAMILIES.items())


def _about(module: str) -> str:
    file = Path(__file__).parents[1].joinpath(*module.split(".")[1:], "__init__.py")
    words = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return " ".join(words.partition("\n\n")[0].split())
