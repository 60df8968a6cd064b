"""Progress with time left, for whatever takes longer than two seconds."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, Protocol, TypeVar

Item = TypeVar("Item")


class Bar(Protocol):
    """What a running task may tell its bar."""

    def update(self, n: float | None = 1) -> Any: ...  # noqa: D102
    def set_postfix_str(self, s: str = "", refresh: bool = True) -> None: ...  # noqa: D102, FBT001, FBT002
    def close(self) -> None: ...  # noqa: D102


def track(
    items: Iterable[Item], *, total: int | None = None, what: str, unit: str = "image"
) -> Iterator[Item]:
    """Pass `items` through, drawing a bar on standard error after two seconds."""
    from tqdm import tqdm

    return iter(tqdm(items, total=total, desc=what, unit=unit, **_manner()))


def bar(*, total: int, what: str, unit: str = "image", start: int = 0, quiet: bool = False) -> Bar:
    """A bar that the caller moves, or one that draws nothing; close it when done."""
    from tqdm import tqdm

    moved: Bar = tqdm(total=total, desc=what, unit=unit, initial=start, disable=quiet, **_manner())
    return moved


def _manner() -> dict[str, Any]:
    """After two seconds; often on a terminal, seldom in a log, where each drawing is a line."""
    seldom = {} if sys.stderr.isatty() else {"mininterval": 10, "maxinterval": 10}
    return {"delay": 2, "file": sys.stderr, "dynamic_ncols": True, **seldom}
