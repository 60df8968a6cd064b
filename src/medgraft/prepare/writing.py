"""One file, prepared and written as a picture, with what became of it. Workers of the pool do this."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from medgraft.errors import ArgumentError, ReadError
from medgraft.files import replacing
from medgraft.prepare.answers import Answer, guarded
from medgraft.prepare.depth import quantised, source_bits
from medgraft.prepare.pipeline import load_scan, pipeline
from medgraft.prepare.preview import write_preview
from medgraft.prepare.steps import Step
from medgraft.prepare.tracing import Traced, prepare_traced
from medgraft.read.quiet import quiet
from medgraft.worker import Work

FAST = 3  # level of compression: half the time of the usual one, a twentieth larger


@contextmanager
def writing(specs: Sequence[str]) -> Iterator[Work]:
    """Work for `medgraft.pool.spread`: a task is ``[source, image, mask or None, preview or None]``.

    Raises:
        ArgumentError: If the steps are wrong.
    """
    chain = pipeline(specs)
    with quiet():
        yield lambda task: written(task[0], chain, *task[1:])


def written(
    source: str, chain: Sequence[Step], image: str, mask: str | None, preview: str | None
) -> Answer:
    """Prepare a file and write what came of it; the file itself is only read.

    Args:
        source: The file.
        chain: Preparation steps.
        image: The PNG to write, 8 bits where the file has no more, else 16.
        mask: The PNG for what was kept, 255 on the grid of the file; None for none.
        preview: A path without suffix that four small pictures begin with; None for none.

    Returns:
        What is said of the file (see `_said`), or a reject; never an array.
    """

    def made() -> Answer:
        scan = load_scan(source, chain)
        if scan.dims != 2:
            raise ReadError(
                source,
                "prepared images are written as PNG, and it is a volume",
                "Leave it out; training prepares volumes itself.",
            )
        try:
            traced = prepare_traced(scan, chain)
        except (
            ArgumentError
        ) as error:  # values of this file that the steps do not bring into [0, 1]
            raise ReadError(source, str(error), "Leave it out.") from error
        bits = 8 if source_bits(scan) <= 8 else 16
        write_png(image, quantised(traced.array, bits))
        if mask is not None:
            write_png(mask, traced.kept[None].astype(np.uint8) * np.uint8(255))
        if preview is not None:
            write_preview(preview, scan, traced)
        return _said(traced, bits), None

    return guarded(source, made)


def write_png(path: str, array: np.ndarray) -> None:
    """Write uint8 or uint16 (1 or 3, rows, columns) as PNG, whole or not at all."""
    import imagecodecs

    pixels = array[0] if len(array) == 1 else np.moveaxis(array, 0, -1)
    with replacing(Path(path)) as temporary:
        temporary.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels), level=FAST))


def _said(traced: Traced, bits: int) -> dict[str, Any]:
    """Shares of the file's pixels: kept, mended, and erased by each step; and how it was turned."""
    rows, columns = traced.geometry.given
    return {
        "rows": rows,
        "columns": columns,
        "bits": bits,
        "mirrored": traced.geometry.scales[1] < 0,
        "kept": round(float(traced.kept.mean()), 6),
        "mended": round(float(traced.mended.mean()), 6),
        "removed": {name: round(float(lost.mean()), 6) for name, lost in traced.removed.items()},
        "geometry": traced.geometry.record(),
    }
