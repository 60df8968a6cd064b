"""Write what the code itself can say: the file tree, the commands, the recipe.

``python docs/generate.py`` rewrites the README between its markers and its reference pages.
``tests/test_docs.py`` calls the same functions and fails where a page is stale.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import io
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from unittest import mock

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from medgraft.active.acquisition import Acquisition, Score, acquisitions
from medgraft.cli.__main__ import commands, main, summary
from medgraft.cli.list import FAMILIES
from medgraft.generate.recipe import Generating
from medgraft.index.layouts import Layout, layouts
from medgraft.meaning import Option, default_of, meaning, options, type_of
from medgraft.pretext.recipe import Pretraining
from medgraft.train.recipe import Recipe

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "medgraft"
OWN_PAGE = ("layouts", "acquisitions")  # families with a page of their own
TERMINAL = {"COLUMNS": "80", "TERM": "dumb", "NO_COLOR": "1"}
NOT_PYTHON = {  # the other files cannot hold a docstring
    "py.typed": "Says that the package has types.",
    "advice.html.j2": "The page of an advice on transfer.",
    "agreement.html.j2": "How far readers agree.",
    "api.js": "Questions to the server, and the two ways in which they fail.",
    "base.html.j2": "The frame of every page.",
    "card.md.j2": "The model card.",
    "compare.html.j2": "The page that lays runs over one another.",
    "entered.html.j2": "What a browser sees for a moment when it was let in.",
    "greys.js": "From codes to what the screen shows: window, level, inversion.",
    "icon.svg": "The icon of the page.",
    "label.html.j2": "The page on which scans are labelled.",
    "keys.js": "Keys, buttons and lists, and what they do.",
    "label.js": "Which scan is shown, what its reader says, what comes next.",
    "model.js": "The model's view beside the answer, and its heat.",
    "outbox.js": "Answers on their way, kept until the server has saved them.",
    "room.css": "A dark reading room, wide and narrow.",
    "scans.js": "Scans in the browser's memory, fetched ahead.",
    "sign_in.html.j2": "How to get in.",
    "state.js": "What the page knows.",
    "telling.js": "What the page says in words.",
    "view.js": "Elements, and what a model's view looks like.",
    "viewer.js": "A scan on a canvas: window, zoom, slices, planes, heat.",
    "generation.html.j2": "The page of a generative model.",
    "quality.html.j2": "The page of what its samples are worth.",
    "measures.html.j2": "The measures of samples, on both pages that show them.",
    "screening.html.j2": "The page of samples kept and left out.",
    "synthetic_study.html.j2": "The page of whether generated images helped.",
    "discovery.html.j2": "The page of discovered patterns.",
    "prepared.html.j2": "The page of prepared films.",
    "pretraining.html.j2": "The page of a pretraining.",
    "pretraining.md.j2": "The card of a pretraining.",
    "pretraining_study.html.j2": "The page of what pretrainings were worth.",
    "parts.html.j2": "Pieces that several pages share.",
    "report.css": "How the pages look, light and dark, wide and narrow, on paper.",
    "report.html.j2": "The page of one run.",
    "simulation.html.j2": "The page of a simulation of active learning.",
    "study.html.j2": "The page of a study of architectures.",
    "truncation.html.j2": "The page of a run that was made smaller.",
    "segmentation.html.j2": "The page of a run that learnt masks.",
    "transfer.html.j2": "The page of vanilla against transfer.",
}


def tree(folder: Path = PACKAGE) -> str:
    """The files of the package, one per line, each with the first line of its docstring."""
    lines = ["src/medgraft/", *_branch(folder, depth=1)]
    return "\n".join(["```text", *lines, "```"])


def _branch(folder: Path, *, depth: int) -> Iterator[str]:
    paths = [path for path in folder.iterdir() if path.name != "__pycache__"]
    files = sorted(path for path in paths if path.is_file())
    width = max((len(path.name) for path in files), default=0)
    for path in files:
        yield f"{'  ' * depth}{path.name:<{width}}  {_first_line(path)}".rstrip()
    for path in sorted(path for path in paths if path.is_dir() and any(path.rglob("*.*"))):
        yield f"{'  ' * depth}{path.name}/"
        yield from _branch(path, depth=depth + 1)


def _first_line(path: Path) -> str:
    if path.suffix != ".py":
        return NOT_PYTHON[path.name]
    words = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(words.partition("\n\n")[0].split())


def command_table() -> str:
    """One row per command: its name and the first line of its help."""
    rows = [f"| `medgraft {name}` | {summary(name)} |" for name in commands()]
    return "\n".join(["| command | does |", "|---|---|", *rows])


def command_page() -> str:
    """Every command with its help, as an 80-column terminal shows it."""
    parts = [
        "# Commands",
        "What `--help` prints. This page is written by `python docs/generate.py`.",
        "Exit status: 0 done · 1 a bug in medgraft · 2 wrong call or bad input, in one line ·"
        " 3 a check refused · 130 stopped by Ctrl-C.",
        command_table(),
    ]
    for name in commands():
        parts += [f"## medgraft {name}", f"```text\n{_help(name)}\n```"]
    return "\n\n".join(parts) + "\n"


def _help(command: str) -> str:
    printed = io.StringIO()
    with mock.patch.dict(os.environ, TERMINAL), redirect_stdout(printed):
        main([*command.split(), "--help"])
    return "\n".join(line.rstrip() for line in printed.getvalue().strip().splitlines())


def recipe_page() -> str:
    """Every key of a recipe: type, default, meaning."""
    return "\n".join(
        [
            "# The recipe",
            "",
            "Everything that decides what `medgraft train` does. Each key is a flag"
            " (`batch_size` is `--batch-size`), a line of the",
            "`recipe.yaml` in every run folder, and a field of `medgraft.train.recipe.Recipe`."
            " A file given with `--recipe` sets the defaults,",
            "flags override it, and an unknown key is an error. Steps and augmentations are"
            " written `name:key=value,key=value`",
            "([why](../decisions/0001-specs.md)). This page is written by"
            " `python docs/generate.py`.",
            "",
            *_keys(Recipe.model_fields),
            "",
            "## Of a pretraining",
            "",
            "`medgraft pretrain` takes these, and of the keys above those that a training without"
            " labels has a use for",
            "(`medgraft.pretext.recipe.Pretraining`).",
            "",
            *_keys(_own(Pretraining)),
            "",
            "## Of a generative model",
            "",
            "`medgraft generate train` takes these, and of the keys above `channels`, `window` and"
            " `steps`, and those from",
            "`batch_size` on that are about the loop (`medgraft.generate.recipe.Generating`).",
            "",
            *_keys(_own(Generating)),
            "",
        ]
    )


def _own(recipe: type[BaseModel]) -> dict[str, FieldInfo]:
    """Fields of a recipe that a training on labels does not have, or not with that default."""
    usual = Recipe.model_fields
    return {
        name: field
        for name, field in recipe.model_fields.items()
        if name not in usual or field.default != usual[name].default
    }


def acquisition_page() -> str:
    """Every acquisition: what it is, what it reads, its options, where it comes from."""
    kinds = {name: acquisitions.get(name) for name in acquisitions.names()}
    scores = [name for name, kind in kinds.items() if issubclass(kind, Score)]
    return "\n".join(
        [
            "# Acquisitions",
            "",
            "Which unlabelled candidates to label next. A *score* judges candidates one at a time,"
            " and the highest is labelled first;",
            "a *set* is chosen as a whole. Options are written `name:key=value,key=value`"
            " ([why](../decisions/0001-specs.md)), as in `aift:alpha=0.5,omega=5`.",
            "How to use them: [score candidates](../how-to/score-candidates.md)."
            " This page is written by `python docs/generate.py`.",
            "",
            "## Options of every score",
            "",
            *_keys(Score.model_fields),
            "",
            *(line for name, kind in kinds.items() for line in _acquisition(name, kind, scores)),
        ]
    )


def _acquisition(name: str, kind: type[Acquisition], scores: list[str]) -> Iterator[str]:
    words = inspect.cleandoc(kind.__doc__ or "").partition("\n\nExamples:")[0]
    own = {key: field for key, field in kind.model_fields.items() if key not in Score.model_fields}
    facts = ["a score" if name in scores else "a set"]
    facts += ["reads features"] if kind.reads_features else []
    facts += [f"needs {kind.least_views} views"] if kind.least_views > 1 else []
    yield from (f"## {name}", "", f"*{', '.join(facts)}.* {words}", "")
    yield from (*_keys(own), "") if own else ()
    yield from (f"Source: {kind.source}.", "")


def layout_page() -> str:
    """Every layout: by what it is recognised, what it makes of a folder, where it comes from."""
    kinds = [layouts.get(name) for name in layouts.names()]
    sets = [kind for kind in kinds if kind.published]
    return "\n".join(
        [
            "# Layouts",
            "",
            "How images, labels and patients lie in a folder. `medgraft index SOURCE` looks at names"
            " and first bytes and says which layout it took and why;",
            "where several fit it asks, and `--layout NAME` decides. The layout of a published set"
            " comes before those of no particular set.",
            "How to use them: [index a published set](../how-to/index-a-published-set.md)."
            " This page is written by `python docs/generate.py`.",
            "",
            "## Of any set",
            *(line for kind in kinds if not kind.published for line in _layout(kind)),
            "",
            "## Of published sets",
            "",
            f"There are {len(sets)}. Their known flaws are said or stand in the rejects; nothing is"
            " mended in silence.",
            *(line for kind in sets for line in _layout(kind)),
            "",
        ]
    )


def _layout(kind: Layout) -> Iterator[str]:
    takes = ", ".join(f"`--{name}`" for name in sorted(kind.takes))
    yield from ("", f"### {kind.name}", "", inspect.cleandoc(kind.find.__doc__ or ""), "")
    yield f"- recognised by: {inspect.cleandoc(kind.recognise.__doc__ or '')}"
    if takes:
        yield f"- takes {takes}"
    yield f"- source: {kind.source}"


def parts_page() -> str:
    """Every part of every family that has no page of its own: what it is, and its options."""
    lines = [
        "# Parts",
        "",
        "Everything that is chosen by name, but for [layouts](layouts.md), [acquisitions](acquisitions.md)"
        " and the commands. Options are written `name:key=value,key=value`",
        "([why](../decisions/0001-specs.md)), and `medgraft list FAMILY PART` says the same."
        " This page is written by `python docs/generate.py`.",
        "",
    ]
    for family, (module, registry) in FAMILIES.items():
        if family in OWN_PAGE:
            continue
        parts = getattr(importlib.import_module(module), registry)
        lines += [f"## {family}", ""]
        for name in parts.names():
            lines += _part(name, parts.get(name))
    return "\n".join(lines)


def _part(name: str, part: object) -> Iterator[str]:
    yield from (f"### {name}", "", meaning(part), "")
    if found := options(part):
        yield from (*_table(found), "")


def _keys(fields: Mapping[str, FieldInfo]) -> list[str]:
    return _table(
        Option(name, type_of(field), default_of(field), str(field.description))
        for name, field in fields.items()
    )


def _table(found: Iterable[Option]) -> list[str]:
    rows = (f"| `{one.name}` | {one.type} | `{one.default}` | {one.meaning} |" for one in found)
    return ["| key | type | default | meaning |", "|---|---|---|---|", *rows]


def between(text: str, name: str, block: str) -> str:
    r"""`text` with what stands between the markers of `name` replaced by `block`.

    Examples:
        >>> between("a <!-- x --> old <!-- /x --> b", "x", "new")
        'a <!-- x -->\nnew\n<!-- /x --> b'
    """
    first, last = f"<!-- {name} -->", f"<!-- /{name} -->"
    if text.count(first) != 1 or text.count(last) != 1:
        raise ValueError(f"the markers {first} and {last} must each stand once in the text")
    before, _, rest = text.partition(first)
    return f"{before}{first}\n{block}\n{last}{rest.partition(last)[2]}"


def pages() -> dict[Path, str]:
    """Each page that is written here, and what it must hold."""
    readme = ROOT / "README.md"
    text = between(readme.read_text(encoding="utf-8"), "commands", command_table())
    return {
        readme: between(text, "tree", tree()),
        ROOT / "docs/reference/commands.md": command_page(),
        ROOT / "docs/reference/recipe.md": recipe_page(),
        ROOT / "docs/reference/acquisitions.md": acquisition_page(),
        ROOT / "docs/reference/layouts.md": layout_page(),
        ROOT / "docs/reference/parts.md": parts_page(),
    }


if __name__ == "__main__":
    for page, wanted in pages().items():
        if not page.is_file() or page.read_text(encoding="utf-8") != wanted:
            page.write_text(wanted, encoding="utf-8")
            sys.stdout.write(f"written {page.relative_to(ROOT)}\n")
