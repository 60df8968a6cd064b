"""Restore what came in."""

from __future__ import annotations

from typing import ClassVar

from medgraft.pretext.distorter import Distorter
from medgraft.pretext.tasks import Restoring, pretext


@pretext("autoencoder")
class Autoencoder(Restoring):
    """Restore the undistorted image through the deepest maps alone.

    Without skips: with them the image could pass by the encoder.
    """

    source: ClassVar[str] = "Hinton and Salakhutdinov 2006, doi:10.1126/science.1127647"
    skips: ClassVar[bool] = False

    def distorter(self, dims: int, *, as_published: bool = False) -> Distorter:
        """Nothing is done."""
        del as_published
        return Distorter([], dims)
