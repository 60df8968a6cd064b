"""A network beside what was left of it when stages were cut off: weight, answers, heat maps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medgraft.errors import TableError
from medgraft.files import read_json, write_text
from medgraft.report import remarks
from medgraft.report.compare import difference_rows, draw_forest, verdicts, write_comparison
from medgraft.report.contracts import Explanation, Truncation, Weighed, read_part
from medgraft.report.pictures import HeatPicture, heat_picture
from medgraft.report.saved import load_run
from medgraft.report.template import fill_page
from medgraft.report.words import count, signed, without_folders
from medgraft.runs import RunFolder


@dataclass(frozen=True)
class Quantity:
    """One thing that both networks have, and how many times less or more it is."""

    name: str
    meaning: str
    whole: str
    smaller: str
    ratio: str


def write_truncation(whole: Path, smaller: Path, *, replicates: int = 1000, seed: int = 0) -> Path:
    """Write the page of a run that was made smaller, from saved files alone.

    In the folder `truncation` of the smaller run, beside truncation.json and the heat maps that
    lie there, it writes what `write_comparison` does, and truncation.html.

    Args:
        whole: The run that was cut.
        smaller: What was made of it by `medgraft truncate`.
        replicates: Bootstrap replicates of the differences.
        seed: Of the replicates.

    Returns:
        Path of truncation.html.

    Raises:
        TableError: If a file is missing or not as it must be, or the runs were judged on
            different rows.
    """
    folder = RunFolder(smaller).truncation
    weighed = read_part(Truncation, folder / "truncation.json")
    write_comparison([whole, smaller], folder, only_pairs=True, replicates=replicates, seed=seed)
    found = read_json(folder / "comparison.json")
    saved = load_run(smaller)
    page = folder / "truncation.html"
    write_text(
        page,
        fill_page(
            "truncation.html.j2",
            name=saved.name,
            synthetic=saved.record is not None and saved.record.data.synthetic,
            answer=answer(weighed, found),
            weighed=weighed,
            quantities=quantities(weighed),
            found=found,
            verdict=verdicts(found)[0],
            warnings=[without_folders(text) for text in remarks.warnings(saved)],
            differences=difference_rows(found),
            forest=draw_forest(found, remarks.means(saved.evaluation)),
            pairs=_pairs(folder, saved.salt),
        ),
    )
    return page


def answer(weighed: Truncation, found: dict[str, Any]) -> str:
    """One sentence: what was cut off, what it saved, and what it cost."""
    ratios = weighed.ratios
    auroc = found["differences"][0]["metrics"].get("auroc")
    said = ""
    if auroc is not None and auroc["value"] is not None:
        ends = ""
        if auroc["low"] is not None:
            ends = f" ({signed(auroc['low'])} to {signed(auroc['high'])})"
        said = f"; AUROC {signed(auroc['value'])}{ends}"
    return (
        f"Cut after {weighed.smaller.stage}: {ratios['parameters']:.2f} times fewer parameters,"
        f" {ratios['images_per_second']:.2f} times the speed{said}"
    )


def quantities(weighed: Truncation) -> list[Quantity]:
    """What both networks have, a row each."""
    whole, smaller, ratios = weighed.whole, weighed.smaller, weighed.ratios
    where = weighed.device if weighed.device != "processor" else _threads(weighed.threads)
    shape = " × ".join(map(str, weighed.input))
    return [
        Quantity("Last stage", "", whole.stage, smaller.stage, ""),
        Quantity(
            "Parameters",
            "",
            count(whole.parameters),
            count(smaller.parameters),
            f"{ratios['parameters']:.2f} times fewer",
        ),
        Quantity(
            "Operations",
            f"multiplications with an addition, for one image of {shape}",
            count(whole.operations),
            count(smaller.operations),
            f"{ratios['operations']:.2f} times fewer",
        ),
        Quantity(
            "Images per second",
            f"of prediction in float32, {count(weighed.batch)} at a time, in turns, on {where}",
            f"{whole.images_per_second:,.1f}",
            f"{smaller.images_per_second:,.1f}",
            f"{ratios['images_per_second']:.2f} times as many",
        ),
        Quantity("Heat map", "cells, at the last stage with 16 or more", *_heat(weighed)),
    ]


def _threads(number: int) -> str:
    return f"{number} processor thread{'' if number == 1 else 's'}"


def _heat(weighed: Truncation) -> tuple[str, str, str]:
    def told(one: Weighed) -> str:
        return f"{' × '.join(map(str, one.cells))}, {one.heat_stage}"

    finer = _cells(weighed.smaller) / _cells(weighed.whole)
    how = f"{finer:.2f} times as many" if finer != 1 else "as many"
    return told(weighed.whole), told(weighed.smaller), how


def _cells(one: Weighed) -> int:
    product = 1
    for side in one.cells:
        product *= side
    return product


def _pairs(folder: Path, salt: bytes) -> list[tuple[HeatPicture, HeatPicture]]:
    """The heat of both networks over the same images.

    Raises:
        TableError: If a network was not asked about the same images.
    """
    one, other = (
        read_part(Explanation, folder / name / "explain.json").items
        for name in ("whole", "smaller")
    )
    if [(i.image_id, i.explained) for i in one] != [(i.image_id, i.explained) for i in other]:
        raise TableError(
            f"the heat maps in '{folder}' must be of the same images, and are not."
            " Run `medgraft truncate` again."
        )
    return [
        (
            heat_picture(folder / "whole", a, number, salt=salt),
            heat_picture(folder / "smaller", b, number, salt=salt),
        )
        for number, (a, b) in enumerate(zip(one, other, strict=True), 1)
    ]
