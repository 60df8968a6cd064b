"""What the images were, and what they were taken for."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from medgraft.report.figures import canvas
from medgraft.report.words import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CHARACTER = 0.085  # inches, of a label
_LEVEL: dict[str, Any] = {"fontsize": 8.5}
_SLANTED = {**_LEVEL, "rotation": 35, "ha": "right", "rotation_mode": "anchor"}
Cells = Sequence[Sequence[float]]
Writer = Callable[["Axes", float, float, float, float], None]
STRENGTH = 0.5  # opacity of a full cell; ink stays readable on it, on both grounds
CROWDED = 6  # more classes than this leave no room for shares in the cells
FITTING = 8  # more classes than this make the figure wider than the others


def draw(names: Sequence[str], counts: Cells, shares: Cells) -> canvas.Drawing:
    """A table of counts, its cells shaded by their share of the row.

    Args:
        names: The classes.
        counts: Images, rows actual and columns predicted, in the order of `names`.
        shares: Each count over the sum of its row, in [0, 1].
    """
    k = len(names)
    crowded = k > CROWDED
    left = 1.25
    cell = 0.46 if k > FITTING else (canvas.WIDTH - left - 0.1) / k if k > 2 else 1.5
    slanted = max(len(canvas.plain(name, 14)) for name in names) * CHARACTER > cell
    bottom = 1.1 if slanted else 0.62
    with canvas.style():
        figure = canvas.paper(left + cell * k + 0.1, bottom + cell * k + 0.1)
        axes = canvas.panel(figure, left=left, right=0.1, top=0.1, bottom=bottom)
        _cells(axes, counts, shares, _count_only if crowded else _two_lines)
        shown = [canvas.plain(name, 14) for name in names]
        axes.set_xticks([j + 0.5 for j in range(k)], shown, **(_SLANTED if slanted else _LEVEL))
        axes.set_yticks([i + 0.5 for i in range(k)], shown, fontsize=8.5)
        axes.set_xlabel("Predicted")
        axes.set_ylabel("Actual")
        return canvas.finish(
            figure,
            "confusion",
            title="Confusion matrix",
            description=_description(names, counts),
            caption="Images by what they are (rows) and what they were taken for (columns);"
            + (" counts, shaded by" if crowded else " counts, and")
            + " their share of the row.",
        )


def draw_independent(counts: Mapping[str, Cells], shares: Mapping[str, Cells]) -> canvas.Drawing:
    """One row per label: found and missed of the present, false alarms and cleared of the absent.

    Args:
        counts: Label to its 2×2 table, rows actual and columns predicted, absent before present.
        shares: The same, each count over the sum of its row.
    """
    columns = ("Found", "Missed", "False\nalarm", "Cleared")
    order = ((1, 1), (1, 0), (0, 1), (0, 0))
    height = 0.36
    with canvas.style():
        figure = canvas.paper(canvas.WIDTH, 0.75 + height * len(counts) + 0.1)
        axes = canvas.panel(figure, left=1.35, right=0.1, top=0.65, bottom=0.1)
        rows = [[counts[name][i][j] for i, j in order] for name in counts]
        parts = [[shares[name][i][j] for i, j in order] for name in counts]
        _cells(axes, rows, parts, _one_line)
        axes.xaxis.tick_top()
        axes.set_xticks([j + 0.5 for j in range(4)], columns)
        axes.set_yticks(
            [i + 0.5 for i in range(len(counts))],
            [canvas.plain(n, 16) for n in counts],
            fontsize=8.5,
        )
        axes.axvline(2, color=canvas.INK, linewidth=1)
        return canvas.finish(
            figure,
            "confusion",
            title="Right and wrong answers per label",
            description="; ".join(
                f"{name}: {row[0]:,.0f} found, {row[1]:,.0f} missed,"
                f" {row[2]:,.0f} false alarms, {row[3]:,.0f} cleared"
                for name, row in zip(counts, rows, strict=True)
            )
            + ".",
            caption="Per label, at its threshold: images that have it (found or missed) and images"
            " that do not (false alarm or cleared), with their share of those.",
        )


def _cells(axes: Axes, counts: Cells, shares: Cells, write: Writer) -> None:
    """Shade a grid of cells by their shares, and let `write` put the text into each."""
    from matplotlib.patches import Rectangle

    rows, columns = len(counts), len(counts[0])
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for i, j in itertools.product(range(rows), range(columns)):
        opacity = STRENGTH * shares[i][j]
        axes.add_patch(Rectangle((j, i), 1, 1, facecolor=canvas.SERIES[0], alpha=opacity))
        axes.add_patch(Rectangle((j, i), 1, 1, fill=False, edgecolor=canvas.GRID, linewidth=0.8))
        write(axes, j + 0.5, i + 0.5, counts[i][j], shares[i][j])


def _two_lines(axes: Axes, x: float, y: float, n: float, share: float) -> None:
    axes.text(x, y - 0.06, f"{n:,.0f}", fontsize=11, fontweight="bold", ha="center", va="center")
    axes.text(x, y + 0.2, percent(share, digits=1), fontsize=8, ha="center", va="center")


def _one_line(axes: Axes, x: float, y: float, n: float, share: float) -> None:
    axes.text(x, y, f"{n:,.0f}  ({percent(share)})", fontsize=7.8, ha="center", va="center")


def _count_only(axes: Axes, x: float, y: float, n: float, share: float) -> None:  # noqa: ARG001
    axes.text(x, y, f"{n:,.0f}", fontsize=8, ha="center", va="center")


def _description(names: Sequence[str], counts: Cells) -> str:
    rows = (
        f"of the images that are {name}, "
        + ", ".join(
            f"{n:,.0f} were taken for {other}" for other, n in zip(names, row, strict=True) if n
        )
        for name, row in zip(names, counts, strict=True)
        if any(row)
    )
    return "; ".join(rows) + "."
