"""The page and the card of a pretraining, from its saved files alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from medgraft.errors import TableError
from medgraft.files import read_json, write_text
from medgraft.report import lines, tables
from medgraft.report.card import NOT_STATED, safe
from medgraft.report.contracts import PretextDone, PretextPicture, Record, checked, read_part
from medgraft.report.figures import learning, restored
from medgraft.report.figures.restored import Shown
from medgraft.report.pictures import embedded
from medgraft.report.remarks import NOT_A_DEVICE
from medgraft.report.saved import check_beside, read_table, read_text
from medgraft.report.template import environment, fill_page
from medgraft.report.words import (
    count,
    part,
    percent,
    settings_without_folders,
    without_folders,
)
from medgraft.runs import RunFolder

PATENTED = ("models_genesis", "semantic_genesis")
PATENTS = (
    "This method is covered by patents in the United States (10,956,785; 11,763,952; 12,469,315);"
    " using it there may need a licence."
)
FOUND = (
    "each view is nearer to another image",
    "one view is nearer to another image",
    "each view is nearest to the other",
)


@dataclass(frozen=True)
class _Pretrained:
    run: RunFolder
    done: PretextDone
    record: Record
    history: pl.DataFrame
    rejects: pl.DataFrame
    pictures: tuple[PretextPicture, ...]

    @property
    def name(self) -> str:
        """The name of the folder, which is what people call the run."""
        return self.run.path.resolve().name

    @property
    def task(self) -> str:
        """The task without its options."""
        return self.done.task.partition(":")[0]


def write_pretraining(run_folder: Path, *, out: Path | None = None) -> Path:
    """Write figures, report.html and card.md of a pretraining.

    Args:
        run_folder: What `medgraft pretrain` wrote.
        out: Where to write; None writes into the run folder itself.

    Returns:
        Path of report.html.

    Raises:
        TableError: If a file is missing or not as it must be; the message names it.
        OutputError: If the folder cannot be written.
    """
    found = _load(RunFolder.existing(Path(run_folder)))
    target = found.run if out is None else RunFolder(Path(out))
    history = lines.learning_curves(_joint(found.history), found.record.best.get("epoch"))
    drawing = None if history is None else learning.draw(history)
    if drawing is not None:
        write_text(target.figures / f"{drawing.name}.svg", drawing.alone())
    sheet = _sheet(found)
    if sheet:
        write_text(target.figures / "examples.svg", restored.alone(sheet))
    reasons, unlisted = tables.rejects(found.rejects)
    values = {
        "title": found.name,
        "task": found.task,
        "done": found.done,
        "record": found.record,
        "answer": _answer(found),
        "use": _use(found),
        "warnings": _warnings(found),
        "splits": tables.splits(found.record.data),
        "training": _training(found),
        "command": tables.command(found.record),
    }
    page = fill_page(
        "pretraining.html.j2",
        **values,
        drawing=drawing,
        sheet=sheet,
        reasons=reasons,
        unlisted=unlisted,
        phases=tables.phases(found.record),
        machine=tables.machine(found.record),
        inputs=tables.inputs(found.record),
        recipe=settings_without_folders(read_text(found.run.recipe)),
    )
    filled = environment(autoescape=False)
    filled.filters["safe_md"] = safe
    card = filled.get_template("pretraining.md.j2")
    write_text(target.card, card.render(**values, not_stated=NOT_STATED, not_a_device=NOT_A_DEVICE))
    write_text(target.report, page)
    return target.report


def _load(run: RunFolder) -> _Pretrained:
    return _Pretrained(
        run,
        done=read_part(PretextDone, run.pretext),
        record=read_part(Record, run.record),
        history=read_table(run.history),
        rejects=read_table(run.rejects),
        pictures=_pictures(run),
    )


def _pictures(run: RunFolder) -> tuple[PretextPicture, ...]:
    path = run.examples / "pretext.json"
    data = read_json(path)
    if not isinstance(data, list):
        raise TableError(f"'{path}' must be a list of pictures, got {type(data).__name__}.")
    pictures = tuple(checked(PretextPicture, item, path) for item in data)
    for one in pictures:
        for name in (one.image, one.input, one.second, one.restored, one.filled):
            if name is not None:
                check_beside(path, name)
    return pictures


def _sheet(found: _Pretrained) -> Sequence[Shown]:
    folder = found.run.examples
    sheet = []
    for one in found.pictures:
        files = {
            "as it was": one.image,
            "as the network saw it" if one.second is None else "one view": one.input,
            "another view": one.second,
            "restored": one.restored,
            "its hidden parts restored": one.filled,
        }
        sources = {
            name: embedded((folder / file).read_bytes()) for name, file in files.items() if file
        }
        sheet.append(Shown(sources, _caption(one)))
    return sheet


def _caption(one: PretextPicture) -> str:
    said = [] if one.error is None else [f"mean squared error {one.error:.4f}"]
    if one.actual is not None:
        kind = "class" if one.error is None else "pattern"
        said.append(f"{kind} {one.actual}, called {one.answered}")
    if one.similarity is not None and one.found is not None:
        said += [f"similarity {one.similarity:.2f}", FOUND[one.found]]
    return "; ".join(said)


def _answer(found: _Pretrained) -> str:
    """What came of it, in one sentence."""
    done = found.done
    if done.loss is None:
        return f"Trained on {found.task}; there is no validation part to judge it on."
    on = f"on {done.images:,} {part(done.split)} {done.unit}s that it did not learn from"
    if done.kind == "restoring":
        return f"{_restoring(found.task, done, on)}."
    if done.kind == "classifying":
        what = f"names what was done to an image ({found.task}, {done.classes} classes)"
    else:
        what = f"finds the other view of an image ({found.task}) among {done.classes} views"
    return f"It {what} in {_share(done)}, {on}."


def _restoring(task: str, done: PretextDone, on: str) -> str:
    text = f"It restores images ({task}) to a mean squared error of {done.loss:.4f} {on}"
    if done.untouched:
        text += f"; leaving them distorted would be {done.untouched:.4f}"
    if done.accuracy is not None and done.classes:
        text += (
            f". It names {percent(done.accuracy)} of the crops rightly ({done.classes} patterns,"
            f" chance: {percent(1 / done.classes, digits=1)})"
        )
    return text


def _share(done: PretextDone) -> str:
    """Of how many cases the right one of the answers was given, beside chance."""
    classes = done.classes
    chance = percent(1 / classes, digits=int(classes > 50)) if classes else "unknown"
    return f"{percent(done.accuracy or 0.0)} of the cases (chance: {chance})"


def _training(found: _Pretrained) -> dict[str, str]:
    """What was trained; where the task is published stands first."""
    facts = tables.training(found.record)
    del facts["Test images read"]
    alone = _alone(found.history)
    more = {} if alone is None else {"Encoder alone": alone}
    return {"Published in": found.done.source, **facts, **more}


def _joint(history: pl.DataFrame) -> pl.DataFrame:
    """Without the rows of an encoder that learnt alone first, whose loss is another."""
    if "restoring" not in history.columns:
        return history
    return history.filter(pl.col("restoring").is_not_null())


def _alone(history: pl.DataFrame) -> str | None:
    """What the encoder learnt alone; None if it did not."""
    rows = len(history) - len(_joint(history))
    if not rows:
        return None
    said = count(rows, "epoch")
    if "accuracy_val" not in history.columns:
        return said
    best = max(history["accuracy_val"].head(rows).cast(pl.Float64).to_list())
    return f"{said}; at best it named {percent(best)} of the held-out crops"


def _use(found: _Pretrained) -> str:
    network = found.record.network
    after = f" --after {network['after']}" if network.get("after") else ""
    return (
        f"medgraft train INDEX --weights {found.name} --backbone {network.get('backbone')}{after}"
    )


def _warnings(found: _Pretrained) -> list[str]:
    texts = []
    if found.record.data.synthetic:
        texts.append("These are synthetic images: what was learnt holds for them alone.")
    if found.task in PATENTED or found.record.network.get("patterns"):
        texts.append(PATENTS)
    return [*texts, *map(without_folders, found.record.notes)]
