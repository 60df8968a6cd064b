"""Prepared images that know the way back to their files. Workers of the pool do this."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from medgraft.errors import ArgumentError, ReadError
from medgraft.prepare.answers import Answer, guarded
from medgraft.prepare.depth import quantised
from medgraft.prepare.geometry import prepare_placed
from medgraft.prepare.pipeline import load_scan, pipeline
from medgraft.prepare.steps import Step
from medgraft.read.quiet import quiet
from medgraft.worker import Work


@contextmanager
def placing(specs: Sequence[str], bits: int) -> Iterator[Work]:
    """Work for `medgraft.pool.spread`: from the path of a file to what `placed` says of it.

    Raises:
        ArgumentError: If the steps are wrong.
    """
    chain = pipeline(specs)
    with quiet():
        yield lambda path: placed(path, chain, bits)


def placed(path: str, chain: Sequence[Step], bits: int) -> Answer:
    """Read, prepare and quantise one file, and keep where it lies.

    Returns:
        Either `geometry` (see `Geometry.record`), `spacing_mm` and `affine` of the file (None
        where it does not say) with whole numbers of shape (C, *S), or a reject and None.
    """

    def made() -> Answer:
        scan = load_scan(path, chain)
        try:
            array, geometry = prepare_placed(scan, chain)
        except (
            ArgumentError
        ) as error:  # values of this file that the steps do not bring into [0, 1]
            raise ReadError(path, str(error), "Leave it out.") from error
        spacing, affine = scan.spacing_mm, scan.affine
        said = {
            "geometry": geometry.record(),
            "spacing_mm": None if spacing is None else list(map(float, spacing)),
            "affine": None if affine is None else np.asarray(affine, dtype=float).tolist(),
        }
        return said, quantised(array, bits)

    return guarded(path, made)
