"""Restore crops of recurring anatomy, and name them."""

from __future__ import annotations

from typing import ClassVar

from medgraft.pretext import genesis
from medgraft.pretext.distorter import Distorter
from medgraft.pretext.tasks import Restoring, pretext


@pretext("semantic_genesis")
class SemanticGenesis(Restoring):
    """Semantic Genesis: restore a warped and changed crop, and name the pattern that it shows.

    It needs the patterns of `medgraft discover`. Covered by patents in the United States
    (10,956,785; 11,763,952; 12,469,315); using it there may need a licence.
    """

    source: ClassVar[str] = "Haghighi et al. 2020, arXiv:2007.06959"
    published: ClassVar[bool] = True
    needs_patterns: ClassVar[bool] = True

    def distorter(self, dims: int, *, as_published: bool = False) -> Distorter:
        """An elastic deformation, then one of shuffling, an intensity curve and painting."""
        return genesis.semantic_genesis(dims, as_published=as_published)
