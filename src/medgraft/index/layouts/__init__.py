"""Layouts: how images, labels and patients are arranged in a folder.

To add one, add a module to this folder that registers one function with `layout`. The
function takes the folder and what the user `Asked`, and returns what it `Found`. Its contract
is checked by ``tests/index/test_layouts.py``; `docs/how-to/add-a-layout.md` walks through it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path

import polars as pl

from medgraft.errors import ArgumentError, TableError
from medgraft.index.masks import MaskClasses
from medgraft.index.paths import TABLES, Reject, subfolders, suffix
from medgraft.registry import Registry

MOST_FOLDERS = 20  # looked into where SOURCE itself is no set


@dataclass(frozen=True)
class Asked:
    """What the user said about where things stand; None where nothing was said.

    A layout may guess what was not said, if it says so. ``none`` for `label`, `patient` or
    `mask` says that there is none, whatever the columns are called.

    Attributes:
        table: File with a row per image, relative to the source or to the current folder.
        path: Column of `table` with the path of the image, or a pattern such as
            ``png/{ref}.png`` in which column names stand in braces.
        label: Columns that hold labels.
        patient: Column with the patient.
        group: Column with what must not cross a split: site, slide, video.
        mask: Column with the path of a mask.
        view: Column with the view.
        study: Column with the study.
        laterality: Column with the side.
        split: Column that says train, val or test.
    """

    table: str | None = None
    path: str | None = None
    label: tuple[str, ...] = ()
    patient: str | None = None
    group: str | None = None
    mask: str | None = None
    view: str | None = None
    study: str | None = None
    laterality: str | None = None
    split: str | None = None

    def given(self) -> list[str]:
        """Names of what was said."""
        return [f.name for f in fields(self) if getattr(self, f.name)]


@dataclass(frozen=True)
class Found:
    """What a layout found.

    Attributes:
        frame: One row per image: `path` relative to `root`, and any other columns of the
            index that the layout knows, and its labels.
        root: The folder that paths start from.
        labels: Names of the label columns in `frame`.
        rejects: What could not be used.
        notes: Sentences for the user: what was ignored, what was assumed.
        guessed: Which columns were taken without being asked for; empty if none.
        mask_classes: What the numbers in the masks mean, where the layout says so.
    """

    frame: pl.DataFrame
    root: Path
    labels: tuple[str, ...] = ()
    rejects: list[Reject] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    guessed: str = ""
    mask_classes: MaskClasses | None = None


Finder = Callable[[Path, Asked], Found]


@dataclass(frozen=True)
class Layout:
    """A layout by name.

    Attributes:
        name: What the user calls it.
        find: Finds images, labels and patients.
        recognise: Says in one clause why a folder looks like this layout, or None. It must be
            quick: it looks at names and first bytes only.
        takes: Which fields of `Asked` it understands.
        source: Who arranges files like this.
        published: Whether it is that of one published data set, known by its own names. Such a
            layout comes before those of no particular set, which often fit the same folder.
    """

    name: str
    find: Finder
    recognise: Callable[[Path], str | None]
    takes: frozenset[str]
    source: str
    published: bool = False


layouts: Registry[Layout] = Registry("layout", __name__)


def layout(
    name: str,
    *,
    recognise: Callable[[Path], str | None],
    source: str,
    takes: frozenset[str] = frozenset(),
    published: bool = False,
) -> Callable[[Finder], Finder]:
    """Register a layout under `name`."""

    def register(find: Finder) -> Finder:
        layouts.add(name, Layout(name, find, recognise, takes, source, published))
        return find

    return register


def choose(name: str, source: Path, asked: Asked) -> tuple[Layout, str]:
    """The layout to use, and why.

    Args:
        name: A layout, or "auto" to look which one fits.
        source: The folder or file that holds the images.
        asked: What the user said; to name a table or a path in it leaves layouts that take one.

    Raises:
        UnknownNameError: If no layout is called `name`.
        TableError: If "auto" fits none, or several.
        ArgumentError: If the layout does not understand something that was asked.
    """
    if not source.exists():
        raise TableError(
            f"SOURCE must be a folder with images, but '{source}' does not exist."
            " Check the spelling and the current folder."
        )
    part, why = _look(source, asked) if name == "auto" else (layouts.get(name), "as asked")
    for wish in asked.given():
        if wish not in part.takes:
            able = [n for n in layouts.names() if wish in layouts.get(n).takes]
            raise ArgumentError(
                f"the layout {part.name!r} takes no --{wish}; it goes with --layout"
                f" {' or '.join(able)}."
            )
    return part, why


def _look(source: Path, asked: Asked) -> tuple[Layout, str]:
    parts = [layouts.get(n) for n in layouts.names()]
    if asked.table or asked.path:
        parts = [part for part in parts if part.takes.issuperset(asked.given())]
    general = [part for part in parts if not part.published]
    fits = _fitting([part for part in parts if part.published], source)
    if (asked.table or asked.path) and not fits and len(general) == 1:
        return general[0], "a table was named" if asked.table else "a path in a table was named"
    fits = fits or _fitting(general, source)
    if len(fits) == 1:
        return fits[0]
    if not fits and source.is_file():
        if suffix(source.name) in TABLES:
            return layouts.get("csv"), "SOURCE is a table"  # which says what it lacks
        raise TableError(
            f"SOURCE must be a folder, a table or an .npz archive with images and labels, and '{source}'"
            " is none. If it is packed, unpack it; then name its folder."
        )
    if not fits:
        from medgraft.index.layouts.folders import without_classes  # it registers itself here

        if inner := _below(parts, source):
            raise TableError(
                f"SOURCE must be the folder of one set, and '{source}' is none, but holds"
                f" {'; '.join(inner)}. Name one of these."
            )
        if advice := without_classes(source):
            raise TableError(advice)
        names = [part.name for part in parts if part.published]
        raise TableError(
            f"'{source}' must hold images in a layout that can be recognised, and none was:"
            f" looked for {'; '.join(f'{p.name} ({p.source})' for p in general)};"
            f" and for the published sets {', '.join(names)}."
            " Say how they lie with --layout."
        )
    listed = "; ".join(f"--layout {part.name} ({why})" for part, why in fits)
    raise TableError(f"'{source}' can be read in {len(fits)} ways. Choose one: {listed}.")


def _below(parts: list[Layout], source: Path) -> list[str]:
    """Folders in a folder that hold a published set, and which."""
    if not source.is_dir():
        return []
    published = [part for part in parts if part.published]
    found = [(folder, _fitting(published, folder)) for folder in subfolders(source)[:MOST_FOLDERS]]
    return [f"'{folder}' ({fits[0][0].name}: {fits[0][1]})" for folder, fits in found if fits]


def _fitting(parts: list[Layout], source: Path) -> list[tuple[Layout, str]]:
    return [(part, why) for part in parts if (why := part.recognise(source))]
