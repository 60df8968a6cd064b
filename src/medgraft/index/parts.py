"""The names by which people call the parts of a split."""

from __future__ import annotations

_NAMES = {
    "train": "train",
    "training": "train",
    "tr": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "ts": "test",
}


def part_of(name: str) -> str | None:
    """The part that a name means; None if it means none.

    Examples:
        >>> part_of("Training"), part_of("valid"), part_of("NORMAL")
        ('train', 'val', None)
    """
    return _NAMES.get(name.strip().lower())
