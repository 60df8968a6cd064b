"""Sensitivity over false alarms (ROC), with its band and the operating point."""

from __future__ import annotations

from collections.abc import Sequence

from medgraft.report.figures import canvas
from medgraft.report.figures.curve import BANDS, Curve


def draw(
    curves: Sequence[Curve], *, confidence: float = 0.95, unit: str = "patient"
) -> canvas.Drawing:
    """One curve per class, chance as a dotted line."""
    with canvas.style():
        figure, axes = canvas.unit_square(len(curves))
        axes.plot([0, 1], [0, 1], color=canvas.SOFT, linewidth=1, linestyle=(0, (1, 2)))
        handles = [
            canvas.curve(axes, curve, i, band=len(curves) <= BANDS)
            for i, curve in enumerate(curves)
        ]
        axes.set_xlabel("False alarms (1 − specificity)")
        axes.set_ylabel("Found (sensitivity)")
        if len(curves) == 1:
            canvas.corner_note(axes, f"AUROC {curves[0].score}")
        canvas.key(figure, handles, [f"{canvas.plain(c.name, 20)}  {c.score}" for c in curves])
        return canvas.finish(
            figure,
            "roc",
            title="ROC curve" if len(curves) == 1 else "ROC curves, one class against the rest",
            description=_description(curves),
            caption=_caption(curves, confidence, unit),
        )


def _description(curves: Sequence[Curve]) -> str:
    lines = [f"{c.name}: area under the curve {c.score}{_at(c)}" for c in curves]
    return "; ".join(lines) + "."


def _at(curve: Curve) -> str:
    if curve.point is None:
        return ""
    alarms, found = curve.point
    return f", at the operating threshold sensitivity {found:.3f} with a false alarm rate of {alarms:.3f}"


def _caption(curves: Sequence[Curve], confidence: float, unit: str) -> str:
    parts = ["How many of the positive images are found, for every rate of false alarms."]
    if len(curves) <= BANDS and any(c.band for c in curves):
        parts.append(f"The band holds {confidence:.0%} of the bootstrap replicates by {unit}.")
    if any(c.point for c in curves):
        parts.append("The dot is the operating threshold; the dotted line is chance.")
    else:
        parts.append("The dotted line is chance.")
    return " ".join(parts)
