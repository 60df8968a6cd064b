"""A value with its interval, as it stands in `evaluation.json`."""

from __future__ import annotations

from typing import Any

import numpy as np

from medgraft.evaluate.bootstrap import Rule, interval
from medgraft.evaluate.check import Floats


def estimate(
    value: float,
    replicates: Floats,
    *,
    reason: str,
    units: int,
    unit: str,
    confidence: float = 0.95,
    rule: Rule = "linear",
) -> dict[str, Any]:
    """The entry of one metric; what is undefined is null, with its reason.

    Args:
        value: On the rows as they are; NaN where they do not define it.
        replicates: Its values in resampled rows, shape (R,); NaN where undefined.
        reason: Why the value is undefined, or what else must be known of it; "" for nothing.
        units: How many patients (or images) were drawn from.
        unit: "patient" or "image".
        confidence: Share of replicates inside the interval.
        rule: How its ends are read off the sorted replicates, see `interval`.

    Returns:
        `value`, `low`, `high` (None where undefined); `undefined_replicates`, how many
        replicates were skipped, where it is not 0; `reason` where there is one.
    """
    defined = ~np.isnan(replicates)
    skipped = len(replicates) - int(defined.sum())
    entry: dict[str, Any] = {"value": None, "low": None, "high": None}
    reasons = [reason] if reason else []
    if not np.isnan(value):
        entry["value"] = float(value)
        if units < 2 and len(replicates):
            reasons.append(f"an interval needs at least 2 {unit}s, there is 1")
        elif defined.any():
            entry["low"], entry["high"] = interval(replicates, confidence=confidence, rule=rule)
        elif len(replicates):
            reasons.append(f"it is undefined in all {len(replicates)} replicates")
        if skipped:
            entry["undefined_replicates"] = skipped
    if reasons:
        entry["reason"] = "; ".join(reasons)
    return entry
