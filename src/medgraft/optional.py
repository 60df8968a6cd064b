"""Packages that only some users need, imported where they are used."""

from __future__ import annotations

import importlib
from types import ModuleType

from medgraft.errors import MissingExtraError


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import `module`, or say which extra of medgraft brings it.

    Raises:
        MissingExtraError: If it is not installed.

    Examples:
        >>> require("json", extra="dev", purpose="this example").dumps([1])
        '[1]'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f'{purpose} needs {module}: pip install "medgraft[{extra}]"'
        ) from error
