"""Loss against learning rate, as a range test found them, with what each rule suggests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medgraft.report.figures import canvas

ROOM = 0.12  # of the height of the smoothed curve, above and below it


@dataclass(frozen=True)
class Rates:
    """Numbers of the figure.

    Attributes:
        rates: Rates tried, shape (N,), above 0.
        losses: Loss of the batch at each, shape (N,).
        smoothed: Their moving average, shape (N,).
        marks: Name of a rule to the rate it suggests and the smoothed loss there.
        chosen: The rule whose line is drawn.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    marks: Mapping[str, tuple[float, float]]
    chosen: str


def draw(found: Rates) -> canvas.Drawing:
    """One panel; batches far above the smoothed curve are cut off by its frame."""
    from matplotlib.ticker import FormatStrFormatter, LogLocator

    below = canvas.key_height(len(found.marks))
    with canvas.style():
        figure = canvas.paper(canvas.WIDTH, 3.4 + below)
        axes = canvas.panel(figure, left=0.72, bottom=0.55 + below)
        axes.plot(found.rates, found.losses, ".", color=canvas.GRID, markersize=4)
        axes.plot(found.rates, found.smoothed, color=canvas.INK)
        axes.axvline(
            found.marks[found.chosen][0], color=canvas.SOFT, linewidth=1, linestyle=(0, (1, 2))
        )
        handles = [
            axes.plot(
                *point,
                canvas.MARKERS[i % len(canvas.MARKERS)],
                color=canvas.SERIES[i % len(canvas.SERIES)],
                markersize=8,
                zorder=4,
            )[0]
            for i, point in enumerate(found.marks.values())
        ]
        low, high = float(found.smoothed.min()), float(found.smoothed.max())
        room = ROOM * (high - low) or 1.0
        axes.set_ylim(low - room, high + room)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(numticks=6))
        axes.xaxis.set_major_formatter(FormatStrFormatter("%.0e"))  # matplotlib's own is in TeX
        axes.set_xlabel("Learning rate")
        axes.set_ylabel("Training loss")
        names = [f"{name} {rate:.2g}" for name, (rate, _) in found.marks.items()]
        canvas.key(figure, handles, names)
        return canvas.finish(
            figure,
            "rates",
            title="Learning-rate range test",
            description=_description(found),
            caption="The line is the loss smoothed over the steps, the dots are single batches."
            f" The dotted line is the suggestion of {found.chosen}.",
        )


def _description(found: Rates) -> str:
    lowest = int(np.argmin(found.smoothed))
    rules = ", ".join(f"{name} {rate:.3g}" for name, (rate, _) in found.marks.items())
    return (
        f"Over {len(found.rates)} rates from {found.rates[0]:.3g} to {found.rates[-1]:.3g} the"
        f" smoothed loss goes from {found.smoothed[0]:.3g} to its lowest,"
        f" {found.smoothed[lowest]:.3g} at {found.rates[lowest]:.3g}, and ends at"
        f" {found.smoothed[-1]:.3g}. Suggested: {rules}."
    )
