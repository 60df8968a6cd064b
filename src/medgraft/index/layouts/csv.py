"""A table with a row per image."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from medgraft.errors import TableError
from medgraft.index.generated import GENERATED
from medgraft.index.layouts import Asked, Found, layout
from medgraft.index.layouts._guess import TRIED, guess, path_column
from medgraft.index.layouts._tables import read_table, tables
from medgraft.index.parts import part_of
from medgraft.index.paths import Reject, relative
from medgraft.index.table import COLUMNS, near

TAKES = frozenset(
    ["table", "path", "label", "patient", "group", "mask", "view", "study", "laterality", "split"]
)
SPLITS = ("orig_split", "split", "part", "partition", "subset")
KNOWN = {  # field of Asked: column of the index
    "patient": "patient_id",
    "group": "group",
    "view": "view",
    "study": "study_id",
    "laterality": "laterality",
}


def recognise(source: Path) -> str | None:
    """A table at the top names files that exist."""
    for table in tables(source):
        try:
            column = path_column(read_table(table, rows=TRIED), _root(source))
        except TableError:
            continue
        if column:
            return f"column {column!r} of {table.name} names files that exist"
    return None


def unless_listed(source: Path, why: str | None) -> str | None:
    """Why a folder looks like a layout that goes by names; None where a table names the images.

    Asked last: to look for tables, all names in a folder are read, however many there are.
    """
    return None if why is None or recognise(source) else why


@layout(
    "csv",
    recognise=recognise,
    source="a table with a row per image: .csv, .tsv, .parquet",
    takes=TAKES,
)
def csv(source: Path, asked: Asked) -> Found:
    """Images that a table lists.

    Every value is read as text, so that a patient ``007`` stays one; label columns of nothing
    but 1, 0, -1 and blanks become numbers. A row whose file is missing, lies outside the
    source, or stands twice with different labels is a reject. Columns that were not asked for
    are taken if their names leave no doubt, and named in `guessed`. A column called ``split`` or the
    like that holds nothing but names of parts is kept as `orig_split`; ``--split`` makes it the split.
    """
    root = _root(source)
    file = _table(source, asked)
    table = read_table(file)
    asked, guessed = guess(table, root, file, asked)
    for wish in sorted(TAKES - {"table", "path"}):
        for column in _columns(asked, wish):
            _check_column(table, column, file, wish)
    paths = _paths(table, file, str(asked.path))
    frame, rejects = _existing(table.with_columns(paths.alias("__path")), root, file)
    if frame.is_empty():
        raise TableError(
            f"'{file}' must name at least one file that exists in '{root}'; none of its"
            f" {table.height} rows does. The first: {rejects[0].path!r}, {rejects[0].reason}."
            if rejects
            else f"'{file}' must have a row per image, and has none."
        )
    frame, doubles = _once_each(_arrange(frame, root, asked, file, rejects), asked.label)
    rejects += doubles
    notes = [] if asked.label else [f"--label takes one of: {', '.join(table.columns)}"]
    return Found(frame, root, asked.label, rejects, notes, guessed)


def _columns(asked: Asked, wish: str) -> tuple[str, ...]:
    value = getattr(asked, wish)
    return value if isinstance(value, tuple) else (value,) if value else ()


def _root(source: Path) -> Path:
    return source if source.is_dir() else source.parent


def _table(source: Path, asked: Asked) -> Path:
    if asked.table:
        for file in (_root(source) / asked.table, Path(asked.table)):
            if file.is_file():
                return file
        raise TableError(
            f"--table must name a file, but '{asked.table}' is neither in '{_root(source)}' nor in"
            f" the current folder. {near(asked.table, [t.name for t in tables(_root(source))])}"
        )
    found = tables(source)
    if len(found) == 1:
        return found[0]
    names = ", ".join(t.name for t in found) or "none"
    raise TableError(f"--table must name the table of '{source}'; it holds {names}.")


def _check_column(table: pl.DataFrame, column: str, file: Path, wish: str) -> None:
    if column not in table.columns:
        raise TableError(
            f"--{wish} must name a column of '{file.name}', which has no {column!r}."
            f" {near(column, table.columns)}"
        )
    if wish == "label" and column in COLUMNS:
        raise TableError(
            f"a label must not be called {column!r}, which is a column of every index."
            f" Rename it in '{file.name}'."
        )


def _paths(table: pl.DataFrame, file: Path, wanted: str) -> pl.Series:
    if "{" not in wanted:
        _check_column(table, wanted, file, "path")
        return table[wanted]
    return _filled(table, wanted, file)


def _filled(table: pl.DataFrame, pattern: str, file: Path) -> pl.Series:
    """Column names in braces, replaced by the value of each row."""
    names = re.findall(r"\{([^{}]*)\}", pattern)
    for name in names:
        _check_column(table, name, file, "path")
    literal = re.sub(r"\{[^{}]*\}", "{}", pattern)
    return table.select(pl.format(literal, *(pl.col(n) for n in names)).alias("p"))["p"]


def _existing(table: pl.DataFrame, root: Path, file: Path) -> tuple[pl.DataFrame, list[Reject]]:
    """Rows whose file exists, their path made relative; the others as rejects."""
    keep, paths, rejects = [], [], []
    for row, text in enumerate(table["__path"].to_list()):
        inside = _inside(root, text)
        where = f"row {row + 2} of {file.name}"
        if text is None:
            rejects.append(Reject("", f"{where} names no file", "Fill in the path."))
        elif inside is None:
            rejects.append(
                Reject(text, f"{where} leads outside the source", "Index a folder that holds it.")
            )
        elif not _there(root / inside):
            rejects.append(
                Reject(
                    text, f"{where} names it, and there is no such file", "Add it or drop the row."
                )
            )
        else:
            keep.append(row)
            paths.append(inside)
    frame = table[keep].with_columns(pl.Series("__path", paths, dtype=pl.String))
    return frame.with_columns(pl.Series("__row", keep, dtype=pl.Int64) + 2), rejects


def _inside(root: Path, text: str | None) -> str | None:
    """A path from a table, perhaps one that Windows wrote, relative to the root."""
    inside = relative(root, text) if text else None
    if text and "\\" in text and not (inside and _there(root / inside)):
        return relative(root, text.replace("\\", "/"))
    return inside


def _there(path: Path) -> bool:
    """Whether a file, a series folder, or the archive of a member exists."""
    try:
        return path.exists() or (
            ("#" in path.name or "#" in str(path)) and Path(str(path).partition("#")[0]).is_file()
        )
    except (OSError, ValueError):  # too long a name, a null byte
        return False


def _arrange(
    table: pl.DataFrame, root: Path, asked: Asked, file: Path, rejects: list[Reject]
) -> pl.DataFrame:
    """The columns of an index, from the columns that were asked for."""
    wanted = [pl.col("__path").alias("path"), pl.col("__row")]
    wanted += [
        pl.col(column).alias(name)
        for wish, name in KNOWN.items()
        if (column := getattr(asked, wish))
    ]
    frame = table.select(wanted).with_columns(as_label(table[name]) for name in asked.label)
    if asked.mask:
        frame = frame.with_columns(_masks(table, root, asked.mask, file, rejects))
    if GENERATED in table.columns:  # never left out, or samples of a model would pass for images
        frame = frame.with_columns(_generated(table[GENERATED], file))
    if asked.split:
        return frame.with_columns(_parts(table[asked.split], file).alias("split"))
    own = next((n for n in table.columns if n.lower() in SPLITS and _holds_parts(table[n])), None)
    return frame.with_columns(_parts(table[own], file).alias("orig_split")) if own else frame


def _holds_parts(column: pl.Series) -> bool:
    """Whether a column holds the names of at least two parts and nothing else."""
    found = {part_of(name) for name in column.drop_nulls().unique()}
    return None not in found and len(found) > 1


def as_label(column: pl.Series) -> pl.Series:
    """A column of text as numbers if it holds nothing but 1, 0, -1 and blanks.

    Examples:
        >>> as_label(pl.Series("a", ["1.0", "0.0", None])).to_list()
        [1, 0, None]
        >>> as_label(pl.Series("a", ["1", "2"])).to_list()
        ['1', '2']
    """
    numbers = column.cast(pl.Float64, strict=False)
    same = numbers.null_count() == column.null_count()
    signs = same and bool(numbers.drop_nulls().is_in([1.0, 0.0, -1.0]).all())
    return numbers.cast(pl.Int8) if signs and len(numbers.drop_nulls()) else column


def _masks(
    table: pl.DataFrame, root: Path, column: str, file: Path, rejects: list[Reject]
) -> pl.Series:
    """Paths of masks that exist; an image without its mask stays, and the mask is a reject."""
    masks: list[str | None] = []
    for row, text in zip(table["__row"].to_list(), table[column].to_list(), strict=True):
        inside = _inside(root, text)
        if text and not (inside and _there(root / inside)):
            where = f"row {row} of {file.name}"
            rejects.append(
                Reject(
                    text,
                    f"{where} names it as a mask, and there is no such file",
                    "Add it; the image is kept.",
                )
            )
            inside = None
        masks.append(inside)
    return pl.Series("mask_path", masks, dtype=pl.String)


def _parts(column: pl.Series, file: Path) -> pl.Series:
    names = column.drop_nulls().unique().to_list()
    unknown = sorted(name for name in names if part_of(name) is None)
    if unknown:
        raise TableError(
            f"--split must name a column of train, val and test; {column.name!r} of"
            f" '{file.name}' holds {', '.join(map(repr, unknown[:5]))}."
        )
    return column.replace_strict({name: part_of(name) for name in names}, return_dtype=pl.String)


def _generated(column: pl.Series, file: Path) -> pl.Series:
    words = {"true": True, "1": True, "false": False, "0": False}
    said = column.cast(pl.String).str.strip_chars().str.to_lowercase()
    unknown = sorted(set(said.drop_nulls().unique()) - {*words, ""})
    if unknown:
        raise TableError(
            f"{GENERATED!r} must be true, false or empty, since it says which images a model made;"
            f" that of '{file.name}' holds {', '.join(map(repr, unknown[:5]))}. Rename the column if"
            " it means something else."
        )
    found = said.replace_strict(words, default=None, return_dtype=pl.Boolean)
    return found.alias(GENERATED)


def _once_each(frame: pl.DataFrame, labels: tuple[str, ...]) -> tuple[pl.DataFrame, list[Reject]]:
    """Each path once: repeated rows that agree are dropped, rows that disagree are all refused."""
    same = frame.group_by("path").agg(
        pl.col("__row").min().alias("__first"),
        pl.len().alias("__times"),
        (pl.struct(labels).n_unique() if labels else pl.lit(1)).alias("__kinds"),
    )
    frame = frame.join(same, on="path", how="left", maintain_order="left")
    rejects = []
    for path, row, first, kinds in (
        frame.filter(pl.col("__times") > 1)
        .select("path", "__row", "__first", "__kinds")
        .iter_rows()
    ):
        if kinds > 1:
            rejects.append(
                Reject(
                    path,
                    f"it stands twice with different labels (row {row})",
                    "Decide which label holds.",
                )
            )
        elif row != first:
            rejects.append(
                Reject(path, f"row {row} repeats row {first}", "Nothing to do: the first is kept.")
            )
    good = (pl.col("__kinds") == 1) & (pl.col("__row") == pl.col("__first"))
    return frame.filter(good).drop("__row", "__first", "__times", "__kinds"), rejects
