"""How a score rises with the number of labels: a line per way of getting there, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medgraft.report.figures import canvas
from medgraft.report.words import count, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

APART = 0.012  # of the width of the axis: neighbours' intervals stand beside each other
MARKED = 30  # points of a curve that are marked
FEW = 6  # points that are told one by one


@dataclass(frozen=True)
class LabelCurve:
    """Scores of one way.

    Attributes:
        labels: Rising numbers above 0.
        value: Score of each; None where nothing was measured.
        low: Lower ends of their intervals; None where there is none.
        high: Upper ends.
        interval: Whether the intervals are drawn.
        against: Whether it is the one that the others are compared with.
    """

    labels: Sequence[int]
    value: Sequence[float | None]
    low: Sequence[float | None]
    high: Sequence[float | None]
    interval: bool = True
    against: bool = False

    @classmethod
    def of(
        cls, points: Sequence[Mapping[str, Any]], *, interval: bool = True, against: bool = False
    ) -> LabelCurve:
        """The curve of points as reports write them: `labels`, `value`, `low` and `high`."""
        columns = ([one[key] for one in points] for key in ("labels", "value", "low", "high"))
        labels, value, low, high = columns
        return cls(labels, value, low, high, interval=interval, against=against)


def draw(
    curves: Mapping[str, LabelCurve],
    *,
    score: str,
    title: str,
    name: str = "label-curves",
    labels: str = "Labels",
    best: tuple[str, float] | None = None,
    steps: bool = False,
    note: str = "",
) -> canvas.Drawing:
    """All curves in one panel; the one to beat is dotted.

    Args:
        curves: Name to curve, at least one.
        score: The metric, as people write it.
        title: What it shows.
        name: Of the file.
        labels: What the numbers count.
        best: Name and height of a dashed line across, such as the score of all labels.
        steps: Few numbers, each some times the one before: they stand on a logarithmic axis, and
            intervals are bars. Otherwise the axis is linear, and intervals are bands.
        note: What else the caption says.
    """
    columns = 1 if steps else 2
    below = 0.55 + canvas.key_height(len(curves) + (best is not None), columns=columns)
    with canvas.style():
        figure = canvas.paper(canvas.WIDTH, 3.05 + below)
        axes = canvas.panel(figure, left=0.72, bottom=below)
        if steps:
            _ticks(axes, sorted({n for curve in curves.values() for n in curve.labels}))
        shift = _shifts(curves) if steps else [1.0] * len(curves)
        handles = [
            _line(axes, curve, i, shift[i], bars=steps) for i, curve in enumerate(curves.values())
        ]
        if best is not None:
            look: dict[str, Any] = {"color": canvas.INK, "linewidth": 1.2, "linestyle": (0, (6, 3))}
            handles.append(axes.axhline(best[1], **look))
        axes.set_xlabel(labels)
        axes.set_ylabel(score)
        keys = [*curves, *([best[0]] if best else [])]
        canvas.key(figure, handles, keys, columns=columns)
        return canvas.finish(
            figure,
            name,
            title=title,
            description=_description(curves, best),
            caption=_caption(curves, best, note, bars=steps),
        )


def _ticks(axes: Axes, ticks: Sequence[int]) -> None:
    from matplotlib.ticker import NullLocator

    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{n:,}" for n in ticks])
    axes.xaxis.set_minor_locator(NullLocator())


def _shifts(curves: Mapping[str, LabelCurve]) -> list[float]:
    """Factors that put the bars of several curves beside each other."""
    every = [n for curve in curves.values() for n in curve.labels]
    reach = math.log(max(every) / min(every)) or 1.0
    middle = (len(curves) - 1) / 2
    return [math.exp(reach * APART * (i - middle)) for i in range(len(curves))]


def _line(axes: Axes, curve: LabelCurve, i: int, shift: float, *, bars: bool) -> Any:
    look: dict[str, Any] = canvas.line_style(i)
    if curve.against:
        look = {"color": canvas.INK, "linestyle": (0, (1.2, 1.2)), "linewidth": 2.2}
    places = [n * shift for n in curve.labels]
    value, low, high = (_gaps(values) for values in (curve.value, curve.low, curve.high))
    if curve.interval and bars:
        axes.vlines(places, low, high, color=look["color"], linewidth=1.3, alpha=0.75)
    elif curve.interval:
        axes.fill_between(places, low, high, color=look["color"], alpha=0.16, linewidth=0)
    marker = canvas.MARKERS[i % len(canvas.MARKERS)] if len(value) <= MARKED else ""
    (handle,) = axes.plot(places, value, marker=marker, markersize=5 if bars else 3.5, **look)
    return handle


def _gaps(values: Sequence[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]


def _description(curves: Mapping[str, LabelCurve], best: tuple[str, float] | None) -> str:
    told = [f"{name}: {_told(curve)}" for name, curve in curves.items()]
    return "; ".join([*told, *([f"{best[0]}: {number(best[1])}"] if best else [])]) + "."


def _told(curve: LabelCurve) -> str:
    """All points of a few, the ends of many."""
    points = list(zip(curve.labels, curve.value, strict=True))
    chosen = points if len(points) <= FEW else [points[0], points[-1]]
    return ", ".join(f"{number(value)} with {count(n, 'label')}" for n, value in chosen)


def _caption(
    curves: Mapping[str, LabelCurve],
    best: tuple[str, float] | None,
    note: str,
    *,
    bars: bool,
) -> str:
    shown = [name for name, curve in curves.items() if curve.interval]
    whose = "" if len(shown) == len(curves) else f" ({' and '.join(shown)})"
    against = next((name for name, curve in curves.items() if curve.against), None)
    said = [
        f"Dotted: {against}, which the others are compared with." if against else "",
        f"{'Bars' if bars else 'Bands'} are intervals{whose}." if shown else "",
        f"Dashed: {best[0]}." if best else "",
        note,
    ]
    return " ".join(text for text in said if text)
