"""Named differences with their intervals, a row each, about a line at zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from medgraft.report.figures import canvas
from medgraft.report.words import signed

ROW = 0.24  # inches
LETTER = 0.082  # inches that a letter of a label takes, about


@dataclass(frozen=True)
class Rung:
    """One difference.

    Attributes:
        name: Of its row.
        value: The difference.
        low: Lower end of its interval; None where there is none.
        high: Upper end.
        sure: Whether its mark is filled.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    sure: bool


def draw(
    rungs: Sequence[Rung], *, name: str, title: str, across: str, caption: str
) -> canvas.Drawing:
    """A row per difference, the first on top.

    Args:
        rungs: At least one.
        name: File name without suffix.
        title: What it shows.
        across: What the axis counts.
        caption: How to read it.
    """
    labels = [canvas.plain(rung.name, 34) for rung in rungs]
    left = max(1.0, LETTER * max(map(len, labels)))
    with canvas.style():
        figure = canvas.paper(left + 3.4, len(rungs) * ROW + 0.75)
        axes = canvas.panel(figure, left=left, right=0.2, top=0.1, bottom=0.55)
        axes.set_ylim(len(rungs), 0)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.axvline(0, color=canvas.SOFT, linewidth=1.2, zorder=1)
        for place, rung in enumerate(rungs):
            y = place + 0.5
            if rung.low is not None and rung.high is not None:
                axes.plot([rung.low, rung.high], [y, y], color=canvas.SERIES[0], linewidth=1.8)
            inside = canvas.SERIES[0] if rung.sure else canvas.LIGHT["ground"]
            look: dict[str, Any] = {"color": canvas.SERIES[0], "markerfacecolor": inside}
            axes.plot(rung.value, y, marker="o", markersize=5.5, zorder=4, **look)
        axes.set_yticks([place + 0.5 for place in range(len(rungs))], labels)
        axes.tick_params(axis="y", length=0)
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel(across)
        told = "; ".join(f"{rung.name} {signed(rung.value)}{_bounds(rung)}" for rung in rungs)
        return canvas.finish(figure, name, title=title, description=f"{told}.", caption=caption)


def _bounds(rung: Rung) -> str:
    return "" if rung.low is None else f" ({signed(rung.low)} to {signed(rung.high)})"
