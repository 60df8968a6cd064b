"""The page of a generative model, from its saved files alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from medgraft.files import write_text
from medgraft.report import tables
from medgraft.report.contracts import GenerationDone, Record, SheetPicture, read_part
from medgraft.report.figures import learning
from medgraft.report.figures.learning import History
from medgraft.report.pictures import embedded
from medgraft.report.quality import Judged, read_judged
from medgraft.report.saved import check_beside, read_table, read_text
from medgraft.report.template import fill_page
from medgraft.report.words import settings_without_folders, without_folders
from medgraft.runs import RunFolder

NAMES = {"loss": "training", "loss_val": "validation"}


@dataclass(frozen=True)
class _Generation:
    run: RunFolder
    done: GenerationDone
    record: Record
    history: pl.DataFrame
    rejects: pl.DataFrame

    @property
    def name(self) -> str:
        """The name of the folder, which is what people call the run."""
        return self.run.path.resolve().name

    @property
    def model(self) -> str:
        """The model without its options."""
        return self.done.model.partition(":")[0]


def write_generation(run_folder: Path, *, out: Path | None = None) -> Path:
    """Write the figure and report.html of a generative model.

    Args:
        run_folder: What `medgraft generate train` wrote.
        out: Where to write; None writes into the run folder itself.

    Returns:
        Path of report.html.

    Raises:
        TableError: If a file is missing or not as it must be; the message names it.
        OutputError: If the folder cannot be written.
    """
    found = _load(RunFolder.existing(Path(run_folder)))
    target = found.run if out is None else RunFolder(Path(out))
    history = losses(found.history, found.record.best.get("epoch"))
    drawing = None if history is None else learning.draw(history)
    if drawing is not None:
        write_text(target.figures / f"{drawing.name}.svg", drawing.alone())
    judged = _judged(found.run)
    reasons, unlisted = tables.rejects(found.rejects)
    page = fill_page(
        "generation.html.j2",
        title=found.name,
        model=found.model,
        done=found.done,
        answer=_answer(found),
        use=f"medgraft generate sample {found.name} --count 1000 --seed 1 --out SAMPLES",
        warnings=[*_warnings(found), *(judged.warnings if judged else ())],
        judged=judged,
        sheets=[_sheet(found, one) for one in found.done.pictures],
        drawing=drawing,
        splits=tables.splits(found.record.data),
        training=_training(found),
        command=tables.command(found.record),
        reasons=reasons,
        unlisted=unlisted,
        phases=tables.phases(found.record),
        machine=tables.machine(found.record),
        inputs=tables.inputs(found.record),
        recipe=settings_without_folders(read_text(found.run.recipe)),
    )
    write_text(target.report, page)
    return target.report


def _load(run: RunFolder) -> _Generation:
    done = read_part(GenerationDone, run.generation)
    for one in done.pictures:
        check_beside(run.examples / "generation.json", one.file)
    return _Generation(
        run,
        done=done,
        record=read_part(Record, run.record),
        history=read_table(run.history),
        rejects=read_table(run.rejects),
    )


def _judged(run: RunFolder) -> Judged | None:
    """What the samples are worth, where somebody has had them judged in the run's own folder."""
    return read_judged(run.quality) if (run.quality / "quality.json").is_file() else None


def losses(frame: pl.DataFrame, best: object) -> History | None:
    """The loss of every part, and how various samples were; None where nothing was trained."""
    if frame.is_empty() or "epoch" not in frame.columns:
        return None

    def column(name: str) -> list[float | None]:
        return frame[name].cast(pl.Float64, strict=False).fill_nan(None).to_list()

    drawn = [name for name in frame.columns if name.partition("_")[0] == "loss"]
    various = [name for name in ("spread", "distinct") if name in frame.columns]
    return History(
        epoch=column("epoch"),
        loss={NAMES.get(name, name.removeprefix("loss_")): column(name) for name in drawn},
        score={name: column(name) for name in various},
        rate={"rate": column("rate")},
        best=float(best) if isinstance(best, int | float) else None,
        metric="Diversity",
        of="samples",
    )


def _answer(found: _Generation) -> str:
    """What came of it, in one sentence."""
    done = found.done
    learnt = f"It learnt from {done.images:,} images"
    if done.spread is None or done.distinct is None:
        return f"{learnt}, too few to say how various its samples are."
    said = "Its samples are too alike" if done.collapsed else "Its samples have not collapsed"
    return (
        f"{learnt}. {said}: they lie {done.spread:.2f} times as far from one another as real images"
        f" do, each {done.distinct:.2f} times as far from its nearest other."
    )


def _sheet(found: _Generation, one: SheetPicture) -> dict[str, str]:
    source = embedded((found.run.examples / one.file).read_bytes())
    return {"title": one.title, "caption": one.caption, "source": source}


def _training(found: _Generation) -> dict[str, str]:
    facts = tables.training(found.record)
    facts.pop("Test images read", None)
    facts.pop("Weights it started from", None)
    return facts


def _warnings(found: _Generation) -> list[str]:
    synthetic = ["These are synthetic images: what was learnt holds for them alone."]
    said = synthetic if found.record.data.synthetic else []
    return [*said, *map(without_folders, found.record.notes)]
