"""Precision over recall, with the operating point."""

from __future__ import annotations

from collections.abc import Sequence

from medgraft.report.figures import canvas
from medgraft.report.figures.curve import BANDS, Curve


def draw(curves: Sequence[Curve]) -> canvas.Drawing:
    """One curve per class; for a single class, its prevalence as a dotted line."""
    with canvas.style():
        figure, axes = canvas.unit_square(len(curves))
        if len(curves) == 1 and curves[0].chance is not None:
            axes.axhline(curves[0].chance, color=canvas.SOFT, linewidth=1, linestyle=(0, (1, 2)))
        handles = [
            canvas.curve(axes, curve, i, band=len(curves) <= BANDS)
            for i, curve in enumerate(curves)
        ]
        axes.set_xlabel("Recall (share of the positives found)")
        axes.set_ylabel("Precision (share of alarms that are right)")
        if len(curves) == 1:
            canvas.corner_note(axes, f"Average precision {curves[0].score}", left=True)
        canvas.key(figure, handles, [f"{canvas.plain(c.name, 20)}  {c.score}" for c in curves])
        return canvas.finish(
            figure,
            "precision_recall",
            title="Precision and recall",
            description="; ".join(_line(c) for c in curves) + ".",
            caption=_caption(curves),
        )


def _line(curve: Curve) -> str:
    share = "" if curve.chance is None else f", prevalence {curve.chance:.3f}"
    return f"{curve.name}: average precision {curve.score}{share}"


def _caption(curves: Sequence[Curve]) -> str:
    caption = "What an alarm is worth, for every share of the positive images found."
    if any(c.point for c in curves):
        caption += " The dot is the operating threshold."
    if len(curves) == 1 and curves[0].chance is not None:
        caption += " The dotted line is the prevalence: what alarms at random would reach."
    return caption
