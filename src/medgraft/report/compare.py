"""Several runs on one page: their differences on the same rows, one hexagon, their metrics side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from medgraft.errors import ArgumentError, TableError
from medgraft.evaluate.segmentation.measures import measures
from medgraft.files import write_json, write_text
from medgraft.report import pairs, remarks
from medgraft.report.figures import forest, hexagon
from medgraft.report.saved import Saved, load
from medgraft.report.tables import Value
from medgraft.report.template import fill_page
from medgraft.report.words import (
    DASH,
    MEANINGS,
    count,
    duration,
    in_order,
    label,
    p_value,
    percent,
    signed,
    without_folders,
)
from medgraft.runs import RunFolder

if TYPE_CHECKING:
    from medgraft.report.figures.canvas import Drawing


@dataclass(frozen=True)
class Row:
    """One metric of all runs; None where a run does not have it."""

    name: str
    meaning: str
    values: list[Value | None]


def write_comparison(
    runs: Sequence[Path],
    out: Path,
    *,
    only_pairs: bool = False,
    replicates: int = 1000,
    seed: int = 0,
) -> Path:
    """Write a page that compares runs, from their saved files alone.

    Runs that were judged on the same rows get paired differences from the first of them
    (comparison.json, figures/forest.svg). Others stand side by side, and the page says
    why nothing more can be said.

    Args:
        runs: Folders of runs or evaluations, at least two; the first is the reference.
        out: Where to write.
        only_pairs: Refuse runs that were not judged on the same rows.
        replicates: Bootstrap replicates of the differences.
        seed: Of the replicates.

    Returns:
        Path of compare.html.

    Raises:
        ArgumentError: If there are fewer than two runs, or replicates are negative.
        TableError: If a file is missing or not as it must be; the message names it. With
            `only_pairs` also if the runs were not judged on the same rows; nothing is written.
    """
    if len(runs) < 2:
        raise ArgumentError(f"a comparison needs at least 2 runs, got {len(runs)}.")
    if replicates < 0:
        raise ArgumentError(f"replicates must not be negative, got {replicates}")
    saved = [load(Path(run)) for run in runs]
    names = labels([one.folder for one in saved])
    found, why_not = None, ""
    try:
        found = pairs.compare(saved, names, replicates=replicates, seed=seed)
    except TableError as error:
        if only_pairs:
            raise
        why_not = f"No paired differences: {without_folders(str(error))}"
    drawing = None
    if not any(one.evaluation.of_masks for one in saved):
        drawing = hexagon.draw(
            {
                name: {metric: m.value for metric, m in one.evaluation.metrics.items()}
                for name, one in zip(names, saved, strict=True)
            },
            note=remarks.means(saved[0].evaluation),
        )
    return _write(Path(out), saved, names, drawing, found, why_not)


def _write(
    out: Path,
    saved: Sequence[Saved],
    names: Sequence[str],
    drawing: Drawing | None,
    found: dict[str, Any] | None,
    why_not: str,
) -> Path:
    figures = RunFolder(out).figures
    if drawing is not None:
        write_text(figures / "hexagon.svg", drawing.alone())
    drawn = None
    if found is not None:
        write_json(out / "comparison.json", found)
        drawn = draw_forest(found, remarks.means(saved[0].evaluation))
        write_text(figures / "forest.svg", drawn.alone())
    warnings = [*differences(saved), *([why_not] if why_not else []), *_own_warnings(names, saved)]
    page = out / "compare.html"
    write_text(
        page,
        fill_page(
            "compare.html.j2",
            names=names,
            runs=saved,
            answers=[remarks.answer(one) for one in saved],
            warnings=warnings,
            rows=rows(saved),
            drawing=drawing,
            found=found,
            verdicts=[] if found is None else verdicts(found),
            table=[] if found is None else difference_rows(found),
            forest=drawn,
            costs=costs(saved),
        ),
    )
    return page


def draw_forest(found: dict[str, Any], note: str) -> Drawing:
    """The differences of comparison.json about a line at zero; of masks those of shares alone."""
    differences = {one["run"]: one["metrics"] for one in found["differences"]}
    kind: dict[str, Any] = {}
    if found["kind"] == "segmentation":
        held = in_order(found["differences"][0]["metrics"])
        kind["rows"] = [name for name in held if measures.get(name).range == (0.0, 1.0)]
        note = f"{note} Distances and volumes stand in the table: they have other units.".strip()
    return forest.draw(differences, reference=found["reference"], note=note, **kind)


@dataclass(frozen=True)
class Difference:
    """One metric of one run minus that of the reference, as it is shown."""

    shown: str
    bounds: str
    exact: float | None
    excludes_zero: bool | None
    remark: str = ""

    @classmethod
    def of(cls, entry: dict[str, Any]) -> Difference:
        """From an entry of comparison.json."""
        bounds = ""
        if entry["low"] is not None:
            bounds = f"{signed(entry['low'])} to {signed(entry['high'])}"
        shown, exact = signed(entry["value"]), entry["value"]
        return cls(shown, bounds, exact, entry["excludes_zero"], entry.get("reason") or "")


def difference_rows(found: dict[str, Any]) -> list[tuple[str, str, list[Difference]]]:
    """A row per metric: its name, its meaning, and the difference of every run."""
    metrics = found["differences"][0]["metrics"]
    return [
        (
            label(metric),
            MEANINGS.get(metric, ""),
            [Difference.of(one["metrics"][metric]) for one in found["differences"]],
        )
        for metric in in_order(metrics)
    ]


def verdicts(found: dict[str, Any]) -> list[str]:
    """A sentence or two per run: which differences from the reference are significant."""
    return [
        f"{_of_auroc(one, found)} {_of_intervals(one, found['confidence'])}".strip()
        for one in found["differences"]
    ]


def _of_auroc(one: dict[str, Any], found: dict[str, Any]) -> str:
    test, reference = one["delong"], found["reference"]
    if test is None:  # masks have no AUROC
        return ""
    if test["p"] is None:
        return f"AUROC cannot be tested against {reference} ({test['reason'].rstrip('.')})."
    which = "mean AUROC" if len(test["classes"]) > 1 else "AUROC"
    runs = len(found["differences"])
    corrected = f" after Holm's correction for {runs} runs" if runs > 1 else ""
    said = f"{signed(test['difference'])}, {p_value(test['p_holm'])} by DeLong's test{corrected}"
    if not test["significant"]:
        return f"Its {which} is not significantly different from that of {reference} ({said})."
    word = "higher" if test["difference"] > 0 else "lower"
    return f"Its {which} is significantly {word} than that of {reference} ({said})."


def _of_intervals(one: dict[str, Any], confidence: float) -> str:
    apart = [
        f"{label(metric)} {signed(one['metrics'][metric]['value'])}"
        for metric in in_order(one["metrics"])
        if one["metrics"][metric]["excludes_zero"]
    ]
    known = any(entry["low"] is not None for entry in one["metrics"].values())
    if not known:
        return "No intervals were computed."
    if not apart:
        return f"No {percent(confidence)} interval of a difference excludes zero."
    return f"{percent(confidence)} intervals of the difference exclude zero: {', '.join(apart)}."


def costs(saved: Sequence[Saved]) -> list[tuple[str, list[str]]]:
    """What each run took, a row per quantity; empty where no run says."""
    each = [pairs.cost(one) for one in saved]
    kinds: list[tuple[str, str, Callable[[float], str]]] = [
        ("Wall time", "seconds", duration),
        ("Parameters", "parameters", count),
        ("Trainable", "trainable", count),
        ("Images per second in training", "images_per_second", count),
    ]
    return [
        (title, [DASH if cost[key] is None else shown(cost[key] or 0) for cost in each])
        for title, key, shown in kinds
        if any(cost[key] is not None for cost in each)
    ]


def labels(folders: Sequence[Path]) -> list[str]:
    """A name per run: that of its folder, with as many parents as it takes to tell them apart.

    Examples:
        >>> labels([Path("a/run"), Path("b/run"), Path("c/other")])
        ['a/run', 'b/run', 'other']
        >>> labels([Path("/run"), Path("/run")])
        ['//run', '//run (2)']
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
    return [  # one folder twice
        f"{name} ({times})" if (times := names[: k + 1].count(name)) > 1 else name
        for k, name in enumerate(names)
    ]


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
