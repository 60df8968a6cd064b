"""Average precision: precision at each threshold, weighted by the recall gained there.

The step-wise sum, not the trapezium, which is too optimistic; rows of equal score enter
together. A model that knows nothing gets the prevalence, not 0.5: compare only on the same rows.

Examples:
    >>> round(average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
    0.8333
"""

from __future__ import annotations

import numpy as np

from medgraft.evaluate.check import Floats
from medgraft.evaluate.metrics import metric
from medgraft.evaluate.sample import Sample, ratio


@metric(
    "average_precision",
    better="higher",
    reads="score",
    needs="a positive row",
    source="Davis and Goadrich 2006; the sum as in scikit-learn",
)
def average_precision(sample: Sample) -> Floats:
    """Sum over distinct scores of precision times gain in recall, shape (R,)."""
    ranked = sample.ranked
    found = ranked.positives[:, None] - ranked.lower
    called = ranked.rows[:, None] - ranked.below
    found /= np.maximum(called, 1e-300)  # nothing is called only where nothing is found
    found *= ranked.positive
    return ratio(found.sum(axis=1), ranked.positives)
