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
        frame: Those rows, with their `path`.
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
    listed = joined.filter(pl.col("path").is_not_null())
    unlisted = first.join(listed, on="path", how="anti", maintain_order="left")["path"].to_list()
    return Located(listed.drop("__stem"), rejects, unlisted)


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


def signs(names: Iterable[str]) -> list[pl.Expr]:
    """Columns of text as 1, 0, -1 and blank: four different things that stay four."""
    return [pl.col(name).cast(pl.Float64, strict=False).cast(pl.Int8) for name in names]


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
            f"'{source}' must hold the images of {what}, and none was found.{first}"
            " Unpack them below it."
        )


def count_note(count: int, text: str) -> list[str]:
    """A sentence that begins with a count, or none if it is 0.

    Examples:
        >>> count_note(2, "films have no patient"), count_note(0, "films have no patient")
        (['2 films have no patient'], [])
    """
    return [f"{count} {text}"] if count else []
