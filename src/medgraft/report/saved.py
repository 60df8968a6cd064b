"""Everything a report is made of, read from the folder of a run or of an evaluation."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import polars as pl

from medgraft.errors import TableError
from medgraft.files import read_json
from medgraft.report.contracts import (
    Evaluation,
    Example,
    Explanation,
    Forgetting,
    Overlay,
    Record,
    checked,
    read_part,
)
from medgraft.runs import RunFolder


@dataclass(frozen=True)
class Saved:
    """The saved results of one run, or of one evaluation of a foreign table.

    Attributes:
        folder: Where they lie.
        evaluation: Metrics with intervals.
        predictions: The rows that were evaluated: image_id, patient_id, y_*, p_*; of masks a
            row per image and class, with every measure.
        record: What was asked and what it took; None for a foreign table.
        recipe: The recipe as text; None for a foreign table.
        history: A row per epoch; None for a foreign table.
        rejects: Columns path, reason, remedy; None where nobody recorded them.
        examples: Pictures to show, possibly none.
        overlays: Likewise, of a run that learnt masks.
        explanation: Top losses with heat maps; None where nobody asked for them.
        forgetting: Of a run that went on from another, what it still knows; else None.
        salt: Secret bytes for shortened patient ids; see `words.alias`.
    """

    folder: Path
    evaluation: Evaluation
    predictions: pl.DataFrame
    record: Record | None
    recipe: str | None
    history: pl.DataFrame | None
    rejects: pl.DataFrame | None
    examples: tuple[Example, ...]
    overlays: tuple[Overlay, ...]
    explanation: Explanation | None
    forgetting: Forgetting | None
    salt: bytes

    @property
    def name(self) -> str:
        """The name of the folder, which is what people call the run."""
        return self.folder.resolve().name


def load_run(folder: Path) -> Saved:
    """Read the folder that `medgraft train` wrote.

    Raises:
        TableError: If it is no run folder, or a file is missing or not as it must be.
    """
    run = RunFolder.existing(folder)
    return _load(
        run,
        record=read_part(Record, run.record),
        recipe=read_text(run.recipe),
        history=read_table(run.history),
        rejects=read_table(run.rejects),
        explanation=_explanation(run),
    )


def load_evaluation(folder: Path) -> Saved:
    """Read the folder that `medgraft evaluate` wrote for the table of another tool.

    Raises:
        TableError: If evaluation.json or predictions.parquet is missing or not as it must be.
    """
    run = RunFolder(Path(folder))
    rejects = read_table(run.rejects) if run.rejects.is_file() else None
    return _load(run, record=None, recipe=None, history=None, rejects=rejects)


def load(folder: Path) -> Saved:
    """Read a run folder where run.json lies in it, and an evaluation folder otherwise."""
    return load_run(folder) if RunFolder(Path(folder)).record.is_file() else load_evaluation(folder)


def _load(
    run: RunFolder,
    *,
    record: Record | None,
    recipe: str | None,
    history: pl.DataFrame | None,
    rejects: pl.DataFrame | None,
    explanation: Explanation | None = None,
) -> Saved:
    evaluation = read_part(Evaluation, run.evaluation)
    masks = evaluation.of_masks
    judged = run.segmentation if masks else run.predictions
    return Saved(
        folder=run.path,
        evaluation=evaluation,
        predictions=_parquet(judged) if masks else _predictions(judged, evaluation),
        record=record,
        recipe=recipe,
        history=history,
        rejects=rejects,
        examples=() if masks else _examples(run, Example),
        overlays=_examples(run, Overlay) if masks else (),
        explanation=explanation,
        forgetting=read_part(Forgetting, run.forgetting) if run.forgetting.is_file() else None,
        salt=hashlib.sha256(judged.read_bytes()).digest(),
    )


def _parquet(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise TableError(f"'{path}' must exist, and does not: figures are drawn from it.")
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise TableError(f"'{path}' must be a parquet table: {_line(error)}.") from error


def _predictions(path: Path, evaluation: Evaluation) -> pl.DataFrame:
    frame = _parquet(path)
    wanted = [f"{letter}_{name}" for name in evaluation.shown for letter in "yp"]
    if missing := [column for column in wanted if column not in frame.columns]:
        raise TableError(
            f"'{path}' must have a y_ and a p_ column for every class of evaluation.json;"
            f" missing: {', '.join(missing)}. Found: {', '.join(frame.columns)}."
        )
    if "split" in frame.columns and evaluation.split in frame["split"].to_list():
        return frame.filter(pl.col("split") == evaluation.split)
    return frame


def read_text(path: Path) -> str:
    """A text file, or a `TableError` that names it."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        raise TableError(f"'{path}' must exist and be readable, and is not.") from None
    except UnicodeDecodeError as error:
        raise TableError(f"'{path}' must be UTF-8 text: {error}.") from None


def read_table(path: Path) -> pl.DataFrame:
    """A table in CSV, or a `TableError` that names it."""
    text = read_text(path)
    try:
        return pl.read_csv(text.encode(), infer_schema_length=None)
    except pl.exceptions.PolarsError as error:
        raise TableError(f"'{path}' must be a table with a header: {_line(error)}.") from error


Shown = TypeVar("Shown", Example, Overlay)


def _examples(run: RunFolder, kind: type[Shown]) -> tuple[Shown, ...]:
    path = run.examples / "examples.json"
    if not path.is_file():  # a run may have been told to keep no pictures
        return ()
    data = read_json(path)
    if not isinstance(data, list):
        raise TableError(f"'{path}' must be a list of pictures, got {type(data).__name__}.")
    examples = tuple(checked(kind, item, path) for item in data)
    for name in (name for example in examples for name in example.files):
        check_beside(path, name)
    return examples


def _explanation(run: RunFolder) -> Explanation | None:
    path = run.explain / "explain.json"
    if not path.is_file():  # nobody has run `medgraft explain`
        return None
    found = checked(Explanation, read_json(path), path)
    for item in found.items:
        check_beside(path, item.file)
        check_beside(path, item.heat)
    return found


def check_beside(path: Path, name: str) -> None:
    """A picture that a JSON file names must lie beside it; only a bare name may stand there.

    A path that leads elsewhere would copy some other file of this machine into the page.
    """
    if Path(name).name != name:
        raise TableError(f"'{path}' must name files beside it, without a folder, got {name!r}.")
    if not (path.parent / name).is_file():
        raise TableError(f"'{path}' names {name!r}, which must lie beside it.")


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
