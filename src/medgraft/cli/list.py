"""The command `medgraft list`."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
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

WIDTH = 100  # columns of a description
UNWRITTEN = ("required", "null", "none")  # defaults that stand for something not said


@dataclass(frozen=True)
class List:
    """Show what can be chosen: families, the parts of one, or what a part is and its options.

    Examples:
        medgraft list
        medgraft list augmentations
        medgraft list generators dcgan
        medgraft list backbones --json
    """

    family: Annotated[
        str | None,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="[FAMILY]", help_behavior_hint="(all families if not given)"),
    ] = None
    """Which family to list."""
    part: Annotated[
        str | None,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="[PART]", help_behavior_hint="(all of them if not given)"),
    ] = None
    """Which part of it to describe."""
    json: bool = False
    """Print JSON: a list of names, or a part with its options."""

    def run(self) -> None:
        """Print names and what they mean."""
        import importlib

        from medgraft.meaning import first_line, meaning
        from medgraft.registry import unknown_name

        if self.family is None:
            print(json.dumps(list(FAMILIES)) if self.json else _families())
            return
        if self.family not in FAMILIES:
            raise unknown_name("family", self.family, FAMILIES)
        module, registry = FAMILIES[self.family]
        parts = getattr(importlib.import_module(module), registry)
        if self.part is not None:
            part = parts.get(self.part)
            print(_as_json(part) if self.json else described(self.part, part))
        elif self.json:
            print(json.dumps(parts.names()))
        else:
            print(_lines({name: first_line(meaning(parts.get(name))) for name in parts.names()}))


def described(name: str, part: object) -> str:
    """A part in words: what it is, its options, and how they are written."""
    from medgraft.meaning import meaning, options

    told, found = meaning(part), options(part)
    if not found:
        return f"{name}\n\n{told}"
    lines = [f"  {one.name}: {one.type}; {one.default}\n{_indented(one.meaning)}" for one in found]
    value = next((one for one in found if one.default not in UNWRITTEN), None)
    written = f"{name}:{value.name}={value.default}" if value else f"{name}:{found[0].name}=..."
    return "\n".join([name, "", told, "", "options: type; default", *lines, "", f"as in {written}"])


def _as_json(part: object) -> str:
    from medgraft.meaning import meaning, options

    told = {"meaning": meaning(part), "options": [asdict(one) for one in options(part)]}
    return json.dumps(told, ensure_ascii=False)


def _indented(text: str) -> str:
    import textwrap

    return textwrap.fill(text, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)


def _families() -> str:
    """Each family with the first sentence of its module, which nothing imports."""
    return _lines({name: _about(module) for name, (module, _) in FAMILIES.items()})


def _lines(told: Mapping[str, str]) -> str:
    width = max(map(len, told))
    return "\n".join(f"{name:<{width}}  {words}".rstrip() for name, words in told.items())


def _about(module: str) -> str:
    file = Path(__file__).parents[1].joinpath(*module.split(".")[1:], "__init__.py")
    words = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return " ".join(words.partition("\n\n")[0].split())
