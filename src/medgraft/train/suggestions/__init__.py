"""Suggestions: rules that read a learning rate off the curve of a range test.

To add one, add a module to this folder that registers a function with `suggestion`. It takes the
rates that were tried, ascending, and the smoothed loss at each (both of shape (N,), N >= 2, finite),
and returns a rate to train with. The contract test in `tests/train/test_suggestions.py` covers it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from medgraft.registry import Registry

Suggestion = Callable[[np.ndarray, np.ndarray], float]
suggestions: Registry[Suggestion] = Registry("suggestion rule", __name__)


def suggestion(name: str) -> Callable[[Suggestion], Suggestion]:
    """Register a rule under `name`."""

    def register(function: Suggestion) -> Suggestion:
        return suggestions.add(name, function)

    return register
