"""One measure of every segmented image: a row of dots per class, with the mean and its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medgraft.report.figures import canvas
from medgraft.report.words import count, label, number, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW = 0.62  # inches
GOLDEN = 0.6180339887  # multiples of it fill a row evenly, and the same way every time
THICK = 0.3  # half the height of the band of dots, in rows


@dataclass(frozen=True)
class Spread:
    """The values of one class.

    Attributes:
        values: One per image, null where undefined.
        value: The mean over patients, as in evaluation.json; None where undefined.
        low: Lower end of its interval; None without one.
        high: Upper end.
    """

    values: Sequence[float | None]
    value: float | None
    low: float | None
    high: float | None


def draw(classes: Mapping[str, Spread], *, measure: str, unit: str = "") -> canvas.Drawing:
    """A row per class: a dot per image, and the mean with its interval below them.

    Args:
        classes: Name of the class to its values.
        measure: Name of the measure, such as "dice".
        unit: Of the values, such as "mm"; "" for a share, whose axis runs from 0 to 1.
    """
    with canvas.style():
        figure = canvas.paper(canvas.WIDTH, len(classes) * ROW + 0.75)
        axes = canvas.panel(figure, left=1.15, right=0.2, top=0.1, bottom=0.6)
        axes.set_ylim(len(classes) - 0.5, -0.5)
        for row, spread in enumerate(classes.values()):
            _dots(axes, row, spread)
            _mean(axes, row, spread)
        if not unit:
            axes.set_xlim(-0.02, 1.02)
        elif not any(value and value < 0 for one in classes.values() for value in one.values):
            axes.set_xlim(left=0)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.set_yticks(range(len(classes)), [canvas.plain(name, 15) for name in classes])
        axes.set_xlabel(f"{label(measure)}, {unit}" if unit else label(measure))
        return canvas.finish(
            figure,
            f"spread-{measure}",
            title=f"{label(measure)} of each image",
            description=_description(classes, unit),
            caption=_caption(classes),
        )


def _dots(axes: Axes, row: int, spread: Spread) -> None:
    """Dots of close values are set apart by their rank, not by chance."""
    found = sorted(value for value in spread.values if value is not None)
    heights = [row - 0.12 + THICK * (2 * (i * GOLDEN % 1) - 1) * 0.7 for i in range(len(found))]
    axes.plot(
        found,
        heights,
        linestyle="none",
        marker="o",
        markersize=3.6,
        markeredgewidth=0,
        color=canvas.SERIES[0],
        alpha=0.45,
        clip_on=False,
    )


def _mean(axes: Axes, row: int, spread: Spread) -> None:
    if spread.value is None:
        return
    y = row + 0.3
    if spread.low is not None and spread.high is not None:
        axes.plot([spread.low, spread.high], [y, y], color=canvas.INK, linewidth=2.2)
    axes.plot(
        spread.value, y, marker="D", markersize=5.5, color=canvas.INK, linestyle="none", zorder=4
    )


def _description(classes: Mapping[str, Spread], unit: str) -> str:
    return (
        "; ".join(f"{shorten(name)}: {_spoken(one, unit)}" for name, one in classes.items()) + "."
    )


def _spoken(spread: Spread, unit: str) -> str:
    found = [value for value in spread.values if value is not None]
    if not found or spread.value is None:
        return "undefined"
    after = f" {unit}" if unit else ""
    bounds = "" if spread.low is None else f" ({number(spread.low)} to {number(spread.high)})"
    return (
        f"mean {number(spread.value)}{after}{bounds}, from {number(min(found))} to"
        f" {number(max(found))} over {count(len(found), 'image')}"
    )


def _caption(classes: Mapping[str, Spread]) -> str:
    missing = {name: sum(value is None for value in one.values) for name, one in classes.items()}
    text = "A dot is an image; the diamond is the mean over patients with its interval."
    left_out = [f"{shorten(name)}: {n}" for name, n in missing.items() if n]
    return text + (f" Undefined and not drawn: {', '.join(left_out)}." if left_out else "")
