"""How a score rises with the number of labels: a line per way of getting there, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medgraft.report.figures import canvas
from medgraft.report.words import count, label, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

APART = 0.012  # of the width of the axis: neighbours' intervals stand beside each other


@dataclass(frozen=True)
class LabelCurve:
    """Scores of one way.

    Attributes:
        labels: Rising numbers above 0.
        value: Score of each; None where nothing was measured.
        low: Lower ends of their intervals; None where there is none.
        high: Upper ends.
    """

    labels: Sequence[int]
    value: Sequence[float | None]
    low: Sequence[float | None]
    high: Sequence[float | None]


def draw(
    curves: Mapping[str, LabelCurve],
    *,
    score: str,
    labels: str = "Labels",
    best: tuple[str, float] | None = None,
    note: str = "",
) -> canvas.Drawing:
    """All curves on one logarithmic axis of labels; the first is the one to beat, and dashed.

    Args:
        curves: Name to curve, at least one.
        score: Name of the metric, such as "auroc".
        labels: What the numbers count.
        best: Name and height of a line across, such as the score of all labels.
        note: What else the caption says.
    """
    below = 0.58 + canvas.key_height(len(curves) + (best is not None), columns=1)
    with canvas.style():
        figure = canvas.paper(canvas.WIDTH, 2.9 + below)
        axes = canvas.panel(figure, bottom=below)
        axes.set_xscale("log")
        ticks = sorted({n for curve in curves.values() for n in curve.labels})
        reach = math.log(ticks[-1] / ticks[0]) or 1.0
        handles = []
        for i, curve in enumerate(curves.values()):
            shift = math.exp(reach * APART * (i - (len(curves) - 1) / 2))
            handles.append(_line(axes, curve, i, shift))
        if best is not None:
            handles.append(axes.axhline(best[1], color=canvas.SOFT, linewidth=1.2, linestyle=":"))
        axes.set_xticks(ticks, [f"{n:,}" for n in ticks])
        axes.xaxis.set_minor_locator(_nowhere())
        axes.set_xlabel(labels)
        axes.set_ylabel(label(score))
        canvas.key(figure, handles, [*curves, *([best[0]] if best else [])], columns=1)
        return canvas.finish(
            figure,
            "label-curves",
            title=f"{label(score)} against labels",
            description=_description(curves, best),
            caption=_caption(curves, note),
        )


def _nowhere() -> Any:
    from matplotlib.ticker import NullLocator

    return NullLocator()


def _line(axes: Axes, curve: LabelCurve, i: int, shift: float) -> Any:
    look: dict[str, Any] = {"color": canvas.SERIES[i % 7], "marker": canvas.MARKERS[i % 5]}
    known = [
        (n * shift, value, low, high)
        for n, value, low, high in zip(
            curve.labels, curve.value, curve.low, curve.high, strict=True
        )
        if value is not None
    ]
    for x, _, low, high in known:
        if low is not None and high is not None:
            axes.plot([x, x], [low, high], color=look["color"], linewidth=1.3, alpha=0.75)
    (handle,) = axes.plot(
        [x for x, *_ in known],
        [value for _, value, *_ in known],
        markersize=5,
        linestyle=(0, (4, 2)) if i == 0 else "-",
        **look,
    )
    return handle


def _description(curves: Mapping[str, LabelCurve], best: tuple[str, float] | None) -> str:
    told = [
        f"{name}: "
        + ", ".join(
            f"{number(value)} with {count(n, 'label')}"
            for n, value in zip(curve.labels, curve.value, strict=True)
        )
        for name, curve in curves.items()
    ]
    return "; ".join([*told, *([f"{best[0]}: {number(best[1])}"] if best else [])]) + "."


def _caption(curves: Mapping[str, LabelCurve], note: str) -> str:
    said = f"Dashed: {next(iter(curves))}, which the others are compared with. Bars are intervals."
    return f"{said} {note}".strip()
