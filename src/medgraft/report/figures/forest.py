"""Differences between runs with their intervals, a row each, about a line at zero."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from medgraft.report.figures import canvas
from medgraft.report.figures.hexagon import SPOKES
from medgraft.report.words import in_order, label, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROWS = tuple(in_order(SPOKES))
ROW, GAP = 0.21, 0.13  # inches
LETTER = 0.085  # inches that a letter of a label takes, about
NARROW = 0.01  # half the width of the axis, at least

Differences = Mapping[str, Mapping[str, Any]]


def draw(
    runs: Mapping[str, Differences],
    *,
    reference: str,
    note: str = "",
    rows: Sequence[str] = ROWS,
) -> canvas.Drawing:
    """A row per metric and run: the difference from the reference, and its interval.

    Args:
        runs: Name of a run to its differences: metric to `value, low, high, excludes_zero`,
            as in comparison.json.
        reference: Name of the run that was taken off.
        note: What else the caption says, such as over what the metrics are means.
        rows: The metrics that are drawn, all in one unit.
    """
    runs = {
        run: {name: found[name] for name in rows if name in found} for run, found in runs.items()
    }
    with canvas.style():
        below = 0.62 + canvas.key_height(len(runs), columns=1)
        inside = len(rows) * (len(runs) * ROW + GAP)
        figure = canvas.paper(canvas.WIDTH, inside + below + 0.1)
        left = max(1.0, LETTER * max(len(label(name)) for name in rows))
        axes = canvas.panel(figure, left=left, right=0.2, top=0.1, bottom=below)
        reach = _reach(runs.values())
        axes.set_xlim(-reach, reach)
        axes.set_ylim(inside, 0)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.axvline(0, color=canvas.SOFT, linewidth=1.2, zorder=1)
        axes.set_xlabel("difference")
        axes.locator_params(axis="x", nbins=5)
        handles = [_run(axes, i, found, rows, len(runs)) for i, found in enumerate(runs.values())]
        axes.set_yticks([_top(k, len(runs)) + len(runs) * ROW / 2 for k in range(len(rows))])
        axes.set_yticklabels([label(name) for name in rows])
        axes.tick_params(axis="y", length=0)
        canvas.key(figure, handles, list(runs), columns=1)
        return canvas.finish(
            figure,
            "forest",
            title=f"Differences from {reference}",
            description=_description(runs),
            caption=_caption(runs, reference, note, rows),
        )


def _top(metric: int, runs: int) -> float:
    return metric * (runs * ROW + GAP) + GAP / 2


def _reach(runs: Iterable[Differences]) -> float:
    """The largest distance from zero that is drawn, with some room."""
    ends = [
        abs(entry[end])
        for found in runs
        for entry in found.values()
        for end in ("value", "low", "high")
        if entry[end] is not None
    ]
    return max(NARROW, 1.08 * float(max(ends, default=0)))


def _run(axes: Axes, i: int, found: Differences, rows: Sequence[str], runs: int) -> Any:
    """Draw the rows of one run and return what stands for it in the key."""
    look: dict[str, Any] = {
        "color": canvas.SERIES[(i + 1) % 7],  # as in the hexagon, where the reference is the first
        "marker": canvas.MARKERS[(i + 1) % 5],
        "markersize": 5.5,
    }
    for metric, name in enumerate(rows):
        entry = found.get(name)
        if entry is None or entry["value"] is None:
            continue
        y = _top(metric, runs) + (i + 0.5) * ROW
        if entry["low"] is not None:
            axes.plot([entry["low"], entry["high"]], [y, y], color=look["color"], linewidth=1.8)
        inside = look["color"] if entry["excludes_zero"] else canvas.LIGHT["ground"]
        axes.plot(entry["value"], y, markerfacecolor=inside, zorder=4, **look)
    (handle,) = axes.plot([], [], **look)
    return handle


def _description(runs: Mapping[str, Differences]) -> str:
    return "; ".join(f"{run}: {_spoken(found)}" for run, found in runs.items()) + "."


def _spoken(found: Differences) -> str:
    return ", ".join(
        f"{label(name)} {signed(entry['value'])}{_bounds(entry)}" for name, entry in found.items()
    )


def _bounds(entry: Mapping[str, Any]) -> str:
    if entry["low"] is None:
        return ""
    return f" ({signed(entry['low'])} to {signed(entry['high'])})"


def _caption(
    runs: Mapping[str, Differences], reference: str, note: str, rows: Sequence[str]
) -> str:
    whose = next(iter(runs)) if len(runs) == 1 else "each run"
    caption = (
        f"Right of the line {whose} has the higher value, left of it {reference}. A filled mark:"
        " the whole interval lies on one side of zero."
    )
    bare = sorted(
        {
            label(name)
            for found in runs.values()
            for name in rows
            if found.get(name, {}).get("value") is None
        }
    )
    return " ".join(
        [caption, *([note] if note else []), *([f"Undefined: {', '.join(bare)}."] if bare else [])]
    )
