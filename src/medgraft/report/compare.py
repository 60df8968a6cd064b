"""Several runs on one page: one polygon each in one hexagon, and their metrics side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from medgraft.errors import ArgumentError
from medgraft.files import write_text
from medgraft.report import remarks
from medgraft.report.figures import hexagon
from medgraft.report.saved import Saved, load
from medgraft.report.tables import Value
from medgraft.report.template import fill_page
from medgraft.report.words import MEANINGS, count, in_order, label, without_folders
from medgraft.runs import RunFolder


@dataclass(frozen=True)
class Row:
    """One metric of all runs; None where a run does not have it."""

    name: str
    meaning: str
    values: list[Value | None]


def write_comparison(runs: Sequence[Path], out: Path) -> Path:
    """Write hexagon.svg and report.html that compare runs, from their saved files alone.

    The intervals are those of each run. Whether one run is better than another on the same
    images is a question for a paired comparison: intervals that overlap do not answer it.

    Args:
        runs: Folders of runs or evaluations, at least two.
        out: Where to write.

    Returns:
        Path of report.html.

    Raises:
        ArgumentError: If there are fewer than two runs.
        TableError: If a file is missing or not as it must be; the message names it.
    """
    if len(runs) < 2:
        raise ArgumentError(f"a comparison needs at least 2 runs, got {len(runs)}.")
    saved = [load(Path(run)) for run in runs]
    names = labels([one.folder for one in saved])
    drawing = hexagon.draw(
        {
            name: {metric: m.value for metric, m in one.evaluation.metrics.items()}
            for name, one in zip(names, saved, strict=True)
        },
        note=remarks.means(saved[0].evaluation),
    )
    target = RunFolder(Path(out))
    write_text(target.figures / "hexagon.svg", drawing.alone())
    write_text(
        target.report,
        fill_page(
            "compare.html.j2",
            names=names,
            runs=saved,
            answers=[remarks.answer(one) for one in saved],
            warnings=[*differences(saved), *_own_warnings(names, saved)],
            rows=rows(saved),
            drawing=drawing,
        ),
    )
    return target.report


def labels(folders: Sequence[Path]) -> list[str]:
    """A name per run: that of its folder, with as many parents as it takes to tell them apart.

    Examples:
        >>> labels([Path("a/run"), Path("b/run"), Path("c/other")])
        ['a/run', 'b/run', 'other']
    """
    parts = [folder.resolve().parts for folder in folders]
    names = [part[-1] for part in parts]
    for depth in range(2, max(map(len, parts)) + 1):
        twice = {name for name, times in Counter(names).items() if times > 1}
        if not twice:
            break
        names = [
            "/".join(part[-depth:]) if name in twice else name
            for name, part in zip(names, parts, strict=True)
        ]
    return names


def rows(saved: Sequence[Saved]) -> list[Row]:
    """A row per metric that any run has, AUROC first."""
    metrics = dict.fromkeys(metric for one in saved for metric in one.evaluation.metrics)
    return [
        Row(label(metric), MEANINGS.get(metric, ""), [_value(one, metric) for one in saved])
        for metric in in_order(metrics)
    ]


def _value(saved: Saved, metric: str) -> Value | None:
    measured = saved.evaluation.metrics.get(metric)
    return None if measured is None else Value.of(measured)


def differences(saved: Sequence[Saved]) -> list[str]:
    """Why the numbers of these runs may not be comparable; empty if nothing speaks against it."""
    found = []
    first = saved[0].evaluation
    if any(one.evaluation.names != first.names for one in saved):
        found.append(
            "The runs tell different classes apart: their numbers answer different questions."
        )
    elif any(one.evaluation.positive != first.positive for one in saved):
        found.append("The runs call different classes positive.")
    images = [_images(one) for one in saved]
    if any(known is None for known in images):
        found.append("Not every run says which images it was judged on.")
    elif any(known != images[0] for known in images):
        sizes = ", ".join(count(one.evaluation.n_images) for one in saved)
        found.append(
            f"The runs were judged on different images ({sizes}): a difference may come from the"
            " images, not from the runs."
        )
    return found


def _images(saved: Saved) -> frozenset[str] | None:
    if "image_id" not in saved.predictions.columns:
        return None
    return frozenset(saved.predictions["image_id"].cast(pl.String).to_list())


def _own_warnings(names: Sequence[str], saved: Sequence[Saved]) -> list[str]:
    """The warnings of each run; one that all runs share is said once."""
    each = [[without_folders(text) for text in remarks.warnings(one)] for one in saved]
    shared = [text for text in each[0] if all(text in texts for texts in each)]
    own = [
        f"{name}: {text}"
        for name, texts in zip(names, each, strict=True)
        for text in texts
        if text not in shared
    ]
    return shared + own
