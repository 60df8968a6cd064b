"""Learning curves: a score against the labels that were bought, one line for each way to choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medgraft.report.figures import canvas
from medgraft.report.words import count, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Values = Sequence[float | None]


@dataclass(frozen=True)
class Line:
    """One learning curve.

    Attributes:
        labels: Bought at each point.
        value: Score, None where undefined.
        low: Lower ends of its intervals.
        high: Upper ends.
        banded: Whether its interval is drawn; bands of many lines hide each other.
        chance: Whether it bought at random: the line that the others are seen against.
    """

    labels: Sequence[int]
    value: Values
    low: Values
    high: Values
    banded: bool = False
    chance: bool = False


def draw(
    lines: Mapping[str, Line], *, name: str, metric: str, full: float | None, title: str
) -> canvas.Drawing:
    """All lines in one panel, and the score of all labels as a dashed one.

    Args:
        lines: Name of the arm to its curve.
        name: Of the file.
        metric: What the score is, as people write it.
        full: The score that all labels give; None where that is not known.
        title: What it shows.
    """
    from matplotlib.ticker import MaxNLocator

    below = canvas.key_height(len(lines) + (full is not None))
    with canvas.style():
        figure = canvas.paper(canvas.WIDTH, 3.6 + below)
        axes = canvas.panel(figure, left=0.72, bottom=0.55 + below)
        handles = [_line(axes, line, i) for i, line in enumerate(lines.values())]
        keys = list(lines)
        if full is not None:
            handles.append(
                axes.axhline(full, color=canvas.INK, linewidth=1.2, linestyle=(0, (6, 3)))
            )
            keys.append("all labels")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
        axes.set_xlabel("Labels bought")
        axes.set_ylabel(f"{metric}, test")
        canvas.key(figure, handles, keys)
        return canvas.finish(
            figure,
            name,
            title=title,
            description=_description(lines, full),
            caption=_caption(lines, full),
        )


def _line(axes: Axes, line: Line, i: int) -> Any:
    look: dict[str, Any] = canvas.line_style(i)
    if line.chance:
        look = {"color": canvas.INK, "linestyle": (0, (1.2, 1.2)), "linewidth": 2.2}
    value, low, high = (_gaps(values) for values in (line.value, line.low, line.high))
    if line.banded:
        axes.fill_between(line.labels, low, high, color=look["color"], alpha=0.16, linewidth=0)
    marker = canvas.MARKERS[i % len(canvas.MARKERS)] if len(value) <= 30 else ""
    (handle,) = axes.plot(line.labels, value, marker=marker, markersize=3.5, **look)
    return handle


def _gaps(values: Values) -> list[float]:
    return [float("nan") if value is None else value for value in values]


def _description(lines: Mapping[str, Line], full: float | None) -> str:
    said = [
        f"{name}: {number(line.value[0])} with {count(line.labels[0], 'label')},"
        f" {number(line.value[-1])} with {count(line.labels[-1])}"
        for name, line in lines.items()
    ]
    return "; ".join(said) + ("." if full is None else f"; all labels: {number(full)}.")


def _caption(lines: Mapping[str, Line], full: float | None) -> str:
    banded = [name for name, line in lines.items() if line.banded]
    text = "Each line is a mean over seeds."
    if banded:
        text += (
            f" Bands hold 95 % of the replicates over patients and seeds ({' and '.join(banded)})."
        )
    text += " The dotted line buys at random." if any(one.chance for one in lines.values()) else ""
    return text + ("" if full is None else " The dashed line is what all labels give.")
