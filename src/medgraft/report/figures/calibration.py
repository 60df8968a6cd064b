"""Whether a probability of 70 % comes true in 70 % of the cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from medgraft.report.figures import canvas
from medgraft.report.figures.curve import BANDS, Reliability

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BARS = 1.0  # inches for the counts


def draw(classes: Sequence[Reliability]) -> canvas.Drawing:
    """Frequency over probability, and below it how many images each bin holds."""
    below = canvas.key_height(len(classes))
    with canvas.style():
        figure = canvas.paper(canvas.WIDTH, 4.95 + below)
        axes = canvas.panel(figure, bottom=0.75 + BARS + below)
        bars = canvas.panel(figure, bottom=0.55 + below, top=4.4 - BARS)
        axes.plot([0, 1], [0, 1], color=canvas.SOFT, linewidth=1, linestyle=(0, (1, 2)))
        handles = []
        for i, one in enumerate(classes):
            look = canvas.line_style(i)
            if len(classes) <= BANDS and one.low is not None and one.high is not None:
                axes.vlines(one.predicted, one.low, one.high, color=look["color"], alpha=0.55)
            handles += axes.plot(
                one.predicted, one.observed, marker=canvas.MARKERS[i % 5], markersize=4.5, **look
            )
        _counts(bars, classes)
        for part in (axes, bars):
            part.set_xlim(-0.01, 1.01)
            part.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
        axes.set_ylim(-0.01, 1.01)
        axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
        axes.tick_params(labelbottom=False)
        axes.set_ylabel("Share that is positive")
        bars.set_xlabel("Predicted probability")
        bars.set_ylabel("Images")
        if len(classes) == 1 and classes[0].score:
            canvas.corner_note(axes, f"Calibration error {classes[0].score}")
        canvas.key(figure, handles, [f"{canvas.plain(c.name, 20)}  {c.score}" for c in classes])
        return canvas.finish(
            figure,
            "calibration",
            title="Calibration",
            description="; ".join(_line(c) for c in classes) + ".",
            caption="Below the dotted line the probabilities are too high, above it too low. The"
            " bars show how many images a point stands for: where they are few, a point says little.",
        )


def _counts(axes: Axes, classes: Sequence[Reliability]) -> None:
    """Bars side by side within each bin, one per class."""
    for i, one in enumerate(classes):
        thickness = one.width / len(classes)
        axes.bar(
            one.left + i * thickness,
            one.counts,
            thickness,
            align="edge",
            color=canvas.line_style(i)["color"],
            edgecolor=canvas.LIGHT["ground"],
            linewidth=0.6 if len(classes) < 4 else 0,
        )


def _line(one: Reliability) -> str:
    bins = (
        f"{p:.2f} came true in {o:.2f} of {n:,.0f}"
        for p, o, n in zip(one.predicted, one.observed, one.counts, strict=True)
        if n
    )
    error = f" calibration error {one.score};" if one.score else ""
    return f"{one.name}:{error} probability " + ", ".join(bins)
