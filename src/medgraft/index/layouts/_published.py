"""What the layouts of published sets share: files found by name, labels to choose from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from medgraft.errors import ArgumentError, TableError
from medgraft.index.layouts import Asked
from medgraft.index.layouts._guess import NONE
from medgraft.index.paths import Reject, stem
from medgraft.index.table import near

LABEL = frozenset(["label"])  # what a layout takes that lets the user choose among its labels
REMEDY = "Fetch the missing part of the set, or use the index without it."


@dataclass(frozen=True)
class Located:
    """The rows of a table whose files are there.

    Attributes:
        frame: Those rows, with their `path`; a file has one at most.
        rejects: The other rows, and files that share their name with another.
        unlisted: Files that no row names.
    """

    frame: pl.DataFrame
    rejects: list[Reject]
    unlisted: list[str]


def locate(table: pl.DataFrame, key: str, files: Iterable[str], name: str) -> Located:
    """Find the file of each row by its name, wherever below the source it lies.

    Published sets are unpacked in many ways, and their names are unique.

    Args:
        table: A row per image; `key` holds the name of its file, with or without suffix.
        key: The column.
        files: Paths of the images, relative to the source.
        name: What the table is called, for rejects.
    """
    paths = list(files)
    found = pl.DataFrame(
        {"path": paths, "__stem": [stem(path) for path in paths]},
        schema={"path": pl.String, "__stem": pl.String},
    )
    first = found.unique("__stem", keep="first", maintain_order=True)
    keys = pl.Series("__stem", [name and stem(name) for name in table[key]], dtype=pl.String)
    joined = table.with_columns(keys).join(first, on="__stem", how="left", maintain_order="left")
    missing = joined.filter(pl.col("path").is_null())[key]
    rejects = [
        Reject(str(lost or ""), f"{name} names it, and there is no such file", REMEDY)
        for lost in missing
    ]
    doubles = found.join(first, on="path", how="anti").join(
        first, on="__stem", how="left", suffix="_first"
    )
    rejects += [
        Reject(path, f"'{other}' has the same name", "Keep one of them.")
        for path, other in doubles.select("path", "path_first").iter_rows()
    ]
    listed = joined.filter(pl.col("path").is_not_null()).drop("__stem")
    unlisted = first.join(listed, on="path", how="anti", maintain_order="left")["path"].to_list()
    single, repeated = once(listed, "path", name)
    return Located(single, rejects + repeated, unlisted)


def once(table: pl.DataFrame, key: str, name: str) -> tuple[pl.DataFrame, list[Reject]]:
    """The lines of a table that are the only ones about something.

    Of lines that are alike the first is taken. Of lines that differ none is: which of them is
    right nobody can tell.

    Args:
        table: The table.
        key: The column with what its lines are about.
        name: What the table is called, for rejects.

    Returns:
        The lines, in their order, and a reject for what stands several times.
    """
    twice = table.filter(pl.col(key).is_duplicated() & pl.col(key).is_not_null())
    if twice.is_empty():
        return table, []
    kinds = twice.unique(maintain_order=True)
    torn = kinds.filter(pl.col(key).is_duplicated())[key].unique(maintain_order=True)
    repeated = kinds.filter(~pl.col(key).is_duplicated())[key]
    rejects = [
        Reject(one, f"{name} has several lines about it, which differ", "Keep the right one.")
        for one in torn
    ]
    rejects += [
        Reject(one, f"{name} names it several times, alike", "Nothing to do: the first is kept.")
        for one in repeated
    ]
    first = pl.col(key).is_null() | pl.col(key).is_first_distinct()
    return table.filter(first & ~pl.col(key).is_in(torn.implode()).fill_null(value=False)), rejects


def pick(
    asked: Asked, known: Sequence[str], default: Sequence[str] | None = None
) -> tuple[str, ...]:
    """The labels to keep: those asked for, `default` if none was, nothing for ``none``.

    Raises:
        ArgumentError: If the set has no such label.
    """
    if asked.label == (NONE,):
        return ()
    for name in asked.label:
        if name not in known:
            raise ArgumentError(
                f"--label must name labels of this set, got {name!r}. {near(name, known)}"
            )
    return asked.label or tuple(known if default is None else default)


def signs(table: pl.DataFrame, names: Iterable[str], where: object) -> list[pl.Expr]:
    """Columns of text as 1, 0, -1 and blank: four different things that stay four.

    Raises:
        TableError: If one holds anything else.
    """
    for name in names:
        values = table[name].drop_nulls().unique(maintain_order=True)
        known = values.cast(pl.Float64, strict=False).is_in([1.0, 0.0, -1.0]).fill_null(value=False)
        if not known.all():
            raise TableError(
                f"{name!r} of '{where}' must hold 1, 0, -1 or nothing, and holds"
                f" {values.filter(~known)[0]!r:.40}. Mend it or fetch it again."
            )
    return [pl.col(name).cast(pl.Float64, strict=False).cast(pl.Int8) for name in names]


def of_classes(
    table: pl.DataFrame, name: str, classes: Iterable[str], where: object
) -> tuple[pl.DataFrame, list[Reject]]:
    """The rows whose class is one of the set or blank; the others as rejects.

    Args:
        table: Rows with their `path`.
        name: The column with the class.
        classes: The classes of the set.
        where: What the table is called, for rejects.
    """
    known = pl.col(name).is_null() | pl.col(name).is_in(list(classes))
    rejects = [
        Reject(path, f"{where} calls it {told[:40]!r}, which is no class of the set", REMEDY)
        for path, told in table.filter(~known).select("path", name).iter_rows()
    ]
    return table.filter(known), rejects


def numbers(name: str) -> pl.Expr:
    """A column of text as numbers; what is none is null."""
    return pl.col(name).cast(pl.Float64, strict=False)


def need_images(frame: pl.DataFrame, rejects: Sequence[Reject], source: object, what: str) -> None:
    """Refuse a set of which not one image is there.

    Raises:
        TableError: With the first reject.
    """
    if frame.is_empty():
        first = f" The first reject: '{rejects[0].path}', {rejects[0].reason}." if rejects else ""
        raise TableError(
            f"'{source}' must hold images of {what} with what describes them, and holds none that"
            f" fit together.{first} Unpack all of it below that folder."
        )


def count_note(count: int, text: str) -> list[str]:
    """A sentence that begins with a count, or none if it is 0.

    Examples:
        >>> count_note(2, "films have no patient"), count_note(0, "films have no patient")
        (['2 films have no patient'], [])
    """
    return [f"{count} {text}"] if count else []
