"""The page of an advice on transfer, from its saved numbers alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medgraft.files import read_json, write_text
from medgraft.report.contracts import Measured
from medgraft.report.figures import stages
from medgraft.report.template import fill_page
from medgraft.report.words import (
    count,
    duration,
    file_name,
    interval,
    number,
    settings_without_folders,
    signed,
    without_folders,
)


def write_advice(folder: Path) -> Path:
    """Write advice.html and figures/stages.svg beside advice.json.

    Returns:
        Path of advice.html.

    Raises:
        TableError: If advice.json is missing or not JSON.
        OutputError: If the folder cannot be written.
    """
    found: dict[str, Any] = read_json(folder / "advice.json")
    rows = [
        stages.StageRow(
            one["name"],
            (one["auroc"]["value"], one["auroc"]["low"], one["auroc"]["high"]),
            one["logme"],
            one["h_score"],
            one["distance"],
        )
        for one in found["stages"]
    ]
    drawing = stages.draw(rows, cut=found["cut"])
    write_text(folder / "figures" / "stages.svg", drawing.alone())
    page = folder / "advice.html"
    write_text(
        page,
        fill_page(
            "advice.html.j2",
            found=found,
            title=f"{found['backbone']} from {file_name(found['weights'])}",
            warnings=[without_folders(text) for text in _warnings(found)],
            drawing=drawing,
            command=_command(found["flags"]),
            instead=_command(found["otherwise"]["flags"]),
            costs=_costs(found),
            table=[_row(one) for one in found["stages"]],
            verified=_verified(found.get("verified")),
            counts=[
                (name, count(images), count(found["size"]["patients"][name]))
                for name, images in found["size"]["images"].items()
            ],
        ),
    )
    return page


def _command(flags: list[str]) -> str:
    return settings_without_folders(" ".join(["medgraft train INDEX", *flags, "--out RUN"]))


def _warnings(found: dict[str, Any]) -> list[str]:
    synthetic = ["These are synthetic images: the advice holds for them alone."]
    return [*(synthetic if found["synthetic"] else []), *found["doubts"], *found["notes"]]


def _costs(found: dict[str, Any]) -> dict[str, str]:
    cost, other = found["cost"], found["otherwise"]
    hardware = found["hardware"]
    return {
        "As advised": duration(found["seconds"]),
        f"Otherwise ({other['scenario']})": duration(other["seconds"]),
        **{
            f"An image once, up to {stage}": f"{1000 * seconds:.1f} ms"
            for stage, seconds in cost["features"].items()
        },
        "An image forward and backward": f"{1000 * cost['tuning']:.1f} ms",
        "Images and epochs counted with": f"{count(cost['images'])}, {cost['epochs']}",
        "Measured on": hardware["accelerator"] or hardware["processor"],
    }


def _row(stage: dict[str, Any]) -> dict[str, str]:
    auroc, apart = stage["auroc"], stage["apart"]
    shown = {
        "stage": stage["name"],
        "channels": count(stage["channels"]),
        "auroc": number(auroc["value"]),
        "interval": interval(Measured.model_validate(auroc)),
        "logme": f"{stage['logme']:.3f}",
        "h_score": f"{stage['h_score']:.3f}",
        "distance": "–" if stage["distance"] is None else f"{stage['distance']:.2f}",
    }
    if apart is not None:
        shown["frechet"] = "–" if apart["frechet"] is None else f"{apart['frechet']:.2f}"
        shown["proxy_a"] = "–" if apart["proxy_a"] is None else f"{apart['proxy_a']:.2f}"
    return shown


def _verified(found: dict[str, Any] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    gap = found["difference"]
    return {
        "verdict": found["verdict"],
        "judged_on": found["judged_on"],
        "rows": [
            (
                name,
                number(found[key]["auroc"]["value"]),
                interval(Measured.model_validate(found[key]["auroc"])),
                duration(found[key]["seconds"]),
            )
            for key, name in (("advised", "As advised"), ("otherwise", "Otherwise"))
        ],
        "gap": None
        if gap is None or gap["low"] is None
        else f"{signed(gap['value'])} ({signed(gap['low'])} to {signed(gap['high'])})",
    }
