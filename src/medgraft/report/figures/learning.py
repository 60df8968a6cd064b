"""How loss, validation score and rate went while the network was trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medgraft.report.figures import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Values = Sequence[float | None]
RIVALS = (
    "Parts that learn against each other: no loss falls because samples become better, and a"
    " discriminator whose loss falls to nothing has won."
)


@dataclass(frozen=True)
class History:
    """Columns of history.csv, a value per row; None where a row has none.

    Attributes:
        epoch: Along the axis of all panels.
        loss: Name of a line to its values.
        score: Name of a line to its values, in [0, 1].
        rate: Name of a parameter group to its rates.
        best: Epoch whose weights were kept, or None.
        metric: What the score is.
        of: Whose score it is.
    """

    epoch: Values
    loss: Mapping[str, Values]
    score: Mapping[str, Values]
    rate: Mapping[str, Values]
    best: float | None = None
    metric: str = "AUROC"
    of: str = "validation"


def draw(history: History) -> canvas.Drawing:
    """Three panels under one another, over the epochs."""
    panels = [
        (title, lines)
        for title, lines in (
            ("Loss", history.loss),
            (f"{history.metric}, {history.of}", history.score),
            ("Learning rate", history.rate),
        )
        if lines
    ]
    height, bottom = 1.5, 0.5
    with canvas.style():
        figure = canvas.paper(canvas.WIDTH, bottom + len(panels) * (height + 0.22) + 0.08)
        for row, (title, lines) in enumerate(panels):
            under = bottom + (len(panels) - 1 - row) * (height + 0.22)
            axes = canvas.panel(
                figure, left=0.72, bottom=under, top=figure.get_figheight() - under - height
            )
            _panel(axes, title, history, lines)
            axes.tick_params(labelbottom=row == len(panels) - 1)
        axes.set_xlabel("Epoch")
        return canvas.finish(
            figure,
            "learning",
            title="Learning curves",
            description=_description(history),
            caption=_caption(history),
        )


def _panel(axes: Axes, title: str, history: History, lines: Mapping[str, Values]) -> None:
    from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullFormatter

    handles = []
    x = _gaps(history.epoch)
    for i, values in enumerate(lines.values()):
        y = _gaps(values)
        marker = "o" if len(y) <= 40 else ""
        handles += axes.plot(x, y, marker=marker, markersize=3, **canvas.line_style(i))
    if history.best is not None:
        axes.axvline(history.best, color=canvas.SOFT, linewidth=1, linestyle=(0, (1, 2)))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.set_ylabel(title)
    if len(lines) > 1:
        names = [canvas.plain(name, 18) for name in lines]
        axes.legend(handles, names, fontsize=8, loc="best", handlelength=1.8, labelspacing=0.25)
    if title == "Learning rate":
        if len(lines) > 1:  # rates of groups differ by orders of magnitude
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(numticks=5))
            axes.yaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(FormatStrFormatter("%.3g"))
    else:
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5))


def _gaps(values: Values) -> list[float]:
    """Numbers with NaN where there is none, which leaves a gap in a line."""
    return [float("nan") if value is None else value for value in values]


def _description(history: History) -> str:
    lines = []
    for name, values in {**history.loss, **history.score}.items():
        known = [value for value in values if value is not None]
        if known:
            lines.append(f"{name} from {known[0]:.3g} to {known[-1]:.3g}")
    return f"Over {len(history.epoch)} rows of the history: " + ", ".join(lines) + "."


def _caption(history: History) -> str:
    if len(history.loss) > 1 and "validation" not in history.loss:
        return RIVALS
    caption = "A validation loss that rises while the training loss falls is overfitting."
    if history.best is not None:
        caption += f" The dotted line is epoch {history.best:g}, whose weights were kept."
    return caption
