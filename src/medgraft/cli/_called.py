"""How medgraft was called, for the records of what it makes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

_ARGUMENTS: ContextVar[tuple[str, ...]] = ContextVar("arguments", default=())


def called() -> list[str]:
    """The command line that is being run, the program first, also where Python called `main`."""
    return ["medgraft", *_ARGUMENTS.get()]


@contextmanager
def calling(arguments: Sequence[str]) -> Iterator[None]:
    """While this lasts, these are the arguments.

    Examples:
        >>> with calling(["list", "losses"]):
        ...     called()
        ['medgraft', 'list', 'losses']
    """
    token = _ARGUMENTS.set(tuple(arguments))
    try:
        yield
    finally:
        _ARGUMENTS.reset(token)
