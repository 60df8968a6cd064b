"""Cross-validated loss against the strength of the penalty of a head that was fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medgraft.report.figures import canvas


@dataclass(frozen=True)
class Path:
    """What was tried for one model.

    Attributes:
        c: Inverse strengths of the penalty, ascending, above 0.
        loss: Mean loss over the folds, for each.
        spread: Standard deviation of the loss over the folds, for each.
        chosen: The one that was taken, or None where that is not known.
    """

    c: Sequence[float]
    loss: Sequence[float]
    spread: Sequence[float]
    chosen: float | None = None


def draw(paths: Mapping[str, Path]) -> canvas.Drawing:
    """A line for every model, with a dot where it was taken; a band around a single one."""
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    below = canvas.key_height(len(paths))
    with canvas.style():
        figure = canvas.paper(canvas.WIDTH, 2.6 + below)
        axes = canvas.panel(figure, left=0.72, bottom=0.55 + below)
        handles = []
        for i, path in enumerate(paths.values()):
            look = canvas.line_style(i)
            handles += axes.plot(path.c, path.loss, **look)
            if len(paths) == 1:
                low = [m - s for m, s in zip(path.loss, path.spread, strict=True)]
                high = [m + s for m, s in zip(path.loss, path.spread, strict=True)]
                axes.fill_between(path.c, low, high, color=look["color"], alpha=0.18, linewidth=0)
            if path.chosen is not None and path.chosen in path.c:
                height = path.loss[list(path.c).index(path.chosen)]
                axes.plot(path.chosen, height, "o", color=look["color"], markersize=6, zorder=4)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(numticks=8))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))  # matplotlib's own is in TeX
        axes.set_xlabel("C (inverse strength of the penalty)")
        axes.set_ylabel("Loss, left-out folds")
        canvas.key(figure, handles, list(paths))
        return canvas.finish(
            figure,
            "penalty",
            title="Choice of the penalty",
            description=" ".join(_said(name, path) for name, path in paths.items()),
            caption="Mean loss on training images that were left out, patients kept whole; the dot"
            " is the C that was taken."
            + (" The band is a standard deviation over the folds." if len(paths) == 1 else ""),
        )


def _said(name: str, path: Path) -> str:
    tried = f"{name}: of {len(path.c)} strengths from {path.c[0]:g} to {path.c[-1]:g}"
    return f"{tried} the lowest loss is {min(path.loss):.3g}."
