"""One self-contained page about one run: figures, tables and sentences from saved results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medgraft.files import write_text
from medgraft.report import lines, remarks, tables
from medgraft.report.card import card
from medgraft.report.figures import (
    calibration,
    canvas,
    confusion,
    contact,
    hexagon,
    learning,
    penalty,
    precision_recall,
    roc,
    spread,
)
from medgraft.report.forgotten import Forgotten
from medgraft.report.generation import write_generation
from medgraft.report.pictures import Picture, by_cell, load_heat, load_overlays, load_pictures
from medgraft.report.pretraining import write_pretraining
from medgraft.report.saved import Saved, load, load_evaluation, load_run
from medgraft.report.template import fill_page
from medgraft.report.words import settings_without_folders, without_folders
from medgraft.runs import RunFolder


def write_report(run_folder: Path, *, out: Path | None = None) -> Path:
    """Write figures, report.html and card.md of a run, from its saved files alone.

    The same files give the same bytes, so a report can be deleted and made again.

    Args:
        run_folder: What `medgraft train` wrote.
        out: Where to write; None writes into the run folder itself.

    Returns:
        Path of report.html.

    Raises:
        TableError: If a file is missing or not as it must be; the message names it.
        OutputError: If the folder cannot be written.
    """
    return _write(load_run(Path(run_folder)), out)


def write_evaluation_report(folder: Path, *, out: Path | None = None) -> Path:
    """Write the report of an evaluation of another tool's predictions.

    It holds evaluation.json and predictions.parquet; there is no history and no recipe, so
    those sections are absent.

    Args:
        folder: What `medgraft evaluate TABLE --out` wrote.
        out: Where to write; None writes into the folder itself.

    Returns:
        Path of report.html.

    Raises:
        TableError: If a file is missing or not as it must be; the message names it.
        OutputError: If the folder cannot be written.
    """
    return _write(load_evaluation(Path(folder)), out)


def write_any_report(folder: Path, *, out: Path | None = None) -> Path:
    """`write_report` for a run folder, `write_evaluation_report` for any other.

    Of a pretraining it is `write_pretraining`, of a generative model `write_generation`.
    """
    if RunFolder(Path(folder)).generation.is_file():
        return write_generation(Path(folder), out=out)
    if RunFolder(Path(folder)).pretext.is_file():
        return write_pretraining(Path(folder), out=out)
    return _write(load(Path(folder)), out)


def _write(saved: Saved, out: Path | None) -> Path:
    target = RunFolder(saved.folder if out is None else Path(out))
    drawings = figures(saved)
    write_figures(drawings, target.figures)
    pictures = load_pictures(saved)
    if pictures:
        write_text(target.figures / "examples.svg", contact.alone(pictures))
    write_text(target.card, card(saved))
    write_text(target.report, page(saved, drawings, pictures))
    return target.report


def write_figures(drawings: list[canvas.Drawing], folder: Path) -> None:
    """Write each figure as an SVG file that stands alone."""
    for drawing in drawings:
        write_text(folder / f"{drawing.name}.svg", drawing.alone())


def figures(saved: Saved) -> list[canvas.Drawing]:
    """Every figure that the saved results allow."""
    evaluation = saved.evaluation
    if evaluation.of_masks:
        return _of_masks(saved)
    curves = lines.lines(saved)
    values = {name: measured.value for name, measured in evaluation.metrics.items()}
    drawn: list[canvas.Drawing | None] = [
        roc.draw(curves.roc, unit=evaluation.unit) if curves.roc else None,
        hexagon.draw({saved.name: values}, note=remarks.means(evaluation)),
        _confusion(saved),
        precision_recall.draw(curves.precision_recall) if curves.precision_recall else None,
        calibration.draw(curves.calibration) if curves.calibration else None,
    ]
    if (history := lines.history(saved)) is not None:
        drawn.append(learning.draw(history))
    if tried := lines.penalties(saved):
        drawn.append(penalty.draw(tried))
    held = [one for one in drawn if one is not None]
    return sorted(held, key=lambda one: one.width > canvas.WIDTH)  # wide ones below the others


def _of_masks(saved: Saved) -> list[canvas.Drawing]:
    """How the measures of single images spread, and how the network learnt."""
    drawn = [
        spread.draw(classes, measure=name, unit=unit)
        for name, unit, classes in lines.spreads(saved)
    ]
    if (history := lines.history(saved)) is not None:
        drawn.append(learning.draw(history))
    return drawn


def _confusion(saved: Saved) -> canvas.Drawing | None:
    evaluation = saved.evaluation
    labels = lines.tables_of_labels(evaluation)
    if labels is not None:
        return confusion.draw_independent(
            labels, {name: lines.shares(one) for name, one in labels.items()}
        )
    table = lines.table_of_classes(evaluation)
    if table is None:
        return None
    names, counts = table
    return confusion.draw(names, counts, lines.shares(counts))


def page(saved: Saved, drawings: list[canvas.Drawing], pictures: Sequence[Picture]) -> str:
    """The HTML of the whole page."""
    record = saved.record
    heated = load_heat(saved)
    overlays = load_overlays(saved)
    reasons, unlisted = tables.rejects(saved.rejects)
    return fill_page(
        "segmentation.html.j2" if saved.evaluation.of_masks else "report.html.j2",
        title=saved.name,
        task=remarks.task(saved.evaluation),
        saved=saved,
        record=record,
        evaluation=saved.evaluation,
        answer=remarks.answer(saved),
        in_use=remarks.in_use(saved.evaluation),
        warnings=[without_folders(text) for text in remarks.warnings(saved)],
        synthetic=record is not None and record.data.synthetic,
        threshold=remarks.threshold(saved.evaluation),
        metrics=tables.metrics(saved.evaluation),
        classes=tables.classes(saved.evaluation),
        means=remarks.means(saved.evaluation),
        drawings={drawing.name: drawing for drawing in drawings},
        pictures=pictures,
        overlays=overlays,
        most_slices=max((len(v.strip.slices) for one in overlays for v in one.views), default=0),
        heated=heated,
        cells=by_cell(heated),
        left_out=tables.left_out(saved.evaluation),
        reasons=reasons,
        unlisted=unlisted,
        forgotten=None if saved.forgetting is None else Forgotten.of(saved.forgetting),
        splits=None if record is None else tables.splits(record.data),
        phases=[] if record is None else tables.phases(record),
        training={} if record is None else tables.training(record),
        machine={} if record is None else tables.machine(record),
        inputs={} if record is None else tables.inputs(record),
        command="" if record is None else tables.command(record),
        recipe="" if saved.recipe is None else settings_without_folders(saved.recipe),
    )
