"""What the features after each stage of a network are worth, a row per stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medgraft.report.figures import canvas
from medgraft.report.words import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW = 0.27  # inches
WIDTH = 7.6
ROOM = 0.12  # of the range of a panel, on either side


@dataclass(frozen=True)
class StageRow:
    """Numbers of one stage; None where a number is not known.

    Attributes:
        name: Of the stage.
        auroc: Of a linear classifier: value, low end and high end.
        logme: Log evidence per image.
        h_score: Distance of the classes.
        distance: From the source, in its variances.
    """

    name: str
    auroc: tuple[float | None, float | None, float | None]
    logme: float
    h_score: float
    distance: float | None


def draw(rows: Sequence[StageRow], *, cut: str | None) -> canvas.Drawing:
    """Four panels side by side; the stage to cut after has filled marks.

    Args:
        rows: In the order in which images pass through the stages.
        cut: The advised last stage; None if the network stays whole.
    """
    panels: Mapping[str, Sequence[float | None]] = {
        "AUROC, 95 % interval": [row.auroc[0] for row in rows],
        "LogME": [row.logme for row in rows],
        "H-score": [row.h_score for row in rows],
        "distance from source": [row.distance for row in rows],
    }
    with canvas.style():
        figure = canvas.paper(WIDTH, len(rows) * ROW + 0.75)
        left, widths = 0.95, (2.0, 1.3, 1.3, 1.3)
        for place, (title, values) in enumerate(panels.items()):
            start = left + sum(widths[:place]) + 0.13 * place
            right = WIDTH - start - widths[place]
            axes = canvas.panel(figure, left=start, right=right, top=0.1, bottom=0.6)
            if place == 0:
                _intervals(axes, rows)
            _marks(axes, values, [row.name == cut for row in rows], canvas.SERIES[place])
            _axis(axes, title, [canvas.plain(row.name, 12) for row in rows], named=place == 0)
        return canvas.finish(
            figure,
            "stages",
            title="What each stage is worth",
            description=_description(rows),
            caption="Images pass through the stages from top to bottom. AUROC is of a linear"
            " classifier on the features after a stage, judged on patients it never saw; LogME and"
            " H-score are higher where the classes are easier to tell apart; a distance of 0 means"
            " that the images look to the network as those that it was trained on."
            + ("" if cut is None else f" Filled: {cut}, the stage to cut after."),
        )


def _intervals(axes: Axes, rows: Sequence[StageRow]) -> None:
    for y, (_, low, high) in enumerate(row.auroc for row in rows):
        if low is not None and high is not None:
            axes.plot([low, high], [y, y], color=canvas.SERIES[0], linewidth=1.8)


def _marks(axes: Axes, values: Sequence[float | None], chosen: Sequence[bool], colour: str) -> None:
    for y, (value, filled) in enumerate(zip(values, chosen, strict=True)):
        if value is not None:
            inside = colour if filled else canvas.LIGHT["ground"]
            axes.plot(value, y, "o", color=colour, markerfacecolor=inside, markersize=6, zorder=4)


def _axis(axes: Axes, title: str, names: Sequence[str], *, named: bool) -> None:
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)))
    axes.set_yticklabels(names if named else [])
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=8.5)
    axes.locator_params(axis="x", nbins=3, prune="both")
    axes.margins(x=ROOM)
    axes.set_xlabel(title, fontsize=9)
    axes.spines["left"].set_visible(False)


def _description(rows: Sequence[StageRow]) -> str:
    return (
        "; ".join(
            f"{row.name}: AUROC {number(row.auroc[0])}, LogME {row.logme:.2f}, H-score"
            f" {row.h_score:.2f}, distance {'unknown' if row.distance is None else f'{row.distance:.2f}'}"
            for row in rows
        )
        + "."
    )
