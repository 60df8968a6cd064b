"""Scores against a property: a numbered mark per network with its interval, colours by family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medgraft.report.figures import canvas
from medgraft.report.words import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 5.4  # inches
SHORT = 16  # characters of a name of which three stand side by side


@dataclass(frozen=True)
class Point:
    """One network.

    Attributes:
        label: Short, drawn beside the mark.
        told: In full, for who cannot see it.
        series: What gives it its colour and mark.
        x: Property.
        value: Score.
        low: Lower end of its interval; None where there is none.
        high: Upper end.
        filled: Whether the mark is filled.
    """

    label: str
    told: str
    series: str
    x: float
    value: float
    low: float | None = None
    high: float | None = None
    filled: bool = True


def draw(
    points: Sequence[Point],
    *,
    name: str,
    title: str,
    across: str,
    up: str,
    caption: str,
    logarithmic: bool = False,
    joined: bool = False,
    front: Sequence[Point] = (),
) -> canvas.Drawing:
    """All points on one pair of axes.

    Args:
        points: At least one.
        name: File name without suffix.
        title: What it shows.
        across: What x counts.
        up: What the score is called.
        caption: How to read it.
        logarithmic: Whether x is.
        joined: Whether the points of a series are joined, by rising x.
        front: Points that a line of steps goes through, such as those that none beats.
    """
    series = list(dict.fromkeys(point.series for point in points))
    columns = 3 if max(map(len, series)) <= SHORT else 2
    below = 0.58 + canvas.key_height(len(series), columns=columns)
    with canvas.style():
        figure = canvas.paper(WIDTH, 3.3 + below)
        axes = canvas.panel(figure, left=0.72, bottom=below)
        if logarithmic:
            axes.set_xscale("log")
        if front:
            _front(axes, front)
        handles = [
            _series(axes, i, [point for point in points if point.series == one], joined=joined)
            for i, one in enumerate(series)
        ]
        axes.margins(x=0.08)
        if logarithmic:
            _plain_ticks(axes)
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        canvas.key(figure, handles, series, columns=columns)
        return canvas.finish(
            figure, name, title=title, description=_description(points), caption=caption
        )


def _series(axes: Axes, i: int, points: Sequence[Point], *, joined: bool) -> Any:
    look: dict[str, Any] = {"color": canvas.SERIES[i % 7], "marker": canvas.MARKERS[i % 5]}
    ordered = sorted(points, key=lambda point: point.x)
    if joined:
        line = ([point.x for point in ordered], [point.value for point in ordered])
        axes.plot(*line, color=look["color"], linewidth=1.2)
    for point in ordered:
        if point.low is not None and point.high is not None:
            ends = ([point.x, point.x], [point.low, point.high])
            axes.plot(*ends, color=look["color"], linewidth=1, alpha=0.55)
        inside = look["color"] if point.filled else canvas.LIGHT["ground"]
        axes.plot(point.x, point.value, markersize=5.5, markerfacecolor=inside, zorder=4, **look)
        axes.annotate(
            canvas.plain(point.label),
            (point.x, point.value),
            xytext=(5, 3),
            textcoords="offset points",
            fontsize=7.5,
            color=canvas.SOFT,
        )
    (handle,) = axes.plot([], [], linestyle="none", **look)
    return handle


def _front(axes: Axes, front: Sequence[Point]) -> None:
    ordered = sorted(front, key=lambda point: point.x)
    axes.plot(
        [point.x for point in ordered],
        [point.value for point in ordered],
        drawstyle="steps-pre",
        color=canvas.SOFT,
        linewidth=1,
        linestyle=":",
        zorder=1,
    )


def _plain_ticks(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _description(points: Sequence[Point]) -> str:
    return "; ".join(f"{p.told}: {number(p.value)} at {p.x:,.4g}" for p in points) + "."
