"""Which images exist, whose they are, what is known of them, and how they are divided."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medgraft.index.table import Index
    from medgraft.index.target import Target

__all__ = ["Index", "Target"]

_HOMES = {"Index": "medgraft.index.table", "Target": "medgraft.index.target"}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: workers that only decode need no tables."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
