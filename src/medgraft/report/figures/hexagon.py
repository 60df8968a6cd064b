"""Six metrics on six spokes, one polygon per run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from medgraft.report.figures import canvas
from medgraft.report.words import label, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SPOKES = ("accuracy", "recall", "precision", "f1", "specificity", "auroc")
_RINGS = (0.2, 0.4, 0.6, 0.8)


def vertices(values: Sequence[float | None]) -> np.ndarray:
    """Where the six values lie: the first spoke points up, the next 60° clockwise of it.

    Args:
        values: Six values in [0, 1]; None where a metric is undefined.

    Returns:
        Points (x, y), shape (6, 2), at distance `value` from the centre; NaN for None.

    Examples:
        >>> vertices([1, 1, 1, 1, 1, 1]).round(3)[:2].tolist()
        [[0.0, 1.0], [0.866, 0.5]]
    """
    radius = np.array([np.nan if value is None else value for value in values], dtype=float)
    angle = np.deg2rad(90 - 60 * np.arange(len(SPOKES)))
    points: np.ndarray = radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return points


def closed(values: Sequence[float | None]) -> np.ndarray:
    """The polygon of six values, its first point repeated at the end, shape (7, 2)."""
    points = vertices(values)
    return np.vstack([points, points[:1]])


def draw(
    runs: Mapping[str, Mapping[str, float | None]], *, note: str = "", each: str = "run"
) -> canvas.Drawing:
    """A hexagon of the metrics of each run.

    Args:
        runs: Name of a run to its metrics; those in `SPOKES` are drawn, and one that is
            missing or None leaves its spoke bare.
        note: What else the caption says, such as over what the metrics are means.
        each: What to call what has a polygon.
    """
    with canvas.style():
        figure = canvas.paper(canvas.WIDTH, 4.0 + canvas.key_height(len(runs), columns=1))
        axes = canvas.panel(
            figure,
            left=0.1,
            right=0.1,
            top=0.05,
            bottom=0.05 + canvas.key_height(len(runs), columns=1),
        )
        _frame(axes)
        handles = []
        for i, values in enumerate(runs.values()):
            points = closed([values.get(name) for name in SPOKES])
            look = canvas.line_style(i)
            if len(runs) == 1 and np.isfinite(points).all():
                axes.fill(points[:, 0], points[:, 1], color=look["color"], alpha=0.12, linewidth=0)
            handles += axes.plot(
                points[:, 0], points[:, 1], marker=canvas.MARKERS[i % 5], markersize=4, **look
            )
        _labels(axes, list(runs.values()))
        canvas.key(figure, handles, list(runs), columns=1)
        return canvas.finish(
            figure,
            "hexagon",
            title="Six metrics",
            description=_description(runs),
            caption=_caption(runs, note=note, each=each),
        )


def _frame(axes: Axes) -> None:
    axes.set_axis_off()
    axes.set_aspect("equal")
    axes.set_xlim(-1.55, 1.55)
    axes.set_ylim(-1.32, 1.36)
    for ring in _RINGS:
        points = closed([ring] * 6)
        axes.plot(points[:, 0], points[:, 1], color=canvas.GRID, linewidth=0.7)
    for x, y in vertices([1] * 6):
        axes.plot([0, x], [0, y], color=canvas.GRID, linewidth=0.7)
    frame = closed([1] * 6)
    axes.plot(frame[:, 0], frame[:, 1], color=canvas.SOFT, linewidth=1.1)
    for ring in _RINGS:
        axes.annotate(
            f"{ring:.1f}", (0, ring), (3, 0), textcoords="offset points",
            fontsize=7.5, color=canvas.SOFT, va="center",
        )  # fmt: skip


def _labels(axes: Axes, runs: Sequence[Mapping[str, float | None]]) -> None:
    for name, (x, y) in zip(SPOKES, vertices([1.1] * 6), strict=True):
        text = label(name)
        if len(runs) == 1:
            text += f"\n{number(runs[0].get(name))}"
        across = "center" if abs(x) < 0.1 else "left" if x > 0 else "right"
        upright = "bottom" if y > 1 else "top" if y < -1 else "center"
        axes.text(x, y, text, ha=across, va=upright, linespacing=1.25)


def _description(runs: Mapping[str, Mapping[str, float | None]]) -> str:
    lines = (
        f"{run}: " + ", ".join(f"{label(name)} {number(values.get(name))}" for name in SPOKES)
        for run, values in runs.items()
    )
    return "; ".join(lines) + "."


def _caption(runs: Mapping[str, Mapping[str, float | None]], *, note: str, each: str) -> str:
    caption = "The frame is 1, the centre 0."
    if len(runs) > 1:
        caption += f" One polygon per {each}."
    if note:
        caption += f" {note}"
    bare = sorted({label(n) for values in runs.values() for n in SPOKES if values.get(n) is None})
    if bare:
        caption += f" Undefined here, so its spoke is bare: {', '.join(bare)}."
    return caption
