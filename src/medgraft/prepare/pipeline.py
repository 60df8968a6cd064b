"""From a scan, or a file, to the array that a network sees."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from medgraft.errors import ArgumentError, ReadError
from medgraft.prepare.steps import Step, steps
from medgraft.read import read
from medgraft.read.scan import Scan
from medgraft.spec import build, write

FILE_WINDOW = "file_window"
SLACK = 1e-4  # rounding of float32 means; anything more says that a step for the range is missing


Window = tuple[float, float] | Literal["file"] | None


def default_steps(size: int, channels: int, window: Window = None) -> list[str]:
    """The steps that serve most archives: range, grey or colour, square, size.

    Args:
        size: Pixels along each side.
        channels: 1 or 3.
        window: Limits in the units of the file (HU), "file" for the window that each DICOM
            file asks for, or None for the declared range or percentiles.

    Examples:
        >>> default_steps(64, 1)
        ['channels:count=1', 'intensity', 'pad_square', 'resize:side=64']
        >>> default_steps(64, 3, window=(-1000, 400))
        ['window:low=-1000,high=400', 'pad_square', 'resize:side=64', 'channels:count=3']
    """
    values = value_steps(window)
    shape = ["pad_square", f"resize:side={size}"]
    count = [f"channels:count={channels}"]
    # Fewer channels first, more channels last: there is less to work on in between.
    if channels == 1:
        return [*values[:-1], *count, values[-1], *shape]
    return [*values, *shape, *count]


def value_steps(window: Window) -> list[str]:
    """The steps that bring values into [0, 1]; `window` is that of `default_steps`."""
    if window == "file":
        return [FILE_WINDOW, "intensity"]
    if window is None:
        return ["intensity"]
    return [f"window:low={window[0]},high={window[1]}"]


def pipeline(specs: Sequence[str]) -> tuple[Step, ...]:
    """The steps that the specs describe, their options checked.

    Raises:
        UnknownNameError: If no step has that name.
        ArgumentError: If an option is wrong, or `file_window` is not the first step.
    """
    chain = tuple(build(steps, spec) for spec in specs)
    if any(step.name == FILE_WINDOW for step in chain[1:]):
        raise ArgumentError(
            "file_window must be the first preparation step, because it is applied while the file"
            f" is read; got {', '.join(specs)}."
        )
    return chain


def canonical(chain: Sequence[Step]) -> list[str]:
    """The specs of the steps with every option spelled out.

    Examples:
        >>> canonical(pipeline(["pad_square", "resize:side=64"]))
        ['pad_square:fill=low', 'resize:side=64']
    """
    return [write(step.name, step) for step in chain]


def wants_file_window(chain: Sequence[Step]) -> bool:
    """Whether files must be read with the window that they ask for."""
    return any(step.name == FILE_WINDOW for step in chain)


def load(path: str | Path, chain: Sequence[Step]) -> np.ndarray:
    """Read a file and prepare it: float32 (C, *S) in [0, 1].

    Raises:
        ReadError: If the file cannot be read, or a step cannot work on it.
        ArgumentError: If the steps do not bring the values into [0, 1].
    """
    return prepare(load_scan(path, chain), chain)


def load_scan(path: str | Path, chain: Sequence[Step]) -> Scan:
    """Read a file the way the steps want it: with its own window if they begin with that."""
    return read(path, window=wants_file_window(chain))


def prepare(scan: Scan, chain: Sequence[Step]) -> np.ndarray:
    """Apply the steps in order.

    Args:
        scan: The image as it was read, with its file window if the steps begin with that.
        chain: What `pipeline` returned.

    Returns:
        float32, shape (C, *S), in [0, 1], contiguous.

    Raises:
        ReadError: If a step cannot work on this scan, or it has no pixels.
        ArgumentError: If the steps do not bring the values into [0, 1].
    """
    return finished(run(scan, chain))


def run(scan: Scan, chain: Sequence[Step]) -> Scan:
    """The scan after the steps, wherever its values lie."""
    if scan.array.size == 0:
        raise ReadError(scan.source, "it has no pixels", "Export the image again.")
    for step in chain:
        check_axes(scan, step)
        scan = step(scan)
    return scan


def check_axes(scan: Scan, step: Step) -> None:
    """Refuse a scan of another number of spatial axes than a step works on.

    Raises:
        ReadError: With what to do.
    """
    if scan.dims not in step.dims:
        raise ReadError(
            scan.source,
            f"the step {step.name} works on images of {' or '.join(map(str, sorted(step.dims)))}"
            f" spatial axes, and it has {scan.dims}",
            "Leave the step out, or prepare pictures and volumes apart.",
        )


def finished(scan: Scan) -> np.ndarray:
    """The array of a prepared scan, if its values lie in [0, 1]."""
    array = np.ascontiguousarray(scan.array, dtype=np.float32)
    low, high = float(array.min()), float(array.max())
    if not (low >= -SLACK and high <= 1 + SLACK):  # false for NaN too
        raise ArgumentError(
            f"prepared values must lie in [0, 1], but '{scan.source}' has {low:.4g} to {high:.4g}."
            " Add the step intensity or window."
        )
    return array if low >= 0 and high <= 1 else array.clip(0, 1)
