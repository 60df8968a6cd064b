"""Fill a hole."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from medgraft.pretext.distorter import Distorter, Stage
from medgraft.pretext.tasks import Restoring, pretext


@pretext("inpainting")
class Inpainting(Restoring):
    """Restore what a box hides from what is around it: a context encoder.

    The loss counts the hole alone. The adversarial half of the paper's loss is not here: it
    makes the filling sharper, not the encoder better.
    """

    source: ClassVar[str] = "Pathak et al. 2016, arXiv:1604.07379"
    only_hidden: ClassVar[bool] = True

    share: float = Field(0.25, gt=0, le=0.9)
    """Share of the image that is hidden."""
    centred: bool = False
    """Whether the hole is always in the middle, as in the paper's first experiment."""

    def distorter(self, dims: int, *, as_published: bool = False) -> Distorter:
        """One box in every image."""
        del as_published
        centred = str(self.centred).lower()
        return Distorter([Stage((f"hole:share={self.share},centred={centred}",))], dims)
