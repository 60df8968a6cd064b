"""Formats: one file that holds a network and all that it takes to use it.

To add one, add a module to this folder that registers a `Format`. What it needs beyond medgraft
is named in `modules` and imported inside its functions, so that nobody else has to have it. Its
contract is checked by ``tests/export/test_formats.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from medgraft.optional import require
from medgraft.registry import Registry

IMAGES, PROBABILITIES = "images", "probabilities"


@dataclass(frozen=True)
class Opened:
    """A written file, opened by software that knows nothing of medgraft.

    Attributes:
        ask: From float32 images (B, C, *S) in [0, 1], any B, to probabilities (B, K).
        notes: What the file says of itself.
    """

    ask: Callable[[np.ndarray], np.ndarray]
    notes: Mapping[str, str]


@dataclass(frozen=True)
class Format:
    """A registered format.

    Attributes:
        name: As it is asked for.
        suffix: How its files end.
        extra: Extra of medgraft that brings `modules`.
        modules: What it imports.
        write: ``(module, images, path)`` writes a module that maps images (B, C, *S) to
            probabilities (B, K), for any B, as one file; `images` show it the shape.
        annotate: ``(path, notes)`` replaces the notes in a file.
        open: ``(path)`` opens a file on the processor.
    """

    name: str
    suffix: str
    extra: str
    modules: tuple[str, ...]
    write: Callable[[nn.Module, Tensor, Path], None]
    annotate: Callable[[Path, Mapping[str, str]], None]
    open: Callable[[Path], Opened]

    def check_installed(self) -> None:
        """Find out before any work is done.

        Raises:
            MissingExtraError: If one of `modules` is not installed.
        """
        for module in self.modules:
            require(module, extra=self.extra, purpose=f"export --to {self.name}")


formats: Registry[Format] = Registry("export format", __name__)
